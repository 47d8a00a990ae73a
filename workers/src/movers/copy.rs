//! Copies one part.

use serde_json::Value;

use super::Movers;
use crate::checkpointed_pass::Operation;
use crate::copy_until_settled;
use crate::dynamodb::Described;
use crate::error::WorkError;
use crate::hooks;
use crate::ledger_permit::Permits;
use crate::part::PartCopy;
use crate::progress::{Checkpoints, Tally};
use crate::verification::Verification;

impl Movers {
    /// Copies one part, and looks again, as closely as its verification asks for, until the source has settled. Returns the tally of
    /// the settled source; without the full look, that of what was copied.
    ///
    /// # Errors
    /// `source_written` and `not_settled` (permanent), `shard_count_too_small`, `index_value_invalid`, `foreign_item`,
    /// `schema_mismatch`, `expiry_mismatch`, `key_prefix_mismatch` when an item's key is not as stated, lost leases of `permits` and
    /// `checkpoints`, or what went wrong with a store.
    pub async fn copy(
        &self,
        copy: PartCopy<'_>,
        permits: &Permits<'_>,
        checkpoints: &dyn Checkpoints,
        resume: Option<Value>,
    ) -> Result<Tally, WorkError> {
        let PartCopy { from, to, tenant, .. } = copy;
        if from == to {
            return Err(WorkError::permanent("place_invalid", "source and target of a copy are the same place"));
        }
        if let (Some(source), Some(target)) = (self.service(from, tenant)?, self.service(to, tenant)?) {
            return Box::pin(hooks::copy(&source, &target, permits, checkpoints, resume)).await;
        }
        let source = self.open(copy.source(), Described::Lately).await?;
        let target = self.open(copy.target(), Described::Lately).await?;
        source.check_same_shape(&target)?;
        let mut run = self.run(Operation::Copy, checkpoints, resume);
        // A service may have come to write under more values since preflight looked.
        source.check_values(copy.source(), &run.heartbeat()).await?;
        let copied = copy_until_settled::copy(&source, &target, &copy, permits, &mut run, self.settings()).await?;
        // The verification looks last, where there is one.
        if copy.verification == Verification::Off {
            source.check_values(copy.source(), &run.heartbeat()).await?;
        }
        source.check_still_complete().await?;
        run.finish().await?;
        Ok(copied)
    }
}
