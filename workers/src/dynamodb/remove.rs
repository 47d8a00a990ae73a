//! Empties one part of a table, and proves it empty by the base table.

use futures::TryStreamExt;

use super::read::{self, Read};
use super::{Item, Part, Table, keys};
use crate::error::WorkError;
use crate::permit::Permits;
use crate::progress::Tally;
use crate::pulse::Pulse;
use crate::run::Run;

/// One that deletes, and two that find nothing.
const PASSES_OF_A_CALM_REMOVAL: u32 = 3;

/// Deletes what belongs to the part until two passes in a row, `index_settle` apart, find nothing that does.
///
/// # Errors
/// `not_empty` (retryable) when items keep appearing.
pub(crate) async fn remove(
    at: &Table,
    part: &Part,
    permits: &Permits<'_>,
    run: &mut Run<'_>,
) -> Result<Tally, WorkError> {
    // The proof is made within one call: what a resumed pass did not see itself, it does not count as seen clean.
    let (mut whole, mut clean_before) = (run.cursor().is_none(), false);
    for _ in 0..at.settings.settle_rounds.saturating_add(PASSES_OF_A_CALM_REMOVAL) {
        let before = run.tally();
        pass(at, part, permits, run).await?;
        let clean = whole && run.tally() == before;
        if clean && clean_before {
            return Ok(run.tally());
        }
        (whole, clean_before) = (true, clean);
        run.again(run.round() + 1).await?;
        tokio::time::sleep(at.settings.index_settle).await;
    }
    let message =
        format!("{} still gets items of the tenant while they are removed: something is writing them", at.site);
    Err(WorkError::retryable("not_empty", message))
}

async fn pass(at: &Table, part: &Part, permits: &Permits<'_>, run: &mut Run<'_>) -> Result<(), WorkError> {
    let start = run.cursor().map(keys::from_json).transpose()?;
    let pulse = &*run.pulse();
    let removed = at
        .chunks(part, start, pulse)
        .map_ok(|chunk| async move { Ok((remove_chunk(at, part, chunk.keys, permits, pulse).await?, chunk.resume_at)) })
        .try_buffered(at.settings.batch_concurrency);
    let mut removed = std::pin::pin!(removed);
    while let Some((tally, resume_at)) = removed.try_next().await? {
        run.count(&tally);
        if let Some(key) = resume_at {
            run.reached(keys::to_json(&key)?).await?;
        }
    }
    Ok(())
}

/// Deletes those of `keys` whose items belong to the part, by the base table and not by the index, and makes sure that
/// they are gone.
async fn remove_chunk(
    at: &Table,
    part: &Part,
    keys: Vec<Item>,
    permits: &Permits<'_>,
    pulse: &Pulse<'_>,
) -> Result<Tally, WorkError> {
    let mut ours = at.get(keys, Read::Whole, pulse).await?;
    ours.retain(|item| at.belongs(item, part));
    let tally = read::tally(&ours)?;
    let doomed = ours.iter().map(|item| at.key_of(item)).collect::<Result<Vec<_>, _>>()?;
    drop(ours);
    at.delete(doomed.clone(), permits, pulse).await?;
    let left = at.get(doomed, Read::Owner, pulse).await?;
    if left.iter().any(|item| at.belongs(item, part)) {
        let message = format!(
            "items of the tenant came back into {} while they were removed: something is writing them",
            at.site
        );
        return Err(WorkError::retryable("not_empty", message));
    }
    Ok(tally)
}
