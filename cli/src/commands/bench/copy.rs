//! `realmctl bench copy`: how fast a tenant's items are copied.

use std::time::Duration;

use bench_stores::items::throttled::{self, Kept};
use bench_stores::items::{Cost, Report, Settings, part, run};
use clap::Args;
use serde::Serialize;

use super::plot::{Chart, Group, PlotArgs, Scale};
use crate::exit::{Exit, Failure};
use crate::format::{count, parse_duration};
use crate::number::number;
use crate::output::Terminal;
use crate::tables::{Column, table};

/// Items a second copied, beside a bare loop of the same reads and writes
///
/// Embedded regions run in a process of their own, and so does each measurement. The movers and the bare loop take turns, so
/// that a busy neighbour hits both. With --throttled, the regions have the capacity of a real store, scaled down, with a
/// hidden ceiling that changes in the middle; plain exponential waits are measured beside the pacing.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  realmctl bench copy
  realmctl bench copy --items 100000,1000000 --runs 5
  realmctl bench copy --throttled --shards 1,4,10 --time 2m --seed 7")]
pub(crate) struct CopyArgs {
    /// Items of about 1 KiB: rates are measured with the first number, peak memory with all
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_value = "100000", value_parser = number::<u32>(1..=10_000_000))]
    items: Vec<u32>,
    /// Index shards; with --throttled one run for each number
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_value = "10", value_parser = number::<u32>(1..=100))]
    shards: Vec<u32>,
    /// Measurements of each; the median counts
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = number::<u32>(1..=99))]
    runs: u32,
    /// Measure against hidden ceilings
    #[arg(long)]
    throttled: bool,
    /// How long each run against a hidden ceiling takes
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = parse_duration, requires = "throttled")]
    time: Duration,
    /// Which ceilings are drawn
    #[arg(long, value_name = "N", default_value_t = 1, requires = "throttled", value_parser = number::<u64>(0..=i64::MAX))]
    seed: u64,
    #[command(flatten)]
    plot: PlotArgs,
}

/// A part of a measurement, run by `bench copy` in a process of its own
#[derive(Debug, Args)]
pub(crate) struct PartArgs {
    role: String,
}

pub(crate) async fn measure(args: &CopyArgs, terminal: &Terminal) -> Result<Exit, Failure> {
    args.plot.check()?;
    let failed = |error| Failure::failed(format!("it can't be measured: {error}"));
    if args.throttled {
        let settings = throttled::Settings { shards: args.shards.clone(), time: args.time, seed: args.seed };
        let runs = throttled::run(&settings, |text| terminal.say(text)).await.map_err(failed)?;
        args.plot.write(&[chart_of_ceilings(&runs)])?;
        terminal.data(&Runs { runs }, |runs| ceilings_in_words(&runs.runs))?;
        return Ok(Exit::Done);
    }
    let settings = Settings {
        items: args.items.iter().map(|n| usize::try_from(*n).unwrap_or(usize::MAX)).collect(),
        parts: args.shards.first().copied().unwrap_or(1),
        runs: usize::try_from(args.runs).unwrap_or(usize::MAX),
        part: vec!["bench".to_owned(), "part".to_owned()],
    };
    let report = run(&settings, |text| terminal.say(text)).await.map_err(failed)?;
    terminal.data(&report, in_words)?;
    args.plot.write(&[chart(&report)])?;
    Ok(Exit::Done)
}

fn chart(report: &Report) -> Chart {
    let group = |name: String, cost: &Cost| Group { name, values: vec![Some(cost.items_per_second.median)] };
    let movers = report.movers.iter().map(|mover| {
        let prefix = if mover.key_prefix { ", keyPrefix stated" } else { "" };
        group(format!("verification {}{prefix}", mover.verification.name()), &mover.cost)
    });
    Chart {
        title: "Items copied a second".to_owned(),
        scale: Scale::Linear,
        series: vec!["median".to_owned()],
        groups: std::iter::once(group("bare loop".to_owned(), &report.bare)).chain(movers).collect(),
    }
}

fn chart_of_ceilings(runs: &[throttled::Run]) -> Chart {
    let groups = runs.iter().flat_map(|run| {
        let of = |name: &str, of: fn(&Kept) -> f64| Group {
            name: format!("{} shards, {name}", run.shards),
            values: vec![Some(of(&run.paced) * 100.0), Some(of(&run.backoff) * 100.0)],
        };
        [of("capacity used", |kept| kept.used), of("requests throttled", |kept| kept.throttled)]
    });
    Chart {
        title: "Against hidden ceilings: per cent".to_owned(),
        scale: Scale::Linear,
        series: vec!["paced".to_owned(), "exponential waits".to_owned()],
        groups: groups.collect(),
    }
}

pub(crate) async fn run_part(args: &PartArgs) -> Result<Exit, Failure> {
    part(&args.role).await.map_err(|error| Failure::failed(error.to_string()))?;
    Ok(Exit::Done)
}

#[derive(Serialize)]
struct Runs {
    runs: Vec<throttled::Run>,
}

fn in_words(report: &Report) -> String {
    let columns = [
        Column::whole("COPY"),
        Column::whole("KEY PREFIX"),
        Column::figure("ITEMS/S"),
        Column::figure("RATIO"),
        Column::figure("CPU S/100,000"),
        Column::figure("READS/ITEM"),
    ];
    let row = |name: &str, prefix: &str, cost: &Cost, ratio: f64| {
        let rate = format!("{:.0}", cost.items_per_second.median);
        let (cpu, reads) = (format!("{:.2}", cost.cpu_seconds.median), format!("{:.2}", cost.reads_per_item));
        [name.to_owned(), prefix.to_owned(), rate, format!("{ratio:.2}"), cpu, reads]
    };
    let mut rows = vec![row("bare loop", "", &report.bare, 1.0)];
    for mover in &report.movers {
        let prefix = if mover.key_prefix { "stated" } else { "" };
        rows.push(row(mover.verification.name(), prefix, &mover.cost, mover.ratio));
    }
    let mut text = table(&columns, rows);
    for memory in &report.memory {
        let (items, mib) = (count(memory.items as u64), memory.peak_kib as f64 / 1024.0);
        text.push_str(&format!("\n{items} items, full: {mib:.0} MiB at most"));
    }
    text
}

fn ceilings_in_words(runs: &[throttled::Run]) -> String {
    let columns = [
        Column::figure("SHARDS"),
        Column::figure("CEILINGS"),
        Column::whole("COPY"),
        Column::figure("UNITS/S"),
        Column::figure("USED"),
        Column::figure("BEFORE"),
        Column::figure("AFTER"),
        Column::figure("THROTTLED"),
        Column::figure("BYSTANDER"),
    ];
    let percent = |share: f64| format!("{:.1} %", share * 100.0);
    let rows = runs.iter().flat_map(|run| [("paced", &run.paced), ("waits", &run.backoff)].map(|kept| (run, kept)));
    let row = |(run, (name, kept)): (&throttled::Run, (&str, &Kept))| {
        [
            run.shards.to_string(),
            format!("{:.0}, {:.0}", run.ceilings[0], run.ceilings[1]),
            name.to_owned(),
            format!("{:.0}", kept.units_per_second),
            percent(kept.used),
            percent(kept.used_before),
            percent(kept.used_after),
            percent(kept.throttled),
            percent(kept.bystander_throttled),
        ]
    };
    table(&columns, rows.map(row))
}
