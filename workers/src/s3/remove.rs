//! Empties a prefix: all versions, delete markers and unfinished uploads; and proves it empty.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_sdk_s3::types::EncodingType;
use futures::future;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use serde_json::Value;

use super::Bucket;
use super::deleting::Version;
use crate::checkpointed_pass::Run;
use crate::error::WorkError;
use crate::fingerprint::Mark;
use crate::ledger_permit::Permits;
use crate::progress::Tally;

/// Which versions are deleted. Those that nobody sees go first: if the latest went before an older one, and the work stopped in between,
/// the older one would be seen again, as if somebody had written it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    Older,
    Latest,
}

/// Where a page of versions begins: key marker and version marker.
type Markers = (Option<String>, Option<String>);

/// Pages deleted at once, of a thousand versions each.
const PAGES_AT_ONCE: usize = 4;

/// A page of versions under the prefix, and where the next begins.
struct Page {
    versions: Vec<Version>,
    tally: Tally,
    next: Option<Markers>,
}

impl Page {
    /// Leaves only such versions on the page.
    fn keep(&mut self, which: Which) {
        self.versions.retain(|version| version.latest == (which == Which::Latest));
        self.tally = Tally::default();
        for size in self.versions.iter().filter_map(|version| version.size) {
            self.tally.objects += 1;
            self.tally.bytes += size;
        }
    }
}

/// Deletes everything under the prefix until a look at it finds nothing. Needs no cursor: what was deleted is not listed
/// again. The tally counts versions of objects, and no digest.
///
/// # Errors
/// `not_empty` (retryable) when something keeps appearing; `place_invalid` for a share: a prefix is emptied, and proved empty, as
/// a whole.
pub(crate) async fn remove(at: &Bucket, permits: &Permits<'_>, run: &mut Run<'_>) -> Result<Tally, WorkError> {
    if !at.share.is_whole() {
        let message = format!("{} is emptied as a whole, and not in parts", at.site);
        return Err(WorkError::permanent("place_invalid", message));
    }
    for _ in 0..=at.settings.settle_rounds {
        delete_versions(at, Which::Older, permits, run).await?;
        delete_versions(at, Which::Latest, permits, run).await?;
        for upload in at.uploads(&BTreeSet::new()).await? {
            let permit = permits.removal().await?;
            permits.answered(permit.read_at(), at.abort_upload(permit, &upload.key, &upload.id)).await?;
        }
        if at.is_empty().await? {
            return Ok(run.tally());
        }
        run.again(run.round() + 1).await?;
    }
    let message =
        format!("{} still has data under the tenant's prefix after removing it: something is writing there", at.site);
    Err(WorkError::retryable("not_empty", message))
}

/// Lists the next pages while those before are being deleted. What a plain read finds is noted before it is deleted.
async fn delete_versions(at: &Bucket, which: Which, permits: &Permits<'_>, run: &mut Run<'_>) -> Result<(), WorkError> {
    let (heartbeat, failed, wanted_back) = (run.heartbeat(), AtomicBool::new(false), run.wanted_back());
    let (heartbeat, failed) = (&*heartbeat, &failed);
    let pages = pages(at, which, failed).try_take_while(move |_| future::ready(Ok(!wanted_back())));
    let mut groups = pin!(pages.try_chunks(PAGES_AT_ONCE).map_err(|stopped| stopped.1));
    let mut group = groups.try_next().await?;
    while let Some(pages) = group {
        let mut objects = Vec::new();
        if which == Which::Latest {
            let mark = |version: &Version| Mark::of_key(at.relative(&version.key).as_bytes());
            let latest = || pages.iter().flat_map(|page| &page.versions);
            // What a plain read does not find was not seen.
            objects = latest().filter(|version| version.size.is_some()).map(mark).collect();
            permits.check_seen(&at.site, &objects, true)?;
            let marks: Vec<_> = latest().map(mark).collect();
            if !marks.is_empty() {
                run.doom(marks).await?;
            }
        }
        let deletes = pages.into_iter().map(|page| async move {
            at.delete(page.versions, permits, heartbeat)
                .await
                .inspect_err(|_| failed.store(true, Ordering::Relaxed))?;
            Ok::<_, WorkError>(page.tally)
        });
        // All to their ends: a request that is dropped is one without an answer.
        let (deleted, following) = future::join(future::join_all(deletes), groups.try_next()).await;
        let mut why = None;
        for one in deleted {
            match one {
                Ok(tally) => run.count(&tally),
                Err(error) => why = why.or(Some(error)),
            }
        }
        if let Some(why) = why {
            return Err(why);
        }
        if which == Which::Latest {
            run.doomed_is_deleted();
            permits.forget_seen(&objects);
        }
        run.reached(Value::Null).await?;
        group = following?;
    }
    run.hand_over_if_wanted().await
}

