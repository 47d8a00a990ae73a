//! Looks, before one part is removed, whether it still holds what was verified there.

use std::time::Duration;

use serde_json::Value;

use super::Movers;
use crate::checkpointed_pass::{Operation, Stage};
use crate::dropped_replica::Looks;
use crate::dynamodb::Described;
use crate::error::WorkError;
use crate::failure::Site;
use crate::fingerprint::Fingerprint;
use crate::heartbeat::Heartbeat;
use crate::hooks;
use crate::late_writes::{Compared, Found, Known, LateWrites, Suspects};
use crate::mismatch::Differs;
use crate::part::PartAt;
use crate::place::Place;
use crate::progress::Checkpoints;
use crate::store::Store;

impl Movers {
    /// Looks whether one part still holds what is `known` to have been there, and finds what differs: what was added or changed since,
    /// unless it is in `live` as well with the same contents, and what was deleted since and is in `live`. What the removal itself
    /// deleted is no difference. With the first part of a table, what stands under index values that no part has was added.
    /// Of a location that nobody has read only what `live` lacks differs, at two looks. Deletes nothing.
    ///
    /// # Errors
    /// `not_settled` (retryable) when what is listed is other each time; lost leases of `checkpoints`; or what went wrong with a store.
    pub async fn compare(
        &self,
        at: PartAt<'_>,
        live: Option<&Place>,
        known: &Known,
        checkpoints: &dyn Checkpoints,
        resume: Option<Value>,
    ) -> Result<Compared, WorkError> {
        if let Some(service) = self.service(at.place, at.tenant)? {
            let live = live.map(|live| self.service(live, at.tenant)).transpose()?.flatten();
            let heartbeat = self.heartbeat(checkpoints);
            return Box::pin(hooks::compare(&service, live.as_ref(), known, &heartbeat)).await;
        }
        let store = self.open(at, Described::Lately).await?;
        let mut run = self.run(Operation::Compare, checkpoints, resume);
        run.recall().await?;
        let live = match live {
            Some(place) => Some(self.open(PartAt { place, ..at }, Described::Lately).await?),
            None => None,
        };
        for _ in 0..=self.settings().settle_rounds {
            store.digest_pass(&mut run).await?;
            let (tally, seen) = (run.tally(), run.seen());
            let suspects = Suspects::of(known, &tally, &seen);
            let look = Look { store: &store, at, live: live.as_ref(), suspects: &suspects, seen: &seen, checkpoints };
            let late = look.at_all_suspects(known.unread, &run.heartbeat()).await?;
            store.check_still_complete().await?;
            if let Some(late) = late {
                run.finish().await?;
                return Ok(Compared { seen: tally, late });
            }
            run.enter(Stage::Working, run.round() + 1).await?;
            tokio::time::sleep(self.settings().index_settle).await;
        }
        let message =
            format!("{} lists other items each time that it is read: it is compared again", Site::of(at.place));
        Err(WorkError::retryable("not_settled", message))
    }
}

/// What is looked at, and with what it is held together.
struct Look<'a> {
    store: &'a Store,
    at: PartAt<'a>,
    live: Option<&'a Store>,
    suspects: &'a Suspects,
    seen: &'a Fingerprint,
    checkpoints: &'a dyn Checkpoints,
}

impl Look<'_> {
    /// What was written late; with `twice`, what is found again so long after a first look. `None`: what was seen and might be late is
    /// not there any more, or is not listed any more.
    async fn at_all_suspects(
        &self,
        twice: Option<Duration>,
        heartbeat: &Heartbeat<'_>,
    ) -> Result<Option<LateWrites>, WorkError> {
        let late = self.once(heartbeat).await?;
        match (late, twice) {
            (Some(late), Some(again_after)) if late.total() > 0 => {
                Looks::new(Differs::WhenLacking, again_after).wait(heartbeat).await?;
                self.once(heartbeat).await
            }
            (late, _) => Ok(late),
        }
    }

    /// Keeps what it finds, instead of what a look before has kept.
    async fn once(&self, heartbeat: &Heartbeat<'_>) -> Result<Option<LateWrites>, WorkError> {
        let mut found = Found::in_part(self.at.part, self.checkpoints);
        self.store.late_writes(self.live, self.suspects, &mut found, heartbeat).await?;
        if !self.suspects.all_met(self.seen, found.met()) {
            return Ok(None);
        }
        self.store.stray_writes(self.at, &mut found, heartbeat).await?;
        found.finish().await.map(Some)
    }
}
