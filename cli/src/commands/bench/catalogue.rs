//! `realmctl bench catalogue`: how long things take with few tenants and with very many.

use bench_catalogue::{Figure, Report, Settings, StoreReport, Unit, run};
use clap::Args;

use super::plot::{Chart, Group, PlotArgs, Scale};
use crate::exit::{Exit, Failure};
use crate::format::count;
use crate::number::number;
use crate::output::Terminal;
use crate::tables::{Column, table};

/// How long operations take with few tenants and with very many
///
/// Each store gets a database of its own that is deleted at the end, as in `bench engine`. It is filled up to one size after the
/// other, and everything is measured at each; a million tenants take about 5 GB and some minutes.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  realmctl bench catalogue --store sqlite:bench.db
  realmctl bench catalogue --store postgres://realmctl@db/postgres --runs 51
  realmctl bench catalogue --store sqlite:bench.db --tenants 100,10000")]
pub(crate) struct CatalogueArgs {
    /// Where to measure: sqlite:PATH or postgres://USER@HOST/DATABASE; may be given several times
    #[arg(long, value_name = "URL", required = true)]
    store: Vec<String>,
    /// How many tenants there are
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_value = "1000,100000,1000000", value_parser = number::<u64>(2..=100_000_000))]
    tenants: Vec<u64>,
    /// Measurements of each; the median counts
    #[arg(long, value_name = "N", default_value_t = 21, value_parser = number::<u32>(1..=999))]
    runs: u32,
    /// Removals that wait for capacity in the last measurement
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = number::<u32>(1..=100_000))]
    waiting: u32,
    #[command(flatten)]
    plot: PlotArgs,
}

pub(crate) async fn measure(args: &CatalogueArgs, terminal: &Terminal) -> Result<Exit, Failure> {
    args.plot.check()?;
    let settings = Settings {
        stores: args.store.clone(),
        tenants: args.tenants.clone(),
        runs: usize::try_from(args.runs).unwrap_or(usize::MAX),
        waiting: usize::try_from(args.waiting).unwrap_or(usize::MAX),
    };
    let report = run(&settings, |text| terminal.say(text)).await.map_err(|error| {
        Failure::failed(format!("it can't be measured: {error}; check --store and that a database may be made there"))
    })?;
    terminal.data(&report, in_words)?;
    args.plot.write(&report.stores.iter().map(chart).collect::<Vec<_>>())?;
    Ok(Exit::Done)
}

/// What takes time, at each size.
fn chart(measured: &StoreReport) -> Chart {
    let timed = measured.figures.iter().filter(|figure| figure.unit == Unit::Milliseconds);
    let groups = timed.map(|figure| Group { name: figure.operation.to_owned(), values: figure.values.clone() });
    Chart {
        title: format!("{}: milliseconds", measured.store),
        scale: Scale::Logarithmic,
        series: measured.tenants.iter().map(|tenants| format!("{} tenants", count(*tenants))).collect(),
        groups: groups.collect(),
    }
}

fn in_words(report: &Report) -> String {
    report.stores.iter().map(store_in_words).collect::<Vec<_>>().join("\n\n")
}

fn store_in_words(measured: &StoreReport) -> String {
    let columns =
        [Column::new("OPERATION"), Column::whole("UNIT"), Column::figure("AT EACH SIZE"), Column::figure("RATIO")];
    let rows = measured.figures.iter().map(row);
    let sizes = measured.tenants.iter().map(|tenants| count(*tenants)).collect::<Vec<_>>().join(", ");
    format!("{} ({}), {sizes} tenants\n\n{}", measured.store, measured.durability, table(&columns, rows))
}

fn row(figure: &Figure) -> [String; 4] {
    let unit = match figure.unit {
        Unit::Milliseconds => "ms",
        Unit::MicrosecondsPerTenant => "us/tenant",
        Unit::Mebibytes => "MiB more",
        Unit::Failures => "failed",
        Unit::PercentOfCore => "% of a core",
    };
    let value = |value: &Option<f64>| value.map_or_else(|| "never".to_owned(), |value| format!("{value:.1}"));
    let values = figure.values.iter().map(value).collect::<Vec<_>>().join("  ");
    let ratio = figure.ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}"));
    [figure.operation.to_owned(), unit.to_owned(), values, ratio]
}
