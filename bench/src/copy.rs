//! How fast a tenant's items are copied, beside a bare loop of the same reads and writes by the SDK alone.
//!
//! The embedded regions run in a process of their own, and so does each measurement. Measurements of the movers and of the bare
//! loop take turns, so that a busy neighbour hits both.

mod backoff;
mod bare;
mod client;
pub(crate) mod mover;
pub(crate) mod process;
mod reads;
mod regions;
pub mod throttled;
pub(crate) mod usage;

use std::fmt::Display;

use serde::Serialize;
use testkit::fixtures;
use testkit::region::dynamodb_client_at;
use workers::Verification;

pub use process::part;

use crate::summary::{Spread, median_ratio};
use client::{Client, Measured, Side};
use process::{Process, Role};
use regions::{Addresses, Regions};

const SOURCE_REGION: &str = "us-east-1";
const TARGET_REGION: &str = "eu-west-1";
const TABLE: &str = "issues";
const INDEX: &str = "by-tenant";
const INDEX_KEY: &str = "tenant_shard";
const TENANT: &str = "acme";
/// Batches in flight that the bare loop is tried with.
const TRIED: [usize; 4] = [4, 8, 16, 40];

/// What to measure.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Items of about 1 KiB. Rates are measured with the first count; with each other one, one full copy for its memory.
    pub items: Vec<usize>,
    /// Index shards.
    pub parts: u32,
    /// Measurements of each; the median counts.
    pub runs: usize,
    /// The arguments that make this binary run [`part`] with one more.
    pub part: Vec<String>,
}

/// What was measured.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Items that were copied each time.
    pub items: usize,
    /// Index shards.
    pub parts: u32,
    /// Batches in flight with which the bare loop was fastest.
    pub bare_in_flight: usize,
    /// The bare loop.
    pub bare: Cost,
    /// The movers, mode by mode.
    pub movers: Vec<MoverCost>,
    /// Peak memory of full copies, by the number of items.
    pub memory: Vec<Memory>,
}

/// What a copy takes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cost {
    /// Items a second.
    pub items_per_second: Spread,
    /// Processor seconds of the client for 100,000 items.
    pub cpu_seconds: Spread,
    /// The same of the embedded regions: what is asked of the stores.
    pub regions_cpu_seconds: Spread,
    /// Reads of base tables for each item.
    pub reads_per_item: f64,
}

/// What a copy by the movers takes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MoverCost {
    /// How much is looked at again.
    pub verification: Verification,
    /// Whether the service states what its keys begin with, so that no look for other tenants' items is needed.
    pub key_prefix: bool,
    /// What it takes.
    #[serde(flatten)]
    pub cost: Cost,
    /// Median of movers / bare of the pairs, in items a second.
    pub ratio: f64,
}

/// Peak memory of one full copy.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Memory {
    /// Items copied.
    pub items: usize,
    /// The most memory the process had at once, in KiB.
    pub peak_kib: u64,
    /// Items a second.
    pub items_per_second: f64,
}

/// Why it could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A part of it failed.
    #[error("a part of the measurement failed: {0}")]
    Part(String),
    /// A process could not be started, heard or looked at.
    #[error("a process of the measurement: {0}")]
    Process(#[from] std::io::Error),
}

impl Error {
    pub(crate) fn part(error: &(impl Display + ?Sized)) -> Self {
        Self::Part(error.to_string())
    }
}

/// The modes that are measured, with and without a statement about keys.
const MODES: [(Verification, bool); 5] = [
    (Verification::Off, true),
    (Verification::Off, false),
    (Verification::Sampled, true),
    (Verification::Full, true),
    (Verification::Full, false),
];

/// Measures; `say` is told what goes on.
///
/// # Errors
/// When a part of it fails.
pub async fn run(settings: &Settings, say: impl Fn(&str)) -> Result<Report, Error> {
    let (first, others) = settings.items.split_first().ok_or_else(|| Error::part("no number of items is given"))?;
    let mut report = rates(settings, *first, &say).await?;
    for items in others {
        say(&format!("{items} items: full, for its memory"));
        let bench = Bench::start(settings, *items).await?;
        let full = bench.measure(Side::Mover { verification: Verification::Full, prefixed: true }).await?;
        let rate = full.items as f64 / full.seconds;
        report.memory.push(Memory { items: *items, peak_kib: full.peak_kib, items_per_second: rate });
    }
    Ok(report)
}

