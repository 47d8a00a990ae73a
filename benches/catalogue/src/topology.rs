//! `topology apply`: of the document in force, and of one that differs in a shard's address.

use std::time::Duration;

use workflows::topology_change::apply_topology;

use crate::Error;
use crate::figures::{Figures, Unit, timed};
use crate::process::Peak;
use crate::stage::{Stage, by};

/// When no more is tried, because one took so long.
const LONG: Duration = Duration::from_secs(5);

pub(crate) async fn measure(stage: &Stage, runs: usize, figures: &mut Figures) -> Result<(), Error> {
    let peak = Peak::begin()?;
    let same = repeated(stage, runs, |_| stage.yaml.clone()).await;
    figures.median("topology apply, the same", same);
    figures.note("topology apply, the same", Unit::Mebibytes, Some(peak.grown_mib()?));
    let peak = Peak::begin()?;
    let url = |run: usize| format!("    shards:\n      - {{ url: \"https://{run}.example\", ");
    let changed = repeated(stage, runs, |run| stage.yaml.replace("    shards:\n      - { ", &url(run))).await;
    figures.median("topology apply, changed", changed);
    figures.note("topology apply, changed", Unit::Mebibytes, Some(peak.grown_mib()?));
    // As it was, for what comes next.
    drop(apply_topology(&stage.deployment, &stage.yaml, &by()).await);
    Ok(())
}

async fn repeated(stage: &Stage, runs: usize, yaml: impl Fn(usize) -> String) -> Vec<Option<Duration>> {
    let mut times = Vec::new();
    for run in 0..runs {
        let time = timed(apply_topology(&stage.deployment, &yaml(run), &by())).await;
        times.push(time);
        if time.is_none_or(|time| time > LONG) {
            break;
        }
    }
    times
}
