//! How fast a tenant's objects are copied, verified and not, beside a bare loop of the same reads and writes.
//!
//! `cargo run --release -p bench-stores --example objects -- OBJECTS BYTES PARTS RUNS [FOLDER]`

const PART: &str = "part";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [PART, role] => Ok(bench_stores::objects::part(role).await?),
        [objects, bytes, parts, runs, folder @ ..] => {
            let settings = bench_stores::objects::Settings {
                objects: objects.parse()?,
                bytes: bytes.parse()?,
                parts: parts.parse()?,
                runs: runs.parse()?,
                folder: folder.first().map(Into::into),
                part: vec![PART.to_owned()],
            };
            let report = bench_stores::objects::run(&settings, |text| eprintln!("{text}")).await?;
            println!("{}", serde_json::to_string_pretty(&report)?);
            Ok(())
        }
        _ => Err("arguments: OBJECTS BYTES PARTS RUNS [FOLDER]".into()),
    }
}