async fn rates(settings: &Settings, items: usize, say: &impl Fn(&str)) -> Result<Report, Error> {
    let bench = Bench::start(settings, items).await?;
    let mut fastest = (0.0, TRIED[0]);
    for in_flight in TRIED {
        say(&format!("{items} items: the bare loop with {in_flight} batches in flight"));
        let tried = bench.measure(Side::Bare { in_flight }).await?;
        let rate = tried.items as f64 / tried.seconds;
        if rate > fastest.0 {
            fastest = (rate, in_flight);
        }
    }
    let mut bare = Vec::new();
    let mut movers = vec![Vec::new(); MODES.len()];
    for run in 1..=settings.runs {
        say(&format!("{items} items: run {run} of {}", settings.runs));
        for ((verification, prefixed), measured) in MODES.into_iter().zip(&mut movers) {
            bare.push(bench.measure(Side::Bare { in_flight: fastest.1 }).await?);
            measured.push(bench.measure(Side::Mover { verification, prefixed }).await?);
        }
    }
    let full = movers.last().and_then(|runs| runs.last()).copied();
    let memory =
        full.map(|full| Memory { items, peak_kib: full.peak_kib, items_per_second: full.items as f64 / full.seconds });
    Ok(Report {
        items,
        parts: settings.parts,
        bare_in_flight: fastest.1,
        movers: MODES.into_iter().enumerate().map(|(n, mode)| mover_cost(mode, &movers[n], &bare, n)).collect(),
        bare: cost(&bare),
        memory: memory.into_iter().collect(),
    })
}

fn mover_cost(
    (verification, key_prefix): (Verification, bool),
    runs: &[Measured],
    bare: &[Measured],
    n: usize,
) -> MoverCost {
    let beside: Vec<Measured> = bare.iter().skip(n).step_by(MODES.len()).copied().collect();
    MoverCost { verification, key_prefix, cost: cost(runs), ratio: median_ratio(&rates_of(runs), &rates_of(&beside)) }
}

fn cost(runs: &[Measured]) -> Cost {
    let per_100_000 = |seconds: f64, run: &Measured| seconds * 100_000.0 / run.items as f64;
    let reads = runs.last().map_or(0.0, |run| run.reads.base as f64 / run.items as f64);
    Cost {
        items_per_second: Spread::of(rates_of(runs)),
        cpu_seconds: Spread::of(runs.iter().map(|run| per_100_000(run.cpu_seconds, run)).collect()),
        regions_cpu_seconds: Spread::of(runs.iter().map(|run| per_100_000(run.regions_cpu_seconds, run)).collect()),
        reads_per_item: reads,
    }
}

fn rates_of(runs: &[Measured]) -> Vec<f64> {
    runs.iter().map(|run| run.items as f64 / run.seconds).collect()
}

/// Regions that are up.
struct Bench<'a> {
    settings: &'a Settings,
    items: usize,
    regions: Addresses,
    process: Process,
}

impl<'a> Bench<'a> {
    async fn start(settings: &'a Settings, items: usize) -> Result<Self, Error> {
        let role = Role::Regions(Regions { items, parts: settings.parts });
        let mut process = Process::start(&settings.part, &role)?;
        let regions = process.hears().await?;
        Ok(Self { settings, items, regions, process })
    }

    /// Copies everything once, to an empty table.
    async fn measure(&self, side: Side) -> Result<Measured, Error> {
        let target = TABLE.to_owned();
        let client = dynamodb_client_at(TARGET_REGION, &self.regions.to);
        fixtures::create_table(&client, &target, INDEX, INDEX_KEY).await.map_err(|error| Error::part(&error))?;
        let copy = Client { side, regions: self.regions.clone(), target: target.clone(), parts: self.settings.parts };
        let before = usage::cpu_seconds(self.process.id())?;
        let mut measured: Measured = Process::start(&self.settings.part, &Role::Client(copy))?.hears().await?;
        measured.regions_cpu_seconds = usage::cpu_seconds(self.process.id())? - before;
        client.delete_table().table_name(&target).send().await.map_err(|error| Error::part(&error))?;
        if measured.items != self.items as u64 {
            return Err(Error::Part(format!("{} of {} items were copied", measured.items, self.items)));
        }
        Ok(measured)
    }
}
