//! Seals the audit trail: every process does, in batches, after the changes were committed.

use std::time::Duration;

use async_trait::async_trait;
use catalogue::audit_chain::{self, Head};
use engine::{StepError, Sweep};
use store::{Millis, StoreError};
use tokio::sync::Mutex;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::deployment::Deployment;

/// How often is looked.
const EVERY: Duration = Duration::from_secs(1);

/// A commit is worth it for entries that are this old, or this many.
const WORTH_AFTER: Millis = 2_000;
const WORTH_ENTRIES: i64 = 500;

/// Entries of one batch.
const BATCH: i64 = 1_000;

/// After a failure it is tried again after this long, then twice as long, up to the other. It has no part in the outages of sweeps: they
/// bring tenants back online.
const AGAIN_AFTER: Duration = Duration::from_secs(5);
const AGAIN_AT_MOST: Duration = Duration::from_secs(600);

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
    /// Since the last success: how long the next wait is.
    failing: Option<Duration>,
    /// The end of the chain as this process has left it, until it is told.
    untold: Option<Head>,
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
    /// One batch at most: whatever else is swept is not kept waiting.
    async fn sweep(&self) -> Result<u64, StepError> {
        let mut last = self.last.lock().await;
        let wait = last.failing.unwrap_or(EVERY);
        if last.looked.is_some_and(|looked| looked.elapsed() < wait) {
            return Ok(0);
        }
        last.looked = Some(Instant::now());
        let sealed = match self.seal_what_is_due().await {
            Ok(None) => 0,
            Ok(Some((head, sealed))) => {
                last.untold = Some(head);
                if i64::try_from(sealed).is_ok_and(|sealed| sealed == BATCH) {
                    // There is more.
                    last.looked = None;
                }
                sealed
            }
            Err(error) => {
                let wait = last.failing.map_or(AGAIN_AFTER, |wait| (wait * 2).min(AGAIN_AT_MOST));
                last.failing = Some(wait);
                warn!(error = error.chain(), again_after_s = wait.as_secs(), "the audit trail can't be sealed");
                return Ok(0);
            }
        };
        if last.failing.take().is_some() {
            info!("the audit trail is sealed again");
        }
        if last.told.is_none_or(|told| told.elapsed() >= TOLD_EVERY)
            && let Some(head) = last.untold.take()
        {
            last.told = Some(Instant::now());
            info!(seq = head.seq, digest = head.digest, "the audit trail is sealed up to here");
        }
        Ok(sealed as u64)
    }
}

impl SealSweep {
    /// A batch, if a commit is worth it: the end of the chain and how many were sealed.
    async fn seal_what_is_due(&self) -> Result<Option<(Head, usize)>, StoreError> {
        let store = &self.deployment.store;
        let mut look = store.read().await?;
        let unsealed = audit_chain::unsealed(&mut look).await?;
        let now = look.now().await?;
        look.rollback().await?;
        // One from the future is old as well: the clock was set back.
        let old = unsealed.oldest.is_some_and(|oldest| now - oldest >= WORTH_AFTER || oldest > now);
        if !old && unsealed.entries < WORTH_ENTRIES {
            return Ok(None);
        }
        let mut tx = store.begin().await?;
        let sealed = audit_chain::seal(&mut tx, BATCH).await?;
        tx.commit().await?;
        Ok(Some(sealed))
    }
}
