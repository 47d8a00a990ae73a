//! What data work reports while it runs: tallies, and checkpoints that a restarted task resumes from.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::error::WorkError;

/// Counts and the order-free digest of some of a tenant's data.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// DynamoDB items.
    pub items: u64,
    /// S3 objects.
    pub objects: u64,
    /// Bytes of item attributes (canonical form) or object contents.
    pub bytes: u64,
    /// Order-free digest over the canonical form of everything counted.
    pub digest: Digest,
}

impl Tally {
    /// Adds everything that `other` counted.
    pub fn merge(&mut self, other: &Self) {
        self.items += other.items;
        self.objects += other.objects;
        self.bytes += other.bytes;
        self.digest.merge(&other.digest);
    }
}

/// Where a task's progress goes: stored under the task's lease, so saving also tells whether the lease still holds.
#[async_trait]
pub trait Checkpoints: Send + Sync {
    /// Stores where to resume and what has been done so far in this operation (monotonic, for progress displays).
    /// Fails with treatment `LostLease` when the task is no longer ours.
    async fn save(&self, resume: serde_json::Value, done: Tally) -> Result<(), WorkError>;

    /// Says that work goes on, without a new place to resume from: what progress renews is renewed.
    /// Fails with treatment `LostLease` when the task is no longer ours.
    async fn alive(&self) -> Result<(), WorkError>;
}
