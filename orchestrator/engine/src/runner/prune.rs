//! Keeps the past bounded: workflows that ended long ago are forgotten with their history, in small batches. Kept are those that
//! a person may still need, that a row of the catalogue names, and that are about a tenant with work that is open or failed.
//! The audit trail is not touched.

use std::time::Duration;

use store::{Millis, StoreError, Tx};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::record::WorkflowRecord;
use crate::runner::Runner;
use crate::tables::prune_table;
use crate::tables::prune_table::Place;

/// How often it is looked for what may be forgotten.
const EVERY: Duration = Duration::from_secs(60);

/// Workflows forgotten by one transaction, at most.
const AT_ONCE: i64 = 100;

impl Runner {
    /// Forgets from time to time, until `stop`.
    pub(crate) async fn run_pruning(&self, stop: &CancellationToken) {
        let Some(keep) = self.settings.keep_history else { return };
        while stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
            match self.prune(keep).await {
                Ok(0) => {}
                Ok(forgotten) => info!(forgotten, "workflows that ended long ago are forgotten, with their history"),
                Err(error) => warn!(error = error.chain(), "old workflows could not be forgotten; trying again later"),
            }
        }
    }

    /// Forgets whatever ended longer ago than `keep` and is not needed; returns how many.
    pub async fn prune(&self, keep: Duration) -> Result<u64, StoreError> {
        let mut forgotten = 0;
        let mut after: Place = (Millis::MIN, String::new());
        loop {
            let mut tx = self.store.read().await?;
            let before = tx.now().await?.saturating_sub(i64::try_from(keep.as_millis()).unwrap_or(i64::MAX));
            let ended = prune_table::ended_before(&mut tx, before, &after, AT_ONCE).await?;
            let Some(last) = ended.last() else { return Ok(forgotten) };
            after = (last.finished_at.unwrap_or(before), last.id.clone());
            let mut old = Vec::new();
            for record in ended {
                if self.may_be_forgotten(&mut tx, &record).await? {
                    old.push(record.id);
                }
            }
            tx.rollback().await?;
            forgotten += match self.forget(&old).await {
                Err(error) if !error.is_retryable() => self.forget_each(&old).await?,
                forgotten => forgotten?,
            };
        }
    }

    /// Forgets those that still have ended, by one transaction.
    async fn forget(&self, old: &[String]) -> Result<u64, StoreError> {
        if old.is_empty() {
            return Ok(0);
        }
        let mut tx = self.store.begin().await?;
        let ended = prune_table::lock_ended(&mut tx, old).await?;
        let forgotten = prune_table::forget(&mut tx, &ended).await?;
        tx.commit().await?;
        Ok(forgotten)
    }

    /// One of them is still referred to, or can't be deleted for another reason: it must not keep the others.
    async fn forget_each(&self, old: &[String]) -> Result<u64, StoreError> {
        let mut forgotten = 0;
        for id in old {
            match self.forget(std::slice::from_ref(id)).await {
                Ok(count) => forgotten += count,
                Err(error) if error.is_retryable() => return Err(error),
                Err(error) => {
                    warn!(workflow = id, error = error.chain(), "an old workflow is still referred to and stays");
                }
            }
        }
        Ok(forgotten)
    }

    async fn may_be_forgotten(&self, tx: &mut Tx, record: &WorkflowRecord) -> Result<bool, StoreError> {
        let Some(workflow) = self.registry.find_workflow(&record.kind) else { return Ok(false) };
        if !workflow.may_be_pruned(&record.state) || workflow.is_named(tx, record).await? {
            return Ok(false);
        }
        let prunable = |kind: &str, state: &str| {
            self.registry.find_workflow(kind).is_some_and(|workflow| workflow.may_be_pruned(state))
        };
        let others = prune_table::of_subject(tx, &record.subject).await?;
        Ok(others.iter().all(|(kind, state, ended)| *ended && prunable(kind, state)))
    }
}
