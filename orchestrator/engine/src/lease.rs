//! Keeps a lease alive while work under it runs, and stops the work at once when the lease is lost.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use store::StoreError;
use tokio::time::Instant;
use tracing::warn;

use crate::step_error::StepError;

/// Runs `work`, calling `beat` every `every`. `beat` answers whether the lease still is ours. While the database can't be
/// reached the work goes on until `lease` has passed since the last answer: then the lease may be somebody else's.
pub(crate) async fn while_held<T, B>(
    work: impl Future<Output = Result<T, StepError>>,
    every: Duration,
    lease: Duration,
    beat: impl Fn() -> B,
) -> Result<T, StepError>
where
    B: Future<Output = Result<bool, StoreError>>,
{
    let mut work = pin!(work);
    let mut confirmed = Instant::now();
    loop {
        tokio::select! {
            done = &mut work => return done,
            () = tokio::time::sleep(every) => {}
        }
        let asked = Instant::now();
        match tokio::time::timeout(lease.saturating_sub(confirmed.elapsed()), beat()).await {
            Ok(Ok(true)) => confirmed = asked,
            Ok(Ok(false)) => return Err(StepError::lost_lease()),
            Ok(Err(error)) => warn!(%error, "heartbeat failed; going on until the lease runs out"),
            Err(_) => {}
        }
        if confirmed.elapsed() >= lease {
            return Err(StepError::lost_lease());
        }
    }
}
