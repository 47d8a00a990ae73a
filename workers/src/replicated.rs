//! Waits for what the store's own replication brings: items that were written, or deletes that were made, in
//! another region. How long that takes nobody promises, so it is waited for as long as something arrives, and
//! a while longer.

use tokio::time::Instant;

use crate::checkpointed_pass::{Run, Stage};
use crate::error::WorkError;
use crate::failure::Site;
use crate::mismatch;
use crate::part::PartCopy;
use crate::place::Place;
use crate::progress::Tally;
use crate::settings::Settings;
use crate::store::Store;
use crate::verification::Verified;

/// Looks at `at` until it holds what is expected.
///
/// # Errors
/// `replica_behind` when nothing more has arrived for a while, naming keys in which it differs from `source`.
pub(crate) async fn arrived(
    source: &Store,
    at: &Store,
    copy: &PartCopy<'_>,
    expected: &Tally,
    run: &mut Run<'_>,
    settings: &Settings,
) -> Result<Verified, WorkError> {
    let seen = match until(at, run, settings, |run| run.tally(), |seen| seen == expected).await? {
        Ok(seen) => {
            // Items that expire are in neither tally.
            let lacking = source.lacking_keys(at, &run.heartbeat()).await?;
            if !lacking.is_empty() {
                let message = mismatch::report(&Site::of(copy.to).to_string(), expected, &seen, &lacking).message;
                return Err(WorkError::retryable("replica_behind", message));
            }
            let read_back = seen.items + seen.objects;
            return Ok(Verified { read_back, tally: Some(seen), passes: run.round() + 1 });
        }
        Err(seen) => seen,
    };
    let found = source.differing_keys(at, &run.heartbeat()).await?;
    let differs = mismatch::report(&Site::of(copy.to).to_string(), expected, &seen, &found).message;
    let message = format!(
        "the store's own replication has brought nothing more for {} s: {differs}. See how it is doing, then start the move again",
        settings.replication_wait.as_secs()
    );
    Err(WorkError::permanent("replica_behind", message))
}

/// Looks at `at` until nothing is there, at two looks.
///
/// # Errors
/// `replica_behind` when nothing more has gone for a while.
pub(crate) async fn emptied(
    at: &Store,
    place: &Place,
    run: &mut Run<'_>,
    settings: &Settings,
) -> Result<(), WorkError> {
    let nothing = Tally::default();
    let mut clean = 0;
    let found = until(
        at,
        run,
        settings,
        |run| run.dealt_with(),
        |seen| {
            clean = if *seen == nothing { clean + 1 } else { 0 };
            clean == LOOKS_THAT_AGREE
        },
    );
    let Err(left) = found.await? else { return Ok(()) };
    let message = format!(
        "{} still holds {} items of the tenant {} s after the last delete that the store's own replication has brought there: it is behind, \
         or something has written since. See how the replication is doing, then replay the removal: it deletes what the live copy has as \
         well, and shows anything else first",
        Site::of(place),
        left.items,
        settings.replication_wait.as_secs()
    );
    Err(WorkError::permanent("replica_behind", message))
}

/// One look in which nothing is listed proves little: an index is late.
const LOOKS_THAT_AGREE: u32 = 2;

/// Looks again and again, `index_settle` apart; gives back what was last seen when that does not change any
/// more.
async fn until(
    at: &Store,
    run: &mut Run<'_>,
    settings: &Settings,
    seen_by: fn(&Run<'_>) -> Tally,
    mut done: impl FnMut(&Tally) -> bool,
) -> Result<Result<Tally, Tally>, WorkError> {
    let mut last: Option<(Tally, Instant)> = None;
    loop {
        at.digest_pass(run).await?;
        let seen = seen_by(run);
        if done(&seen) {
            return Ok(Ok(seen));
        }
        let since = last.filter(|(before, _)| *before == seen).map_or_else(Instant::now, |(_, since)| since);
        if since.elapsed() >= settings.replication_wait {
            return Ok(Err(seen));
        }
        last = Some((seen, since));
        run.enter(Stage::Working, run.round() + 1).await?;
        tokio::time::sleep(settings.index_settle).await;
    }
}
