//! The same measurement as `realmctl bench engine`, without the rest of realmctl.
//!
//! `cargo run --release -p bench-engine --example engine -- STORE,… IN_FLIGHT,… RUNS SECONDS FINISHED`

use std::time::Duration;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [stores, in_flight, runs, seconds, finished] = arguments.as_slice() else {
        return Err("arguments: STORE,… IN_FLIGHT,… RUNS SECONDS FINISHED".into());
    };
    let settings = bench_engine::Settings {
        stores: stores.split(',').map(str::to_owned).collect(),
        in_flight: in_flight.split(',').map(str::parse).collect::<Result<_, _>>()?,
        runs: runs.parse()?,
        measured: Duration::from_secs_f64(seconds.parse()?),
        finished: finished.parse()?,
    };
    let report = bench_engine::run(&settings, |text| eprintln!("{text}")).await?;
    println!("{}", serde_json::to_string_pretty(&report)?);
    Ok(())
}
