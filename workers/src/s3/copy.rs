//! Complete passes over a share of the prefix: one copies every object, the others only look or read.

use std::collections::BTreeSet;
use std::pin::pin;

use futures::{Stream, TryStreamExt, future};

use super::Bucket;
use super::copying::Copying;
use super::list::Entry;
use super::object::listed;
use crate::bounded_retry::BoundedRetry;
use crate::checkpointed_pass::{Listed, Run, Stage};
use crate::error::WorkError;
use crate::fingerprint::Mark;
use crate::heartbeat::Heartbeat;
use crate::ledger_permit::Permits;
use crate::s3::copy_cursor::{Counted, Underway};
use crate::s3::copy_strategy::Route;

/// Copies what `run`'s cursor has not passed yet, several objects at once; the cursor advances in the order of keys, and notes
/// the parts of large objects beyond it.
pub(crate) async fn copy_pass(
    from: &Bucket,
    to: &Bucket,
    permits: &Permits<'_>,
    run: &mut Run<'_>,
) -> Result<(), WorkError> {
    let underway = Underway::at(run.cursor())?;
    // Nobody else writes where a move is adding data, so other unfinished uploads are those of an earlier attempt.
    to.abort_leftovers(&underway.uploads(), permits).await?;
    let (heartbeat, route) = (run.heartbeat(), Route::between(from, to));
    let copying = Copying { from, to, permits, heartbeat: &heartbeat, route: &route, underway: &underway };
    let entries = from.objects(underway.after()).try_take_while(|_| future::ready(Ok(!underway.is_stopped())));
    let copied = entries.map_ok(|entry| copying.object(entry));
    along(copied.try_buffered(from.settings.object_concurrency), &underway, run).await?;
    to.abort_leftovers(&BTreeSet::new(), permits).await
}

/// Counts what `run`'s cursor has not passed yet, reading all contents; but where a copy is checked and the listing and the tags
/// are what they were, the contents are, too.
pub(crate) async fn digest_pass(at: &Bucket, run: &mut Run<'_>) -> Result<(), WorkError> {
    if run.stage() == Stage::Checking && look_again(at, run).await? {
        return Ok(());
    }
    let (underway, heartbeat) = (Underway::at(run.cursor())?, run.heartbeat());
    let (begun, heartbeat) = (&underway, &*heartbeat);
    let entries = at.objects(underway.after()).try_take_while(|_| future::ready(Ok(!begun.is_stopped())));
    let read = entries.map_ok(|entry| async move {
        let counted = at.counted(&entry.key, entry.version.size, begun, heartbeat).await?;
        Ok((entry.key, counted.unwrap_or_default()))
    });
    along(read.try_buffered(at.settings.object_concurrency), &underway, run).await
}

/// Counts objects as they come, in the order of their keys, and notes how far it is.
async fn along(
    objects: impl Stream<Item = Result<(String, Counted), WorkError>>,
    underway: &Underway,
    run: &mut Run<'_>,
) -> Result<(), WorkError> {
    let mut objects = pin!(objects);
    loop {
        tokio::select! {
            biased;
            next = objects.try_next() => {
                let (key, counted) = match next {
                    Ok(Some(done)) => done,
                    Ok(None) => return Ok(()),
                    Err(error) => {
                        // Requests on their way are answered first: one without an answer may arrive at any time.
                        let error = underway.fail(error);
                        while !matches!(objects.try_next().await, Ok(None)) {}
                        return Err(underway.failure().unwrap_or(error));
                    }
                };
                run.count(&counted.tally);
                // One that was deleted meanwhile counts nothing.
                run.note((counted.tally.objects > 0).then(|| Mark::of(key.as_bytes(), &counted.tally.digest)));
                run.list(&counted.listed);
                underway.reached(key);
            }
            () = underway.news() => {}
        }
        run.reached(underway.to_cursor()).await?;
    }
}

/// Whether the listing and the tags show what the pass before found: then that counts again. If not, the pass begins anew.
async fn look_again(at: &Bucket, run: &mut Run<'_>) -> Result<bool, WorkError> {
    // A pass that has counted objects has already looked, and reads.
    let (Some(before), Some(previous)) = (run.previous_listed(), run.previous()) else { return Ok(false) };
    if before.keys != previous.objects || run.listed().keys > 0 {
        return Ok(false);
    }
    let heartbeat = run.heartbeat();
    let heartbeat = &*heartbeat;
    let seen = at.objects(None).map_ok(|entry| at.looked_at(entry, heartbeat));
    let mut seen = pin!(seen.try_buffered(at.settings.object_concurrency));
    let mut now = Listed::default();
    while let Some(one) = seen.try_next().await? {
        now.merge(&one);
    }
    let same = now == before;
    if same {
        run.count_as_before();
        run.list(&now);
    }
    Ok(same)
}

impl Bucket {
    async fn looked_at(&self, entry: Entry, heartbeat: &Heartbeat<'_>) -> Result<Listed, WorkError> {
        let mut retry = BoundedRetry::new(self.settings.attempts, heartbeat);
        loop {
            match self.tags(&entry.key).await {
                Ok(tags) => {
                    heartbeat.beat().await?;
                    return Ok(tags.map(|tags| listed(&entry.key, &entry.version, &tags)).unwrap_or_default());
                }
                Err(error) => retry.wait(error).await?,
            }
        }
    }
}
