//! One measurement: the mover or the bare loop copies the whole tenant once.

use std::time::Instant;

use serde::{Deserialize, Serialize};
use workers::Verification;

use super::reads::Reads;
use super::regions::Addresses;
use super::usage;
use super::{Error, backoff, bare, mover};

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Side {
    /// The SDK alone, with so many batches in flight.
    Bare { in_flight: usize },
    /// Exponential waits.
    Backoff,
    /// The movers.
    Mover { verification: Verification, prefixed: bool },
}

/// What to copy, and how.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Client {
    pub(super) side: Side,
    pub(super) regions: Addresses,
    pub(super) target: String,
    pub(super) parts: u32,
}

/// What it took.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Measured {
    pub(super) items: u64,
    pub(super) seconds: f64,
    pub(super) cpu_seconds: f64,
    pub(super) peak_kib: u64,
    /// Of the regions, filled in by who can see them.
    #[serde(default)]
    pub(super) regions_cpu_seconds: f64,
    pub(super) reads: Reads,
}

impl Client {
    pub(super) async fn run(&self) -> Result<Measured, Error> {
        let (began, cpu) = (Instant::now(), usage::cpu_seconds(None)?);
        let (items, reads) = match self.side {
            Side::Bare { in_flight } => bare::copy(self, in_flight).await?,
            Side::Backoff => (backoff::copy(self).await?, Reads::default()),
            Side::Mover { verification, prefixed } => mover::copy(self, verification, prefixed).await?,
        };
        Ok(Measured {
            items,
            seconds: began.elapsed().as_secs_f64(),
            cpu_seconds: usage::cpu_seconds(None)? - cpu,
            peak_kib: usage::peak_kib()?,
            regions_cpu_seconds: 0.0,
            reads,
        })
    }
}
