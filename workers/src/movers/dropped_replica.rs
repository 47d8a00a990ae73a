//! Holds one part of a replica that is about to be left against a copy that stays.

use serde_json::Value;

use super::Movers;
use crate::checkpointed_pass::Operation;
use crate::dropped_replica;
use crate::dropped_replica::{Leaving, Looks};
use crate::dynamodb::Described;
use crate::error::WorkError;
use crate::failure::Site;
use crate::hooks;
use crate::mismatch;
use crate::part::PartAt;
use crate::place::Place;
use crate::progress::{Checkpoints, Tally};

impl Movers {
    /// Looks whether everything in one part of a replica is at `kept` as well, while both may be written to:
    /// a difference counts if it is found again a while later. Returns the tally of what was compared. Writes
    /// nothing.
    ///
    /// # Errors
    /// `replica_diverged`, naming up to ten keys; lost leases of `checkpoints`; or what went wrong with a
    /// store.
    pub async fn compare_replica(
        &self,
        at: PartAt<'_>,
        kept: &Place,
        asked: Leaving,
        checkpoints: &dyn Checkpoints,
        resume: Option<Value>,
    ) -> Result<Tally, WorkError> {
        let Leaving { differs, first_after, again_after, known } = asked;
        if let (Some(left), Some(stays)) = (self.service(at.place, at.tenant)?, self.service(kept, at.tenant)?) {
            return Box::pin(hooks::compare_replica(&left, &stays, again_after, &self.heartbeat(checkpoints))).await;
        }
        let left = self.open(at, Described::Lately).await?;
        let stays = self.open(PartAt { place: kept, ..at }, Described::Lately).await?;
        // Items that expire are in no tally: whether the copy that stays has them shows only key by key.
        if let Some(known) = known.filter(|_| !left.expires())
            && self.digest(at, checkpoints, None).await? == known
        {
            return Ok(known);
        }
        let mut run = self.run(Operation::Leave, checkpoints, resume);
        if run.cursor().is_none() {
            dropped_replica::wait(first_after, &run.heartbeat()).await?;
        }
        let found = left.lasting_differences(&stays, Looks::new(differs, again_after), &mut run).await?;
        if found.is_empty() {
            left.check_values(at, &run.heartbeat()).await?;
            left.check_still_complete().await?;
            return Ok(run.tally());
        }
        let (left, stays) = (Site::of(at.place).to_string(), Site::of(kept).to_string());
        Err(mismatch::diverged((&left, &stays), again_after, differs, &found))
    }
}
