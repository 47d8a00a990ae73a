//! Removes one part.

use serde_json::Value;

use super::Movers;
use crate::dynamodb::{self, Described};
use crate::error::WorkError;
use crate::hooks;
use crate::part::PartAt;
use crate::permit::Permits;
use crate::progress::{Checkpoints, Tally};
use crate::run::Operation;
use crate::store::Store;

impl Movers {
    /// Empties one part and proves it empty. Returns what was removed: after a crash, what was removed but not yet
    /// checkpointed is missing from it.
    ///
    /// # Errors
    /// `not_empty` (retryable), lost leases of `permits` and `checkpoints`, or what went wrong with a store.
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
        // Once a place, not once a part: a place is not empty while items stand under values that nobody removes.
        if let (Store::Table(table, _), 0) = (&store, at.part) {
            dynamodb::check_shard_count(table, at.tenant, at.place.parts()).await?;
        }
        let mut run = self.run(Operation::Remove, checkpoints, resume);
        store.remove(permits, &mut run).await
    }
}
