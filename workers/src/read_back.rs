//! Reads a copy back from its target and compares, again while an index may be late.

use crate::checkpointed_pass::{Run, Stage};
use crate::error::WorkError;
use crate::failure::Site;
use crate::mismatch::{self, Mismatch};
use crate::part::PartCopy;
use crate::progress::Tally;
use crate::settings::Settings;
use crate::store::{Sample, Store};
use crate::verification::{Verification, Verified};

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
