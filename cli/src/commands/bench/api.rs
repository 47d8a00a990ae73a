//! `realmctl bench api`: how fast the API answers, beside bare handlers.

use bench_api::{Measured, Report, Settings, StoreReport, run};
use clap::Args;

use crate::exit::{Exit, Failure};
use crate::format::count;
use crate::number::number;
use crate::output::Terminal;
use crate::tables::{Column, table};

/// How fast the API answers, beside bare handlers of the same statements
///
/// Each store gets a database of its own that is deleted at the end, as in `bench engine`. Server, bare handlers and the client that
/// asks them share this process and take turns. The API checks a token, which is a statement more.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  realmctl bench api --store sqlite:bench.db
  realmctl bench api --store postgres://realmctl@db/postgres --at-once 1,32")]
pub(crate) struct ApiArgs {
    /// Where to measure: sqlite:PATH or postgres://USER@HOST/DATABASE; may be given several times
    #[arg(long, value_name = "URL", required = true)]
    store: Vec<String>,
    /// How many tenants there are
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = number::<u32>(1..=10_000_000))]
    tenants: u32,
    /// How many of them have a move
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = number::<u32>(0..=1_000_000))]
    moves: u32,
    /// Requests at the same time
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_value = "1,16", value_parser = number::<u32>(1..=256))]
    at_once: Vec<u32>,
    /// Requests of each measurement
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = number::<u32>(1..=1_000_000))]
    requests: u32,
    /// Measurements of each; the median counts
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = number::<u32>(1..=99))]
    runs: u32,
}

pub(crate) async fn measure(args: &ApiArgs, terminal: &Terminal) -> Result<Exit, Failure> {
    let whole = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    let settings = Settings {
        stores: args.store.clone(),
        tenants: whole(args.tenants),
        moves: whole(args.moves),
        at_once: args.at_once.iter().copied().map(whole).collect(),
        requests: whole(args.requests),
        runs: whole(args.runs),
    };
    // Another thread may have installed the same provider just now: either serves.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let report = run(&settings, |text| terminal.say(text)).await.map_err(|error| {
        Failure::failed(format!("it can't be measured: {error}; check --store and that a database may be made there"))
    })?;
    terminal.data(&report, in_words)?;
    Ok(Exit::Done)
}

fn in_words(report: &Report) -> String {
    report.stores.iter().map(store_in_words).collect::<Vec<_>>().join("\n\n")
}

fn store_in_words(measured: &StoreReport) -> String {
    let columns = [
        Column::new("OPERATION"),
        Column::figure("AT ONCE"),
        Column::figure("API/S"),
        Column::figure("P50"),
        Column::figure("P99 MS"),
        Column::figure("BARE/S"),
        Column::figure("P50"),
        Column::figure("P99 MS"),
        Column::figure("RATIO"),
    ];
    let rows = measured.operations.iter().map(row);
    let (tenants, moves) = (count(measured.tenants as u64), count(measured.moves as u64));
    let sealing = &measured.sealing;
    format!(
        "{} ({}), {tenants} tenants, {moves} moves\n\n{}\n\nMoves started a second, {} at once: {:.0} while the audit trail is sealed, \
         {:.0} while it is not; ratio {:.2}.",
        measured.store,
        measured.durability,
        table(&columns, rows),
        sealing.at_once,
        sealing.sealed,
        sealing.unsealed,
        sealing.ratio
    )
}

fn row(measured: &Measured) -> [String; 9] {
    let ms = |value: f64| format!("{value:.1}");
    [
        measured.operation.to_owned(),
        measured.at_once.to_string(),
        format!("{:.0}", measured.api.rate),
        ms(measured.api.p50_ms),
        ms(measured.api.p99_ms),
        format!("{:.0}", measured.bare.rate),
        ms(measured.bare.p50_ms),
        ms(measured.bare.p99_ms),
        format!("{:.2}", measured.ratio),
    ]
}
