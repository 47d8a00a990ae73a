//! Copies a part, and goes over it again until nothing changes any more: an index may be late. A writer that goes on after the drain is
//! named at once, because waiting for it only keeps the tenant offline.

use crate::checkpointed_pass::{Run, Stage};
use crate::error::WorkError;
use crate::failure::Site;
use crate::ledger_permit::Permits;
use crate::mismatch::{self, Mismatch};
use crate::part::PartCopy;
use crate::progress::Tally;
use crate::settings::Settings;
use crate::store::Store;

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
