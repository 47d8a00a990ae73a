//! What a service counts and digests. It names no keys, so a difference is told by the counts alone.

use std::time::{Duration, SystemTime};

use super::service::Service;
use super::waits::Waits;
use crate::error::WorkError;
use crate::heartbeat::Heartbeat;
use crate::late_writes::{Compared, Known, LateWrites};
use crate::progress::Tally;

/// Count and digest of what is there, asked for until the service has counted.
pub(crate) async fn tally(at: &Service, heartbeat: &Heartbeat<'_>) -> Result<Tally, WorkError> {
    let mut waits = Waits::new(SystemTime::now(), at.longest);
    loop {
        if let Some(found) = at.verified(heartbeat).await? {
            return Ok(found);
        }
        heartbeat.beat().await?;
        waits.wait(at, "count the data").await?;
    }
}

/// Asks `at` until it holds what is expected.
///
/// # Errors
/// `verify_mismatch` after the last look.
pub(crate) async fn verify(at: &Service, expected: &Tally, heartbeat: &Heartbeat<'_>) -> Result<Tally, WorkError> {
    let mut looks = 0;
    loop {
        let seen = tally(at, heartbeat).await?;
        if seen == *expected {
            return Ok(seen);
        }
        if looks == at.settings.settle_rounds {
            let message = format!("{at} holds {} where {} were expected{NO_KEYS}", counts(&seen), counts(expected));
            return Err(WorkError::permanent("verify_mismatch", message));
        }
        looks += 1;
        tokio::time::sleep(at.settings.index_settle).await;
        heartbeat.beat().await?;
    }
}

/// Whether `at` still holds what was verified there, or at least the same as the live copy: by the counts and the digest alone.
pub(crate) async fn compare(
    at: &Service,
    live: Option<&Service>,
    known: &Known,
    heartbeat: &Heartbeat<'_>,
) -> Result<Compared, WorkError> {
    let seen = tally(at, heartbeat).await?;
    let same = match live {
        _ if seen == known.tally || (known.begun && seen.items <= known.tally.items) => true,
        Some(live) => tally(live, heartbeat).await? == seen,
        None => false,
    };
    let late = if same { LateWrites::default() } else { LateWrites::of_counts(&known.tally, &seen) };
    Ok(Compared { seen, late })
}

/// Asks both until they count the same, for both may be written to.
///
/// # Errors
/// `replica_diverged` after the last look.
pub(crate) async fn compare_replica(
    at: &Service,
    kept: &Service,
    again_after: Duration,
    heartbeat: &Heartbeat<'_>,
) -> Result<Tally, WorkError> {
    let mut looks = 0;
    loop {
        let (here, there) = (tally(at, heartbeat).await?, tally(kept, heartbeat).await?);
        if here == there {
            return Ok(here);
        }
        if looks == at.settings.settle_rounds {
            let message = format!(
                "{at} is to be emptied and holds {}, where {kept}, which stays, holds {}{NO_KEYS}. Nothing was deleted: make the two \
                 equal, then start the move again, or replay the removal",
                counts(&here),
                counts(&there)
            );
            return Err(WorkError::permanent("replica_diverged", message));
        }
        looks += 1;
        tokio::time::sleep(again_after).await;
        heartbeat.beat().await?;
    }
}

const NO_KEYS: &str = " (a difference of the digest alone counts too); the service's own tools can name the keys";

fn counts(tally: &Tally) -> String {
    format!("{} items, {} bytes, digest {}", tally.items, tally.bytes, tally.digest)
}
