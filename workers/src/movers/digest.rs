//! Counts and digests one part.

use serde_json::Value;

use super::Movers;
use crate::checkpointed_pass::Operation;
use crate::dynamodb::Described;
use crate::error::WorkError;
use crate::hooks;
use crate::part::PartAt;
use crate::progress::{Checkpoints, Tally};

impl Movers {
    /// Counts and digests one part by one complete pass, reading base tables and whole objects.
    ///
    /// # Errors
    /// Lost leases of `checkpoints`, or what went wrong with a store.
    pub async fn digest(
        &self,
        at: PartAt<'_>,
        checkpoints: &dyn Checkpoints,
        resume: Option<Value>,
    ) -> Result<Tally, WorkError> {
        if let Some(service) = self.service(at.place, at.tenant)? {
            return Box::pin(hooks::tally(&service, &self.heartbeat(checkpoints))).await;
        }
        let store = self.open(at, Described::Lately).await?;
        let mut run = self.run(Operation::Digest, checkpoints, resume);
        store.digest_pass(&mut run).await?;
        store.check_still_complete().await?;
        Ok(run.tally())
    }
}
