//! Goes over a part again until nothing changes any more: an index may be late, and so may a writer.

use crate::error::WorkError;
use crate::mismatch;
use crate::permit::Permits;
use crate::progress::Tally;
use crate::run::{Run, Stage};
use crate::settings::Settings;
use crate::store::Store;
use crate::verification::{How, Verified};

/// Copies, waits, looks again; until two complete passes over the source, `index_settle` apart, agree.
///
/// # Errors
/// `not_settled` (retryable) when the source keeps changing.
pub(crate) async fn copy(
    from: &Store,
    to: &Store,
    how: &How,
    permits: &Permits<'_>,
    run: &mut Run<'_>,
    settings: &Settings,
) -> Result<Tally, WorkError> {
    // Rounds are counted anew when resumed: a part that was given up must be able to finish when it is tried again.
    for last in last_of(settings.settle_rounds) {
        if run.stage() == Stage::Working {
            from.copy_pass(to, how, permits, run).await?;
            run.enter(Stage::Checking, run.round()).await?;
        }
        tokio::time::sleep(settings.index_settle).await;
        if let Some(tally) = from.settled(how.verification, run).await? {
            return Ok(tally);
        }
        if last {
            break;
        }
        tracing::info!(round = run.round(), "the source has changed since it was copied: copying it again");
        run.enter(Stage::Working, run.round() + 1).await?;
    }
    let message =
        "the source kept changing while it was copied: something still writes to it, or its index is far behind";
    Err(WorkError::retryable("not_settled", message))
}

/// Reads `at` until it holds what is expected.
///
/// # Errors
/// `verify_mismatch` after the last look, naming keys in which it differs from `source`.
pub(crate) async fn verify(
    source: &Store,
    at: &Store,
    name: &str,
    expected: &Tally,
    run: &mut Run<'_>,
    settings: &Settings,
) -> Result<Verified, WorkError> {
    let mut seen = Tally::default();
    for last in last_of(settings.settle_rounds) {
        at.digest_pass(run).await?;
        seen = run.tally();
        if seen == *expected {
            let read_back = seen.items + seen.objects;
            return Ok(Verified { read_back, tally: Some(seen), passes: run.round() + 1 });
        }
        if !last {
            run.enter(Stage::Working, run.round() + 1).await?;
            tokio::time::sleep(settings.index_settle).await;
        }
    }
    let found = source.differing_keys(at, &run.pulse()).await?;
    Err(mismatch::report(name, expected, &seen, &found))
}

/// Looks at the number of items and at a sample of them until they are what is expected; reads all of what can't be sampled.
///
/// # Errors
/// As [`verify`].
pub(crate) async fn verify_sample(
    source: &Store,
    at: &Store,
    name: &str,
    expected: &Tally,
    run: &mut Run<'_>,
    settings: &Settings,
) -> Result<Verified, WorkError> {
    let pulse = run.pulse();
    for last in last_of(settings.settle_rounds) {
        let Some(sample) = source.sample(at, expected, &pulse).await? else {
            return verify(source, at, name, expected, run, settings).await;
        };
        let seen = Tally { items: sample.items, ..*expected };
        if seen == *expected && sample.found.is_empty() {
            return Ok(Verified { read_back: sample.compared, tally: None, passes: run.round() + 1 });
        }
        if last {
            let whole = if sample.found.is_empty() { source.differing_keys(at, &pulse).await? } else { sample.found };
            return Err(mismatch::report(name, expected, &seen, &whole));
        }
        run.enter(Stage::Working, run.round() + 1).await?;
        tokio::time::sleep(settings.index_settle).await;
    }
    unreachable!("the last turn returns")
}

/// One more turn than there are rounds; `true` on the last.
fn last_of(rounds: u32) -> impl Iterator<Item = bool> {
    (0..=rounds).map(move |round| round == rounds)
}
