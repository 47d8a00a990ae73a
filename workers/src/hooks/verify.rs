//! What a service counts and digests. It names no keys, so a difference is told by the counts alone.

use std::time::SystemTime;

use super::service::Service;
use super::waits::Waits;
use crate::error::WorkError;
use crate::progress::Tally;
use crate::pulse::Pulse;

/// Count and digest of what is there, asked for until the service has counted.
pub(crate) async fn tally(at: &Service, pulse: &Pulse<'_>) -> Result<Tally, WorkError> {
    let mut waits = Waits::new(SystemTime::now(), at.longest);
    loop {
        if let Some(found) = at.verified(pulse).await? {
            return Ok(found);
        }
        pulse.beat().await?;
        waits.wait(at, "count the data").await?;
    }
}

/// Asks `at` until it holds what is expected.
///
/// # Errors
/// `verify_mismatch` after the last look.
pub(crate) async fn verify(at: &Service, expected: &Tally, pulse: &Pulse<'_>) -> Result<Tally, WorkError> {
    let mut looks = 0;
    loop {
        let seen = tally(at, pulse).await?;
        if seen == *expected {
            return Ok(seen);
        }
        if looks == at.settings.settle_rounds {
            let message = format!("{at} holds {} where {} were expected{NO_KEYS}", counts(&seen), counts(expected));
            return Err(WorkError::permanent("verify_mismatch", message));
        }
        looks += 1;
        tokio::time::sleep(at.settings.index_settle).await;
        pulse.beat().await?;
    }
}

/// Whether `at` still holds what was verified there, or at least the same as the live copy.
///
/// # Errors
/// `late_writes`.
pub(crate) async fn compare(
    at: &Service,
    live: Option<&Service>,
    verified: &Tally,
    pulse: &Pulse<'_>,
) -> Result<Tally, WorkError> {
    let seen = tally(at, pulse).await?;
    if seen == *verified {
        return Ok(seen);
    }
    if let Some(live) = live
        && tally(live, pulse).await? == seen
    {
        return Ok(seen);
    }
    let message = format!(
        "{at} has been written to since the move verified it: it holds {} where {} were verified{NO_KEYS}. Nothing was deleted: find the \
         writer, carry over what is missed, then replay the removal, accepting late writes",
        counts(&seen),
        counts(verified)
    );
    Err(WorkError::permanent("late_writes", message))
}

const NO_KEYS: &str = " (a difference of the digest alone counts too); the service's own tools can name the keys";

fn counts(tally: &Tally) -> String {
    format!("{} items, {} bytes, digest {}", tally.items, tally.bytes, tally.digest)
}
