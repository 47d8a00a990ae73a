//! The same measurement as `realmctl bench catalogue`, in a binary that builds more quickly.
//!
//! `cargo run --release -p bench-catalogue --example catalogue -- STORE,… TENANTS,… RUNS WAITING`

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [stores, tenants, runs, waiting] = arguments.as_slice() else {
        return Err("arguments: STORE,… TENANTS,… RUNS WAITING".into());
    };
    let settings = bench_catalogue::Settings {
        stores: stores.split(',').map(str::to_owned).collect(),
        tenants: tenants.split(',').map(str::parse).collect::<Result<_, _>>()?,
        runs: runs.parse()?,
        waiting: waiting.parse()?,
    };
    let report = bench_catalogue::run(&settings, |text| eprintln!("{text}")).await?;
    println!("{}", serde_json::to_string_pretty(&report)?);
    Ok(())
}
