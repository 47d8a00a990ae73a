//! What data work reports while it runs: tallies, and checkpoints that a restarted task resumes from.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::difference::Difference;
use crate::digest::Digest;
use crate::error::WorkError;
use crate::fingerprint::{Fingerprint, Mark};

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

    /// Whether [`Notes`] are kept: if not, none are made.
    fn keeps_notes(&self) -> bool {
        false
    }

    /// Saves, and keeps what was noted since, in one transaction.
    async fn save_noting(&self, resume: serde_json::Value, done: Tally, _notes: Notes) -> Result<(), WorkError> {
        self.save(resume, done).await
    }

    /// Everything noted in the first `chunks` of a pass; `None` when notes are not kept.
    async fn noted(&self, _pass: u32, _chunks: u32) -> Result<Option<Fingerprint>, WorkError> {
        Ok(None)
    }

    /// Keeps differences that were found; `first`: instead of those that an earlier attempt found.
    async fn found(&self, _first: bool, _differences: &[Difference]) -> Result<(), WorkError> {
        Ok(())
    }

    /// Says that work goes on, without a new place to resume from: what progress renews is renewed.
    /// Fails with treatment `LostLease` when the task is no longer ours.
    async fn alive(&self) -> Result<(), WorkError>;

    /// Whether more urgent work needs the room of this one: then it ends, once no request of its is on its way, with what
    /// `handed_over` says, and somebody goes on from its last checkpoint.
    fn is_wanted_back(&self) -> bool {
        false
    }
}

/// The code of `handed_over`.
pub const HANDED_OVER: &str = "handed_over";

/// How work ends that was wanted back.
pub(crate) fn handed_over() -> WorkError {
    WorkError::retryable(HANDED_OVER, "gives its room to work that keeps a tenant offline")
}

/// What is kept with a checkpoint besides where to resume: marks of single items.
#[derive(Debug, Clone, Default)]
pub struct Notes {
    /// What has been seen, each time with the number of the pass and of the chunk of it: what was kept of that pass under this number
    /// and later ones was not covered by a checkpoint, and is replaced.
    pub seen: Vec<(u32, u32, Vec<Mark>)>,
    /// What is about to be deleted, with a number that this run has not used before.
    pub doomed: Option<(u32, Vec<Mark>)>,
    /// Numbers of what was about to be deleted, and has been.
    pub deleted: Vec<u32>,
    /// The passes of which notes are still wanted; all, if there are none here.
    pub wanted: Vec<u32>,
}
