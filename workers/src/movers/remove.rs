//! Removes one part.

use serde_json::Value;

use super::Movers;
use crate::checkpointed_pass::Operation;
use crate::dynamodb::{self, Described};
use crate::error::WorkError;
use crate::fingerprint::Fingerprint;
use crate::hooks;
use crate::ledger_permit::Permits;
use crate::part::PartAt;
use crate::progress::{Checkpoints, Tally};
use crate::replicated;
use crate::store::Store;

impl Movers {
    /// Empties one part and proves it empty. Returns what was removed: after a crash, what was removed but not yet
    /// checkpointed is missing from it.
    ///
    /// # Errors
    /// `late_writes` when something is there that `permits` are not for; `not_empty` (retryable), `shard_count_too_small`, `index_value_invalid`, lost leases of `permits` and `checkpoints`, or
    /// what went wrong with a store.
    pub async fn remove(
        &self,
        at: PartAt<'_>,
        permits: &Permits<'_>,
        checkpoints: &dyn Checkpoints,
        resume: Option<Value>,
    ) -> Result<Tally, WorkError> {
        if let Some(service) = self.service(at.place, at.tenant)? {
            return Box::pin(hooks::remove(&service, permits, checkpoints, resume)).await;
        }
        let store = self.open(at, Described::Now).await?;
        let mut run = self.run(Operation::Remove, checkpoints, resume);
        // A place is not empty while items stand under values that nobody removes.
        store.check_values(at, &run.heartbeat()).await?;
        let removed = store.remove(permits, &mut run).await?;
        store.check_values(at, &run.heartbeat()).await?;
        store.check_still_complete().await?;
        run.finish().await?;
        Ok(removed)
    }

    /// Deletes what was `found` under index values that name the tenant and that no part has: beyond the shard count, or of another
    /// form. For what a person has seen and accepted; the removal of part 0 looks again whether there is more.
    ///
    /// # Errors
    /// Lost leases of `permits` and `checkpoints`, `not_empty` (retryable), or what went wrong with a store.
    pub async fn remove_strays(
        &self,
        at: PartAt<'_>,
        found: &Fingerprint,
        permits: &Permits<'_>,
        checkpoints: &dyn Checkpoints,
    ) -> Result<Tally, WorkError> {
        if self.service(at.place, at.tenant)?.is_some() {
            return Ok(Tally::default());
        }
        match self.open(at, Described::Now).await? {
            Store::Table(table, _) => {
                let (of, heartbeat) = ((at.tenant, at.place.parts()), self.heartbeat(checkpoints));
                Box::pin(dynamodb::remove_strays(&table, of, found, permits, &heartbeat)).await
            }
            Store::Bucket(_) => Ok(Tally::default()),
        }
    }

    /// Proves that the deletes of another place, which the store's own replication brings to this one, have
    /// left nothing of one part. Deletes nothing.
    ///
    /// # Errors
    /// `replica_behind` when nothing more goes; `shard_count_too_small`, `index_value_invalid`; lost leases of
    /// `checkpoints`; or what went wrong with a store.
    pub async fn prove_emptied(&self, at: PartAt<'_>, checkpoints: &dyn Checkpoints) -> Result<Tally, WorkError> {
        let store = self.open(at, Described::Now).await?;
        let mut run = self.run(Operation::Verify, checkpoints, None);
        replicated::emptied(&store, at.place, &mut run, self.settings()).await?;
        store.check_values(at, &run.heartbeat()).await?;
        store.check_still_complete().await?;
        Ok(Tally::default())
    }
}
