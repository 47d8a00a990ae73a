//! Looks, before one part is removed, whether it still holds what was verified there.

use serde_json::Value;

use super::Movers;
use crate::dynamodb::Described;
use crate::error::WorkError;
use crate::failure::Site;
use crate::hooks;
use crate::mismatch;
use crate::part::PartAt;
use crate::place::Place;
use crate::progress::{Checkpoints, Tally};
use crate::run::Operation;

impl Movers {
    /// Looks whether one part still holds what was `verified` there. A difference does no harm while everything there is in
    /// `live` as well, with the same contents. Deletes nothing.
    ///
    /// # Errors
    /// `late_writes`, naming up to ten keys that would be lost; lost leases of `checkpoints`; or what went wrong with a store.
    pub async fn compare(
        &self,
        at: PartAt<'_>,
        live: Option<&Place>,
        verified: &Tally,
        checkpoints: &dyn Checkpoints,
        resume: Option<Value>,
    ) -> Result<Tally, WorkError> {
        if let Some(service) = self.service(at.place, at.tenant)? {
            let live = live.map(|live| self.service(live, at.tenant)).transpose()?.flatten();
            return Box::pin(hooks::compare(&service, live.as_ref(), verified, &self.pulse(checkpoints))).await;
        }
        let store = self.open(at, Described::Lately).await?;
        let mut run = self.run(Operation::Compare, checkpoints, resume);
        store.digest_pass(&mut run).await?;
        let seen = run.tally();
        if seen == *verified {
            return Ok(seen);
        }
        let name = Site::of(at.place).to_string();
        let Some(live) = live else { return Err(mismatch::late(&name, verified, &seen, None)) };
        let live = self.open(PartAt { place: live, ..at }, Described::Lately).await?;
        let found = store.unlike(&live, &run.pulse()).await?;
        if found.is_empty() { Ok(seen) } else { Err(mismatch::late(&name, verified, &seen, Some(&found))) }
    }
}
