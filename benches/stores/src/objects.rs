//! How fast a tenant's objects are copied.

mod bare;
mod mover;
mod source;

use std::path::PathBuf;

use bench_engine::{Spread, median_ratio};
use serde::Serialize;
use testkit::fixtures;
use testkit::region::s3_client_at;
use workers::Verification;

use crate::job::{Measured, Side, rates};
use crate::regions::Regions;
use crate::{Error, TARGET_REGION, process};
use source::Objects;

/// Bytes of a part of an upload.
const PART: u64 = 8 << 20;
const SOURCE_BUCKET: &str = "media-source";
/// Requests in flight that the bare loop is given.
const IN_FLIGHT: usize = 32;
/// The sides, by name.
const SIDES: [(&str, Side); 3] = [
    ("bare", Side::Bare { in_flight: IN_FLIGHT }),
    ("copy", Side::Movers { verification: Verification::Off, prefixed: false }),
    ("verify", Side::Movers { verification: Verification::Full, prefixed: false }),
];

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

/// Runs the part that [`run`] asked for.
///
/// # Errors
/// What went wrong in it.
pub async fn part(role: &str) -> Result<(), Error> {
    process::part::<Objects>(role).await
}

/// Measures; `say` is told what goes on.
///
/// # Errors
/// When a part of it fails.
pub async fn run(settings: &Settings, say: impl Fn(&str)) -> Result<Report, Error> {
    let source = Objects { folder: settings.folder.clone(), objects: settings.objects, bytes: settings.bytes };
    say("filling the source");
    let regions = Regions::start(&settings.part, source).await?;
    let mut measured = SIDES.map(|_| Vec::new());
    for run in 0..settings.runs {
        for ((name, side), measured) in SIDES.into_iter().zip(&mut measured) {
            say(&format!("run {} of {}: {name}", run + 1, settings.runs));
            measured.push(measure(settings, &regions, side, &format!("media-{name}-{run}")).await?);
        }
    }
    let [bare, copied, verified] = measured;
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
async fn measure(
    settings: &Settings,
    regions: &Regions<'_, Objects>,
    side: Side,
    target: &str,
) -> Result<Measured, Error> {
    let at_target = s3_client_at(TARGET_REGION, &regions.addresses.to);
    fixtures::create_bucket(&at_target, target).await.map_err(|error| Error::part(&error))?;
    regions.measure(side, target, settings.parts, settings.objects).await
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
