//! Verifies one part that was copied.

use super::Movers;
use crate::checkpointed_pass::Operation;
use crate::dynamodb::Described;
use crate::error::WorkError;
use crate::hooks;
use crate::part::PartCopy;
use crate::progress::{Checkpoints, Tally};
use crate::read_back;
use crate::read_back::ReadBack;
use crate::replicated;
use crate::verification::{Verification, Verified};

impl Movers {
    /// Reads the target of a copy back, as closely as its verification asks for, and again while it differs from `expected` and in no
    /// key from the source, for an index may be late. With [`Verification::Off`] nothing is read.
    ///
    /// # Errors
    /// `verify_mismatch`, naming up to ten keys in which it differs from the source; `shard_count_too_small`,
    /// `index_value_invalid`; lost leases of `checkpoints`; or what went wrong with a store.
    pub async fn verify(
        &self,
        copy: PartCopy<'_>,
        expected: &Tally,
        checkpoints: &dyn Checkpoints,
    ) -> Result<Verified, WorkError> {
        self.read_back(copy, expected, ReadBack::Copied, checkpoints).await
    }

    /// The same of a replica that was there before: it may lag, so that a key that differs is looked at again, too.
    ///
    /// # Errors
    /// As those of [`Movers::verify`].
    pub async fn verify_kept(
        &self,
        copy: PartCopy<'_>,
        expected: &Tally,
        checkpoints: &dyn Checkpoints,
    ) -> Result<Verified, WorkError> {
        self.read_back(copy, expected, ReadBack::Kept, checkpoints).await
    }

    async fn read_back(
        &self,
        copy: PartCopy<'_>,
        expected: &Tally,
        what: ReadBack,
        checkpoints: &dyn Checkpoints,
    ) -> Result<Verified, WorkError> {
        if copy.verification == Verification::Off {
            return Ok(Verified { read_back: 0, tally: None, passes: 0 });
        }
        if let Some(service) = self.service(copy.to, copy.tenant)? {
            let seen = Box::pin(hooks::verify(&service, expected, &self.heartbeat(checkpoints))).await?;
            return Ok(Verified { read_back: seen.items, tally: Some(seen), passes: 1 });
        }
        let target = self.open(copy.target(), Described::Lately).await?;
        let source = self.open(copy.source(), Described::Lately).await?;
        let mut run = self.run(Operation::Verify, checkpoints, None);
        let verified = read_back::verify((&source, &target, what), &copy, expected, &mut run, self.settings()).await?;
        target.check_still_complete().await?;
        // The last look at the source before the switch.
        source.check_values(copy.source(), &run.heartbeat()).await?;
        Ok(verified)
    }

    /// The same of a place that the store's own replication fills: waits for it, and always reads all of it.
    ///
    /// # Errors
    /// `replica_behind` when nothing more arrives, naming up to ten keys; lost leases of `checkpoints`; or
    /// what went wrong with a store.
    pub async fn verify_replicated(
        &self,
        copy: PartCopy<'_>,
        expected: &Tally,
        checkpoints: &dyn Checkpoints,
    ) -> Result<Verified, WorkError> {
        let target = self.open(copy.target(), Described::Lately).await?;
        let source = self.open(copy.source(), Described::Lately).await?;
        let mut run = self.run(Operation::Verify, checkpoints, None);
        let verified = replicated::arrived(&source, &target, &copy, expected, &mut run, self.settings()).await?;
        target.check_still_complete().await?;
        source.check_values(copy.source(), &run.heartbeat()).await?;
        Ok(verified)
    }
}
