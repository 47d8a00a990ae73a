//! How fast a tenant's items are copied.

mod backoff;
mod bare;
mod mover;
mod reads;
mod source;
pub mod throttled;

use bench_engine::{Spread, median_ratio};
use serde::Serialize;
use testkit::fixtures;
use testkit::region::dynamodb_client_at;
use workers::Verification;

use crate::job::{Measured, Side, rates as rates_of};
use crate::regions::Regions;
use crate::{Error, TARGET_REGION, process};
use source::Items;

const TABLE: &str = "issues";
const INDEX: &str = "by-tenant";
const INDEX_KEY: &str = "tenant_shard";
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

/// The modes that are measured, with and without a statement about keys.
const MODES: [(Verification, bool); 5] = [
    (Verification::Off, true),
    (Verification::Off, false),
    (Verification::Sampled, true),
    (Verification::Full, true),
    (Verification::Full, false),
];

/// Runs the part that [`run`] asked for.
///
/// # Errors
/// What went wrong in it.
pub async fn part(role: &str) -> Result<(), Error> {
    process::part::<Items>(role).await
}

/// Measures; `say` is told what goes on.
///
/// # Errors
/// When a part of it fails.
pub async fn run(settings: &Settings, say: impl Fn(&str)) -> Result<Report, Error> {
    let (first, others) = settings.items.split_first().ok_or_else(|| Error::part("no number of items is given"))?;
    let mut report = rates(settings, *first, &say).await?;
    for items in others {
        say(&format!("{items} items: full, for its memory"));
        let stage = Stage::set(settings, *items).await?;
        let full = stage.measure(Side::Movers { verification: Verification::Full, prefixed: true }).await?;
        report.memory.push(memory(*items, &full));
    }
    Ok(report)
}

async fn rates(settings: &Settings, items: usize, say: &impl Fn(&str)) -> Result<Report, Error> {
    let stage = Stage::set(settings, items).await?;
    let mut fastest = (0.0, TRIED[0]);
    for in_flight in TRIED {
        say(&format!("{items} items: the bare loop with {in_flight} batches in flight"));
        let tried = stage.measure(Side::Bare { in_flight }).await?;
        if tried.rate() > fastest.0 {
            fastest = (tried.rate(), in_flight);
        }
    }
    let mut bare = Vec::new();
    let mut movers = vec![Vec::new(); MODES.len()];
    for run in 1..=settings.runs {
        say(&format!("{items} items: run {run} of {}", settings.runs));
        for ((verification, prefixed), measured) in MODES.into_iter().zip(&mut movers) {
            bare.push(stage.measure(Side::Bare { in_flight: fastest.1 }).await?);
            measured.push(stage.measure(Side::Movers { verification, prefixed }).await?);
        }
    }
    let full = movers.last().and_then(|runs| runs.last());
    Ok(Report {
        items,
        parts: settings.parts,
        bare_in_flight: fastest.1,
        movers: MODES.into_iter().enumerate().map(|(n, mode)| mover_cost(mode, &movers[n], &bare, n)).collect(),
        bare: cost(&bare),
        memory: full.map(|full| memory(items, full)).into_iter().collect(),
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
    let per_100_000 = |seconds: f64, run: &Measured| seconds * 100_000.0 / run.count as f64;
    let reads = runs.last().map_or(0.0, |run| run.reads.base as f64 / run.count as f64);
    Cost {
        items_per_second: Spread::of(rates_of(runs)),
        cpu_seconds: Spread::of(runs.iter().map(|run| per_100_000(run.cpu_seconds, run)).collect()),
        regions_cpu_seconds: Spread::of(runs.iter().map(|run| per_100_000(run.regions_cpu_seconds, run)).collect()),
        reads_per_item: reads,
    }
}

fn memory(items: usize, full: &Measured) -> Memory {
    Memory { items, peak_kib: full.peak_kib, items_per_second: full.rate() }
}

/// Regions whose source holds the items.
struct Stage<'a> {
    settings: &'a Settings,
    items: usize,
    regions: Regions<'a, Items>,
}

impl<'a> Stage<'a> {
    async fn set(settings: &'a Settings, items: usize) -> Result<Self, Error> {
        let regions = Regions::start(&settings.part, Items { items, parts: settings.parts }).await?;
        Ok(Self { settings, items, regions })
    }

    /// Copies everything once, to an empty table.
    async fn measure(&self, side: Side) -> Result<Measured, Error> {
        let client = dynamodb_client_at(TARGET_REGION, &self.regions.addresses.to);
        fixtures::create_table(&client, TABLE, INDEX, INDEX_KEY).await.map_err(|error| Error::part(&error))?;
        let measured = self.regions.measure(side, TABLE, self.settings.parts, self.items as u64).await?;
        client.delete_table().table_name(TABLE).send().await.map_err(|error| Error::part(&error))?;
        Ok(measured)
    }
}
