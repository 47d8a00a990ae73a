//! How fast a tenant's objects are copied, beside a bare loop of the same reads and writes by the SDK alone.
//!
//! The embedded regions run in a process of their own, and so does each measurement. Measurements of the movers and of the bare
//! loop take turns, so that a busy neighbour hits both.

mod bare;
mod client;
mod stores;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use testkit::fixtures;
use testkit::region::s3_client_at;

use crate::copy::Error;
use crate::copy::process::{Process, say};
use crate::summary::{Spread, median_ratio};
use client::{Client, Measured, Side};
use stores::{Addresses, Stores};

const SOURCE_REGION: &str = "us-east-1";
const TARGET_REGION: &str = "eu-west-1";
const TENANT: &str = "acme";
const SOURCE_BUCKET: &str = "media-source";
/// Requests in flight that the bare loop is given.
const IN_FLIGHT: usize = 32;

/// What to measure.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How many objects.
    pub objects: u64,
    /// Of how many bytes each.
    pub bytes: u64,
    /// Into how many parts the movers divide them.
    pub parts: u32,
    /// Measurements of each; the median counts.
    pub runs: usize,
    /// Where the regions keep them; in memory if nowhere.
    pub folder: Option<PathBuf>,
    /// The arguments that make this binary run [`part`] with one more.
    pub part: Vec<String>,
}

/// What was measured.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Objects that were copied each time.
    pub objects: u64,
    /// Their bytes, each.
    pub bytes: u64,
    /// The bare loop.
    pub bare: Cost,
    /// The movers, without reading back, settled all the same.
    pub copied: Cost,
    /// The movers, everything read back.
    pub verified: Cost,
    /// Median of copied / bare of the pairs, in objects a second.
    pub copied_ratio: f64,
    /// Median of verified / bare.
    pub verified_ratio: f64,
}

/// What a copy takes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cost {
    /// Objects a second.
    pub objects_per_second: Spread,
    /// MiB a second.
    pub mib_per_second: Spread,
    /// Processor seconds of the client for all of it.
    pub cpu_seconds: Spread,
    /// The most memory the client had at once, in KiB.
    pub peak_kib: Spread,
}

/// What a process is to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Role {
    Stores(Stores),
    Client(Client),
}

/// Runs the part that [`run`] asked for.
///
/// # Errors
/// What went wrong in it.
pub async fn part(role: &str) -> Result<(), Error> {
    match serde_json::from_str(role).map_err(|error| Error::part(&error))? {
        Role::Stores(stores) => stores.serve().await,
        Role::Client(client) => say(&client.run().await?),
    }
}

/// Measures; `tell` is told what goes on.
///
/// # Errors
/// When a part of it fails.
pub async fn run(settings: &Settings, tell: impl Fn(&str)) -> Result<Report, Error> {
    let stores = Stores { folder: settings.folder.clone(), objects: settings.objects, bytes: settings.bytes };
    tell("filling the source");
    let mut process = Process::start(&settings.part, &Role::Stores(stores))?;
    let regions: Addresses = process.hears().await?;
    let (mut bare, mut copied, mut verified) = (Vec::new(), Vec::new(), Vec::new());
    for run in 0..settings.runs {
        for (side, measured) in [(Side::Bare, &mut bare), (Side::Copy, &mut copied), (Side::Verify, &mut verified)] {
            tell(&format!("run {} of {}: {side:?}", run + 1, settings.runs));
            measured.push(measure(settings, &regions, side, run).await?);
        }
    }
    Ok(Report {
        objects: settings.objects,
        bytes: settings.bytes,
        copied_ratio: median_ratio(&rates(&copied), &rates(&bare)),
        verified_ratio: median_ratio(&rates(&verified), &rates(&bare)),
        bare: cost(settings, &bare),
        copied: cost(settings, &copied),
        verified: cost(settings, &verified),
    })
}

/// Copies everything once, to a bucket of its own.
async fn measure(settings: &Settings, regions: &Addresses, side: Side, run: usize) -> Result<Measured, Error> {
    let target = format!("media-{}-{run}", format!("{side:?}").to_lowercase());
    let at_target = s3_client_at(TARGET_REGION, &regions.to);
    fixtures::create_bucket(&at_target, &target).await.map_err(|error| Error::part(&error))?;
    let client = Client { side, regions: regions.clone(), target, parts: settings.parts };
    let measured: Measured = Process::start(&settings.part, &Role::Client(client))?.hears().await?;
    if measured.objects != settings.objects {
        return Err(Error::Part(format!("{} of {} objects were copied", measured.objects, settings.objects)));
    }
    Ok(measured)
}

fn rates(runs: &[Measured]) -> Vec<f64> {
    runs.iter().map(|run| run.objects as f64 / run.seconds).collect()
}

fn cost(settings: &Settings, runs: &[Measured]) -> Cost {
    let mib = settings.bytes as f64 / f64::from(1 << 20);
    Cost {
        objects_per_second: Spread::of(rates(runs)),
        mib_per_second: Spread::of(rates(runs).into_iter().map(|rate| rate * mib).collect()),
        cpu_seconds: Spread::of(runs.iter().map(|run| run.cpu_seconds).collect()),
        peak_kib: Spread::of(runs.iter().map(|run| run.peak_kib as f64).collect()),
    }
}
