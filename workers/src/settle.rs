//! Goes over a part again until nothing changes any more: an index may be late, and so may a writer.

use crate::error::WorkError;
use crate::failure::Site;
use crate::mismatch::{self, Mismatch};
use crate::part::PartCopy;
use crate::permit::Permits;
use crate::progress::Tally;
use crate::run::{Run, Stage};
use crate::settings::Settings;
use crate::store::{Sample, Store};
use crate::verification::{Verification, Verified};

/// Copies, waits, looks again; until two complete passes over the source, `index_settle` apart, agree.
///
/// # Errors
/// `not_settled` (retryable) when the source keeps changing.
pub(crate) async fn copy(
    from: &Store,
    to: &Store,
    copy: &PartCopy<'_>,
    permits: &Permits<'_>,
    run: &mut Run<'_>,
    settings: &Settings,
) -> Result<Tally, WorkError> {
    // Rounds are counted anew when resumed: a part that was given up must be able to finish when it is tried again.
    for last in last_of(settings.settle_rounds) {
        if run.stage() == Stage::Working {
            from.copy_pass(to, copy.key_prefix, permits, run).await?;
            run.enter(Stage::Checking, run.round()).await?;
        }
        tokio::time::sleep(settings.index_settle).await;
        if let Some(tally) = from.settled(copy.verification, run).await? {
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

/// Looks at `at`, as closely as is asked for, until it holds what is expected.
///
/// # Errors
/// `verify_mismatch` after the last look, naming keys in which it differs from `source`.
pub(crate) async fn verify(
    source: &Store,
    at: &Store,
    copy: &PartCopy<'_>,
    expected: &Tally,
    run: &mut Run<'_>,
    settings: &Settings,
) -> Result<Verified, WorkError> {
    let mut look = Look::default();
    for last in last_of(settings.settle_rounds) {
        look = look_at(source, at, copy.verification, expected, run).await?;
        if look.seen == *expected && look.found.is_empty() {
            let tally = look.whole.then_some(look.seen);
            return Ok(Verified { read_back: look.read_back, tally, passes: run.round() + 1 });
        }
        if !last {
            run.enter(Stage::Working, run.round() + 1).await?;
            tokio::time::sleep(settings.index_settle).await;
        }
    }
    let mut found = look.found;
    if found.is_empty() {
        found = source.differing_keys(at, &run.pulse()).await?;
    }
    Err(mismatch::report(&Site::of(copy.to).to_string(), expected, &look.seen, &found))
}

/// What one look at a target finds.
#[derive(Default)]
struct Look {
    seen: Tally,
    /// Some of the keys that differ, if it has compared any.
    found: Vec<Mismatch>,
    /// How many items or objects were read.
    read_back: u64,
    /// Whether they were all that there are.
    whole: bool,
}

/// Looks at the number of items and at a sample of them, where that is asked for; otherwise, and where there is nothing to take a
/// sample of, reads all.
async fn look_at(
    source: &Store,
    at: &Store,
    verification: Verification,
    expected: &Tally,
    run: &mut Run<'_>,
) -> Result<Look, WorkError> {
    if verification == Verification::Sampled
        && let Some(Sample { items, compared, found }) = source.sample(at, expected, &run.pulse()).await?
    {
        return Ok(Look { seen: Tally { items, ..*expected }, found, read_back: compared, whole: false });
    }
    at.digest_pass(run).await?;
    let seen = run.tally();
    Ok(Look { seen, found: Vec::new(), read_back: seen.items + seen.objects, whole: true })
}

/// One more turn than there are rounds; `true` on the last.
fn last_of(rounds: u32) -> impl Iterator<Item = bool> {
    (0..=rounds).map(move |round| round == rounds)
}
