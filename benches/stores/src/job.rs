//! One measurement: the movers or the bare loop copy the whole tenant once, in a process of their own.

use serde::{Deserialize, Serialize};
use workers::Verification;

/// Who copies.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Side {
    /// The SDK alone, with so many requests in flight.
    Bare { in_flight: usize },
    /// The movers; what keys begin with is stated or not.
    Movers { verification: Verification, prefixed: bool },
}

/// Where the regions are.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Addresses {
    pub(crate) from: String,
    pub(crate) to: String,
}

/// What to copy, and where to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) regions: Addresses,
    /// The table or the bucket that it is copied to.
    pub(crate) target: String,
    pub(crate) parts: u32,
}

/// What was copied.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Copied {
    /// Items or objects.
    pub(crate) count: u64,
    pub(crate) reads: Reads,
}

/// Reads of tables in a whole copy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Reads {
    /// Keys asked for in the base tables, whether or not there was an item.
    pub(crate) base: u64,
    /// Entries that the indexes returned.
    pub(crate) index: u64,
}

/// What it took.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Measured {
    /// Items or objects.
    pub(crate) count: u64,
    pub(crate) seconds: f64,
    pub(crate) cpu_seconds: f64,
    pub(crate) peak_kib: u64,
    /// Of the regions, filled in by who can see them.
    #[serde(default)]
    pub(crate) regions_cpu_seconds: f64,
    pub(crate) reads: Reads,
}

impl Measured {
    /// Items or objects a second.
    pub(crate) fn rate(&self) -> f64 {
        self.count as f64 / self.seconds
    }
}

/// The rates of all.
pub(crate) fn rates(runs: &[Measured]) -> Vec<f64> {
    runs.iter().map(Measured::rate).collect()
}
