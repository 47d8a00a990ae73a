//! Empties one part of a table, and proves it empty by the base table.

use futures::future;
use futures::stream::{self, Stream, StreamExt, TryStreamExt};

use super::read::{Measured, Read};
use super::{Item, Part, Table, keys};
use crate::checkpointed_pass::Run;
use crate::error::WorkError;
use crate::fingerprint::{Fingerprint, Mark};
use crate::heartbeat::Heartbeat;
use crate::ledger_permit::Permits;
use crate::progress::Tally;

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

/// Pages are read whole before anything of them is deleted, so that what is about to be deleted can be noted at once; the next page
/// is read meanwhile.
async fn pass(at: &Table, part: &Part, permits: &Permits<'_>, run: &mut Run<'_>) -> Result<(), WorkError> {
    let start = run.cursor().map(keys::from_json).transpose()?;
    let (heartbeat, wanted_back) = (&*run.heartbeat(), run.wanted_back());
    let read = at
        .chunks(part, start, heartbeat)
        .try_take_while(move |_| future::ready(Ok(!wanted_back())))
        .map_ok(|chunk| async move { Doomed::read(at, part, chunk, None, heartbeat).await })
        .try_buffered(at.settings.batch_concurrency);
    let mut read = std::pin::pin!(read);
    let mut page = next_page(&mut read).await?;
    while !page.is_empty() {
        let marks: Vec<Mark> = page.iter_mut().flat_map(|doomed| std::mem::take(&mut doomed.marks)).collect();
        permits.check_seen(&at.site, &marks, false)?;
        if !marks.is_empty() {
            run.doom(marks.clone()).await?;
        }
        let resume_at = page.last_mut().and_then(|doomed| doomed.resume_at.take());
        let deletes = stream::iter(page).map(|doomed| delete(at, part, doomed, permits, heartbeat));
        let deletes = deletes.buffer_unordered(at.settings.batch_concurrency).try_collect::<Vec<Tally>>();
        let (deleted, following) = tokio::try_join!(deletes, next_page(&mut read))?;
        run.doomed_is_deleted();
        permits.forget_seen(&marks);
        deleted.iter().for_each(|tally| run.count(tally));
        if let Some(key) = resume_at {
            run.reached(keys::to_json(&key)?).await?;
        }
        page = following;
    }
    run.hand_over_if_wanted().await
}

/// Deletes what the index lists of the part, the base table says is its, and was `found` before; once and without a checkpoint: for
/// what is little.
pub(super) async fn remove_found(
    at: &Table,
    (part, found): (&Part, &Fingerprint),
    permits: &Permits<'_>,
    heartbeat: &Heartbeat<'_>,
) -> Result<Tally, WorkError> {
    let mut removed = Tally::default();
    let mut chunks = std::pin::pin!(at.chunks(part, None, heartbeat));
    while let Some(chunk) = chunks.try_next().await? {
        let doomed = Doomed::read(at, part, chunk, Some(found), heartbeat).await?;
        removed.merge(&delete(at, part, doomed, permits, heartbeat).await?);
    }
    Ok(removed)
}

/// What of a chunk of keys is the part's, by the base table and not by the index.
struct Doomed {
    keys: Vec<Item>,
    marks: Vec<Mark>,
    tally: Tally,
    resume_at: Option<Item>,
}

impl Doomed {
    async fn read(
        at: &Table,
        part: &Part,
        chunk: keys::Chunk,
        found: Option<&Fingerprint>,
        heartbeat: &Heartbeat<'_>,
    ) -> Result<Self, WorkError> {
        let mut ours = at.get(chunk.keys, Read::Whole, heartbeat).await?;
        ours.retain(|item| at.belongs(item, part));
        if let Some(found) = found {
            let mut marks = at.measured(&ours)?.marks.into_iter();
            ours.retain(|_| marks.next().is_some_and(|mark| found.has(mark)));
        }
        let Measured { mut tally, besides, marks } = at.measured(&ours)?;
        tally.merge(&besides);
        let keys = ours.iter().map(|item| at.key_of(item)).collect::<Result<_, _>>()?;
        Ok(Self { keys, marks, tally, resume_at: chunk.resume_at })
    }
}

/// The chunks up to one at which a checkpoint can stand, or the last ones.
async fn next_page(
    read: &mut (impl Stream<Item = Result<Doomed, WorkError>> + Unpin),
) -> Result<Vec<Doomed>, WorkError> {
    let mut page = Vec::new();
    while let Some(doomed) = read.try_next().await? {
        let ends = doomed.resume_at.is_some();
        page.push(doomed);
        if ends {
            break;
        }
    }
    Ok(page)
}

/// Deletes the items, and makes sure that they are gone.
async fn delete(
    at: &Table,
    part: &Part,
    doomed: Doomed,
    permits: &Permits<'_>,
    heartbeat: &Heartbeat<'_>,
) -> Result<Tally, WorkError> {
    at.delete(doomed.keys.clone(), permits, heartbeat).await?;
    let left = at.get(doomed.keys, Read::Owner, heartbeat).await?;
    if left.iter().any(|item| at.belongs(item, part)) {
        let message = format!(
            "items of the tenant came back into {} while they were removed: something is writing them",
            at.site
        );
        return Err(WorkError::retryable("not_empty", message));
    }
    Ok(doomed.tally)
}