/// Pages of versions, one after the other, until the deletion of one has failed.
fn pages<'a>(at: &'a Bucket, which: Which, failed: &'a AtomicBool) -> BoxStream<'a, Result<Page, WorkError>> {
    let pages = stream::try_unfold(Some((None, None)), move |markers: Option<Markers>| async move {
        let Some((key, version)) = markers.filter(|_| !failed.load(Ordering::Relaxed)) else { return Ok(None) };
        let mut page = at.versions(key.clone(), version.clone(), None).await?;
        if page.next == Some((key, version)) {
            let message = format!("{} keeps answering a listing with the same page", at.site);
            return Err(WorkError::retryable("store_error", message));
        }
        let next = page.next.clone();
        page.keep(which);
        Ok(Some((page, next)))
    });
    pages.boxed()
}

impl Bucket {
    /// Nothing under the prefix: no version, delete marker, object or unfinished upload.
    pub(super) async fn is_empty(&self) -> Result<bool, WorkError> {
        let list = self.reads.list_objects_v2().bucket(&self.name).prefix(&self.prefix).max_keys(1);
        let list = list.encoding_type(EncodingType::Url);
        let objects = list.send().await.map_err(|error| self.site.failed("list objects of", error))?;
        Ok(objects.contents().is_empty()
            && self.versions(None, None, Some(1)).await?.versions.is_empty()
            && self.uploads(&BTreeSet::new()).await?.is_empty())
    }

    async fn versions(
        &self,
        after: Option<String>,
        version: Option<String>,
        most: Option<i32>,
    ) -> Result<Page, WorkError> {
        let list = self.reads.list_object_versions().bucket(&self.name).prefix(&self.prefix);
        let list = list.encoding_type(EncodingType::Url).set_max_keys(most);
        let list = list.set_key_marker(after.clone()).set_version_id_marker(version.clone());
        let page = list.send().await.map_err(|error| self.site.failed("list object versions of", error))?;
        let encoding = page.encoding_type.as_ref();
        let mut versions = Vec::new();
        let ours = |key: Option<&str>, id: Option<&str>, latest, size| -> Result<Option<Version>, WorkError> {
            let found = self.decode(key.unwrap_or_default(), encoding)?.into_owned();
            let id = id.map(str::to_owned);
            // Some stores begin a page with what its markers name, which the page before has listed: it must not count twice.
            let again = after.as_ref() == Some(&found) && (version.is_none() || version == id);
            Ok((found.starts_with(&self.prefix) && !again).then_some(Version { key: found, id, latest, size }))
        };
        // A store that does not say which is the latest has no versions.
        for version in page.versions() {
            let size = version.size().and_then(|size| u64::try_from(size).ok()).unwrap_or_default();
            let latest = version.is_latest().unwrap_or(true);
            versions.extend(ours(version.key(), version.version_id(), latest, Some(size))?);
        }
        for marker in page.delete_markers() {
            let latest = marker.is_latest().unwrap_or(true);
            versions.extend(ours(marker.key(), marker.version_id(), latest, None)?);
        }
        let next = (page.is_truncated == Some(true)).then_some((page.next_key_marker, page.next_version_id_marker));
        let decoded =
            |key: Option<String>| key.map(|key| self.decode(&key, encoding).map(|k| k.into_owned())).transpose();
        let next = next.map(|(key, version)| Ok::<_, WorkError>((decoded(key)?, version))).transpose()?;
        Ok(Page { versions, tally: Tally::default(), next })
    }
}
