//! Verifies one part that was copied.

use super::Movers;
use crate::dynamodb::Described;
use crate::error::WorkError;
use crate::hooks;
use crate::part::PartCopy;
use crate::progress::{Checkpoints, Tally};
use crate::run::Operation;
use crate::settle;
use crate::verification::{Verification, Verified};

impl Movers {
    /// Reads the target of a copy back, as closely as its verification asks for, and again while it differs from `expected`, for an
    /// index may be late. With [`Verification::Off`] nothing is read.
    ///
    /// # Errors
    /// `verify_mismatch`, naming up to ten keys in which it differs from the source; lost leases of `checkpoints`; or what went
    /// wrong with a store.
    pub async fn verify(
        &self,
        copy: PartCopy<'_>,
        expected: &Tally,
        checkpoints: &dyn Checkpoints,
    ) -> Result<Verified, WorkError> {
        if copy.verification == Verification::Off {
            return Ok(Verified { read_back: 0, tally: None, passes: 0 });
        }
        if let Some(service) = self.service(copy.to, copy.tenant)? {
            let seen = Box::pin(hooks::verify(&service, expected, &self.pulse(checkpoints))).await?;
            return Ok(Verified { read_back: seen.items, tally: Some(seen), passes: 1 });
        }
        let target = self.open(copy.target(), Described::Lately).await?;
        let source = self.open(copy.source(), Described::Lately).await?;
        let mut run = self.run(Operation::Verify, checkpoints, None);
        settle::verify(&source, &target, &copy, expected, &mut run, self.settings()).await
    }
}
