//! What a run came to, for people and for programs.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

/// A run's result.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    /// Chose the faults.
    pub(crate) seed: u64,
    /// Until everything had come to rest.
    pub(crate) seconds: u64,
    /// Injected faults by kind.
    pub(crate) faults: BTreeMap<String, u64>,
    /// Ended moves by their last state.
    pub(crate) moves: BTreeMap<String, u64>,
    /// Why moves rolled back.
    pub(crate) rolled_back: BTreeMap<String, u64>,
    /// Cancels by what they came to.
    pub(crate) cancels: BTreeMap<String, u64>,
    /// Writes by what clients were told.
    pub(crate) writes: BTreeMap<String, u64>,
    /// Removals that had failed and were replayed.
    pub(crate) removals_replayed: u64,
    /// Times that the disk was full, by whether a server found that it could not write.
    pub(crate) disk_full: BTreeMap<String, u64>,
    /// Processes that ended because they found no catalogue when they started.
    pub(crate) ended_by_themselves: u64,
    /// Times that a reader saw a tenant offline.
    pub(crate) times_offline: usize,
    /// The longest of them in milliseconds, by the last fault that struck meanwhile.
    pub(crate) longest_offline_ms: BTreeMap<String, u64>,
    /// The longest that a lapsed tenant was still offline although the catalogue and a process were in order.
    pub(crate) latest_return_ms: u64,
    /// Broken promises. Empty: the run has passed.
    pub(crate) problems: Vec<String>,
    /// The logs of every process, if anything went wrong.
    pub(crate) logs: Option<PathBuf>,
}

impl Report {
    pub(crate) fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a report serialises: string keys and no failing impls")
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |counts: &BTreeMap<String, u64>| {
            counts.iter().map(|(name, count)| format!("{count} {name}")).collect::<Vec<_>>().join(", ")
        };
        let all = |counts: &BTreeMap<String, u64>| counts.values().sum::<u64>();
        writeln!(
            out,
            "soak, seed {}: {} faults in {} s ({})",
            self.seed,
            all(&self.faults),
            self.seconds,
            list(&self.faults)
        )?;
        writeln!(
            out,
            "moves: {} ended ({}); rolled back: {}",
            all(&self.moves),
            list(&self.moves),
            list(&self.rolled_back)
        )?;
        writeln!(out, "cancels: {}; removals replayed: {}", list(&self.cancels), self.removals_replayed)?;
        writeln!(out, "writes: {}", list(&self.writes))?;
        if !self.disk_full.is_empty() {
            writeln!(out, "disk full: {}", list(&self.disk_full))?;
        }
        writeln!(
            out,
            "seen offline {} times; the longest, in ms, by the last fault: {}",
            self.times_offline,
            list(&self.longest_offline_ms)
        )?;
        writeln!(out, "latest return after a lapse, catalogue and a process in order: {} ms", self.latest_return_ms)?;
        for problem in &self.problems {
            writeln!(out, "PROBLEM: {problem}")?;
        }
        match &self.logs {
            Some(logs) => write!(out, "failed; the logs are in {}", logs.display()),
            None => {
                write!(out, "passed: every acknowledged write is where its tenant is, and nothing is anywhere else")
            }
        }
    }
}
