//! The same measurement as `realmctl bench copy`, in a binary that builds more quickly.
//!
//! `cargo run --release -p bench-stores --example items -- ITEMS,… PARTS RUNS`, or `… -- throttled SHARDS,… SECONDS SEED`

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PART: &str = "part";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [PART, role] => Ok(bench_stores::items::part(role).await?),
        [items, parts, runs] => {
            let settings = bench_stores::items::Settings {
                items: items.split(',').map(str::parse).collect::<Result<_, _>>()?,
                parts: parts.parse()?,
                runs: runs.parse()?,
                part: vec![PART.to_owned()],
            };
            let report = bench_stores::items::run(&settings, |text| eprintln!("{text}")).await?;
            println!("{}", serde_json::to_string_pretty(&report)?);
            Ok(())
        }
        ["throttled", shards, seconds, seed] => {
            let settings = bench_stores::items::throttled::Settings {
                shards: shards.split(',').map(str::parse).collect::<Result<_, _>>()?,
                time: std::time::Duration::from_secs(seconds.parse()?),
                seed: seed.parse()?,
            };
            let runs = bench_stores::items::throttled::run(&settings, |text| eprintln!("{text}")).await?;
            println!("{}", serde_json::to_string_pretty(&runs)?);
            Ok(())
        }
        _ => Err("arguments: ITEMS,… PARTS RUNS, or throttled SHARDS,… SECONDS SEED".into()),
    }
}
