//! `realmctl bench`: how fast the parts of realmctl are on this machine.

mod api;
mod catalogue;
mod copy;
mod plot;

use std::time::Duration;

use bench_engine::{Commits, Report, Settings, StoreReport};
use clap::{Args, Subcommand};

use crate::exit::{Exit, Failure};
use crate::format::{count, parse_duration};
use crate::number::number;
use crate::output::Terminal;
use crate::tables::{Column, table};
use plot::{Chart, Group, PlotArgs, Scale};

/// Measure how fast realmctl is on this machine
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:\n  realmctl bench engine --store sqlite:bench.db\n  realmctl bench copy")]
pub(crate) enum BenchCommand {
    Engine(EngineArgs),
    Copy(copy::CopyArgs),
    Catalogue(catalogue::CatalogueArgs),
    Api(api::ApiArgs),
    #[command(hide = true)]
    Part(copy::PartArgs),
}

/// Five-step workflows a second, beside a bare loop of the same statements
///
/// Each store gets a database of its own that is deleted at the end: a new one on the Postgres server given, or a file in
/// the folder of the SQLite path. Commits are fully durable. The engine and the bare loop take turns, so that a busy
/// neighbour hits both. Own commits: a commit for each step. Shared: steps that end together share one.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  realmctl bench engine --store sqlite:bench.db
  realmctl bench engine --store postgres://realmctl@db/postgres --in-flight 1,128
  realmctl bench engine --store sqlite:bench.db --runs 1 --measure 200ms")]
pub(crate) struct EngineArgs {
    /// Where to measure: sqlite:PATH or postgres://USER@HOST/DATABASE; may be given several times
    #[arg(long, value_name = "URL", required = true)]
    store: Vec<String>,
    /// Workflows in flight
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_value = "1,8,32,128", value_parser = number::<u32>(1..=4096))]
    in_flight: Vec<u32>,
    /// Measurements of each; the median counts
    #[arg(long, value_name = "N", default_value_t = 9, value_parser = number::<u32>(1..=99))]
    runs: u32,
    /// How long each measurement takes
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = parse_duration)]
    measure: Duration,
    /// Also measure how much a claim reads with this many finished workflows (Postgres)
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = number::<u64>(0..=i64::MAX))]
    history: u64,
    #[command(flatten)]
    plot: PlotArgs,
}

pub(crate) async fn run(command: &BenchCommand, terminal: &Terminal) -> Result<Exit, Failure> {
    let args = match command {
        BenchCommand::Engine(args) => args,
        BenchCommand::Copy(args) => return Box::pin(copy::measure(args, terminal)).await,
        BenchCommand::Catalogue(args) => return Box::pin(catalogue::measure(args, terminal)).await,
        BenchCommand::Api(args) => return Box::pin(api::measure(args, terminal)).await,
        BenchCommand::Part(args) => return Box::pin(copy::run_part(args)).await,
    };
    args.plot.check()?;
    let settings = Settings {
        stores: args.store.clone(),
        in_flight: args.in_flight.iter().map(|n| usize::try_from(*n).unwrap_or(usize::MAX)).collect(),
        runs: usize::try_from(args.runs).unwrap_or(usize::MAX),
        measured: args.measure,
        finished: args.history,
    };
    let report = bench_engine::run(&settings, |text| terminal.say(text)).await.map_err(|error| {
        Failure::failed(format!("it can't be measured: {error}; check --store and that a database may be made there"))
    })?;
    terminal.data(&report, in_words)?;
    args.plot.write(&report.stores.iter().map(chart).collect::<Vec<_>>())?;
    Ok(Exit::Done)
}

fn chart(measured: &StoreReport) -> Chart {
    let groups = measured.rates.iter().map(|rate| Group {
        name: format!("{} in flight, {} commits", rate.in_flight, commits(rate.commits)),
        values: vec![Some(rate.engine.median), Some(rate.bare.median)],
    });
    Chart {
        title: format!("{}: workflows a second", measured.store),
        scale: Scale::Linear,
        series: vec!["engine".to_owned(), "bare loop".to_owned()],
        groups: groups.collect(),
    }
}

fn commits(commits: Commits) -> &'static str {
    match commits {
        Commits::Own => "own",
        Commits::Shared => "shared",
    }
}

fn in_words(report: &Report) -> String {
    report.stores.iter().map(store_in_words).collect::<Vec<_>>().join("\n\n")
}

fn store_in_words(measured: &StoreReport) -> String {
    let columns = [
        Column::figure("IN FLIGHT"),
        Column::whole("COMMITS"),
        Column::figure("ENGINE/S"),
        Column::figure("FROM-TO"),
        Column::figure("BARE/S"),
        Column::figure("FROM-TO"),
        Column::figure("RATIO"),
    ];
    let span = |spread: &bench_engine::Spread| format!("{}-{}", whole(spread.least), whole(spread.most));
    let rows = measured.rates.iter().map(|rate| {
        [
            rate.in_flight.to_string(),
            commits(rate.commits).to_owned(),
            whole(rate.engine.median),
            span(&rate.engine),
            whole(rate.bare.median),
            span(&rate.bare),
            format!("{:.2}", rate.ratio),
        ]
    });
    let mut text = format!("{} ({})\n\n{}", measured.store, measured.durability, table(&columns, rows));
    if let Some(pages) = &measured.claims {
        let (with, finished, without) = (pages.pages_with, count(pages.finished), pages.pages_without);
        text.push_str(&format!(
            "\n\nA claim touches {with} pages with {finished} finished workflows, {without} with none."
        ));
    }
    text
}

fn whole(rate: f64) -> String {
    format!("{rate:.0}")
}
