//! Goes over a part again until nothing changes any more: an index may be late. A writer that goes on after the drain is named at once,
//! because waiting for it only keeps the tenant offline.

use crate::checkpointed_pass::{Run, Stage};
use crate::error::WorkError;
use crate::failure::Site;
use crate::mismatch::{self, Mismatch};
use crate::part::PartCopy;
use crate::permit::Permits;
use crate::progress::Tally;
use crate::settings::Settings;
use crate::store::{Sample, Store};
use crate::verification::{Verification, Verified};

/// Copies, waits, looks again; until two complete passes over the source, `index_settle` apart, agree.
///
/// # Errors
/// `source_written` (permanent), naming keys, when something has written to the source since it was copied; `not_settled`
/// (permanent) when passes keep differing and no key does.
pub(crate) async fn copy(
    from: &Store,
    to: &Store,
    copy: &PartCopy<'_>,
    permits: &Permits<'_>,
    run: &mut Run<'_>,
    settings: &Settings,
) -> Result<Tally, WorkError> {
    loop {
        if run.stage() == Stage::Working {
            from.copy_pass(to, copy.key_prefix, permits, run).await?;
            run.enter(Stage::Checking, run.round()).await?;
        }
        tokio::time::sleep(settings.index_settle).await;
        if let Some(tally) = from.settled(to, copy.verification, run).await? {
            return Ok(tally);
        }
        let found = from.differing_keys(to, &run.heartbeat()).await?;
        if !found.is_empty() && !may_be_late(from, run.round(), &found) {
            return Err(mismatch::written(&Site::of(copy.from).to_string(), &found));
        }
        if run.round() >= settings.settle_rounds {
            let message = "the source looked different each time that it was read, though no key differs from the copy: its index is far behind";
            return Err(WorkError::permanent("not_settled", message));
        }
        tracing::info!(round = run.round(), "the source lists more than was copied: copying it again");
        run.enter(Stage::Working, run.round() + 1).await?;
    }
}

/// Whether the difference may be an index that was behind. It can hide an item from the first pass, which may have begun right after
/// the drain, but from none after that; and contents never come from it.
fn may_be_late(from: &Store, round: u32, found: &[Mismatch]) -> bool {
    round == 0 && from.is_listed_by_an_index() && found.iter().all(|key| matches!(key, Mismatch::Missing(_)))
}

/// What is read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadBack {
    /// What was copied. Its index may be late, but contents don't come from that: a key that differs does so for good.
    Copied,
    /// A replica that was there before and may lag.
    Kept,
}

/// Looks at `at`, as closely as is asked for, until it holds what is expected, or is known to differ from `source`.
///
/// # Errors
/// `verify_mismatch`, naming keys in which it differs from `source`.
pub(crate) async fn verify(
    (source, at, what): (&Store, &Store, ReadBack),
    copy: &PartCopy<'_>,
    expected: &Tally,
    run: &mut Run<'_>,
    settings: &Settings,
) -> Result<Verified, WorkError> {
    let mut looks = 0;
    loop {
        let mut look = look_at(source, at, copy.verification, expected, run).await?;
        if look.seen == *expected && look.found.is_empty() {
            let tally = look.whole.then_some(look.seen);
            return Ok(Verified { read_back: look.read_back, tally, passes: run.round() + 1 });
        }
        let last = looks == settings.settle_rounds;
        let compare = last || (what == ReadBack::Copied && looks == 0);
        if look.found.is_empty() && compare {
            look.found = source.differing_keys(at, &run.heartbeat()).await?;
        }
        if last || (what == ReadBack::Copied && !look.found.is_empty()) {
            return Err(mismatch::report(&Site::of(copy.to).to_string(), expected, &look.seen, &look.found));
        }
        looks += 1;
        run.enter(Stage::Working, run.round() + 1).await?;
        tokio::time::sleep(settings.index_settle).await;
    }
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
        && let Some(Sample { items, compared, found }) = source.sample(at, expected, &run.heartbeat()).await?
    {
        return Ok(Look { seen: Tally { items, ..*expected }, found, read_back: compared, whole: false });
    }
    at.digest_pass(run).await?;
    let seen = run.tally();
    // Items that expire are in neither tally.
    let found = if seen == *expected { source.lacking_keys(at, &run.heartbeat()).await? } else { Vec::new() };
    Ok(Look { seen, found, read_back: seen.items + seen.objects, whole: true })
}
