//! Seals the audit trail: every process does, in batches, after the changes were committed.

use std::time::Duration;

use async_trait::async_trait;
use catalogue::audit_chain::{self, Head};
use engine::{StepError, Sweep};
use store::{Millis, StoreError};
use tokio::sync::Mutex;
use tokio::time::Instant;
use tracing::info;

use crate::deployment::Deployment;

/// How often is looked.
const EVERY: Duration = Duration::from_secs(1);

/// A commit is worth it for entries that are this old, or this many.
const WORTH_AFTER: Millis = 2_000;
const WORTH_ENTRIES: i64 = 500;

/// Entries of one batch.
const BATCH: i64 = 1_000;

/// How often the end of the chain is written to the log, from which logs carry it elsewhere.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// Seals entries of the audit trail.
pub struct SealSweep {
    deployment: Deployment,
    last: Mutex<Last>,
}

#[derive(Default)]
struct Last {
    looked: Option<Instant>,
    told: Option<Instant>,
}

impl SealSweep {
    /// A sweep on this deployment.
    pub fn new(deployment: Deployment) -> Self {
        Self { deployment, last: Mutex::default() }
    }
}

#[async_trait]
impl Sweep for SealSweep {
    async fn sweep(&self) -> Result<u64, StepError> {
        let mut last = self.last.lock().await;
        if last.looked.is_some_and(|looked| looked.elapsed() < EVERY) {
            return Ok(0);
        }
        last.looked = Some(Instant::now());
        let mut look = self.deployment.store.read().await?;
        let unsealed = audit_chain::unsealed(&mut look).await?;
        let old = match unsealed.oldest {
            Some(oldest) => look.now().await? - oldest >= WORTH_AFTER,
            None => false,
        };
        look.rollback().await?;
        if !old && unsealed.entries < WORTH_ENTRIES {
            return Ok(0);
        }
        let (head, sealed) = seal_all(&self.deployment).await?;
        if sealed > 0 && last.told.is_none_or(|told| told.elapsed() >= TOLD_EVERY) {
            last.told = Some(Instant::now());
            info!(seq = head.seq, digest = head.digest, "the audit trail is sealed up to here");
        }
        Ok(sealed)
    }
}

/// Seals whatever is not sealed yet; returns the end of the chain and how many entries were sealed.
pub async fn seal_all(deployment: &Deployment) -> Result<(Head, u64), StoreError> {
    let mut all = 0;
    loop {
        let mut tx = deployment.store.begin().await?;
        let (head, sealed) = audit_chain::seal(&mut tx, BATCH).await?;
        tx.commit().await?;
        all += sealed as u64;
        if i64::try_from(sealed).is_ok_and(|sealed| sealed < BATCH) {
            return Ok((head, all));
        }
    }
}
