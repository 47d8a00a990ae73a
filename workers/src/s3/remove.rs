//! Empties a prefix: all versions, delete markers and unfinished uploads; and proves it empty.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::types::{ChecksumAlgorithm, Delete, EncodingType, ObjectIdentifier};
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use serde_json::Value;

use super::Bucket;
use crate::error::WorkError;
use crate::patience::Patience;
use crate::permit::{Permits, RemovalPermit};
use crate::progress::Tally;
use crate::pulse::Pulse;
use crate::run::Run;
use crate::signed;

/// A version of an object, or a delete marker.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Version {
    key: String,
    id: Option<String>,
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
        delete_versions(at, permits, run).await?;
        for upload in at.uploads(&BTreeSet::new()).await? {
            let permit = permits.removal().await?;
            permits.answered(at.abort_upload(permit, &upload.key, &upload.id)).await?;
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

/// Lists the next pages while those before are being deleted.
async fn delete_versions(at: &Bucket, permits: &Permits<'_>, run: &mut Run<'_>) -> Result<(), WorkError> {
    let (pulse, failed) = (run.pulse(), AtomicBool::new(false));
    let (pulse, failed) = (&*pulse, &failed);
    let deleted = pages(at, failed).map_ok(|page| async move {
        at.delete(page.versions, permits, pulse).await.inspect_err(|_| failed.store(true, Ordering::Relaxed))?;
        Ok(page.tally)
    });
    let mut deleted = pin!(deleted.try_buffered(PAGES_AT_ONCE));
    loop {
        match deleted.try_next().await {
            Ok(None) => return Ok(()),
            Ok(Some(tally)) => {
                run.count(&tally);
                run.reached(Value::Null).await?;
            }
            Err(error) => {
                // Requests on their way are answered first: one without an answer may arrive at any time.
                while !matches!(deleted.try_next().await, Ok(None)) {}
                return Err(error);
            }
        }
    }
}

/// Pages of versions, one after the other, until the deletion of one has failed.
fn pages<'a>(at: &'a Bucket, failed: &'a AtomicBool) -> BoxStream<'a, Result<Page, WorkError>> {
    let pages = stream::try_unfold(Some((None, None)), move |markers: Option<Markers>| async move {
        let Some((key, version)) = markers.filter(|_| !failed.load(Ordering::Relaxed)) else { return Ok(None) };
        let page = at.versions(key.clone(), version.clone(), None).await?;
        if page.next == Some((key, version)) {
            let message = format!("{} keeps answering a listing with the same page", at.site);
            return Err(WorkError::retryable("store_error", message));
        }
        let next = page.next.clone();
        Ok(Some((page, next)))
    });
    pages.boxed()
}

impl Bucket {
    /// Nothing under the prefix: no version, delete marker, object or unfinished upload.
    pub(super) async fn is_empty(&self) -> Result<bool, WorkError> {
        let list = self.reads.list_objects_v2().bucket(&self.name).prefix(&self.prefix).max_keys(1);
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
        let (mut versions, mut tally) = (Vec::new(), Tally::default());
        let ours = |key: Option<&str>, id: Option<&str>| -> Result<Option<Version>, WorkError> {
            let found = self.decode(key.unwrap_or_default(), encoding)?.into_owned();
            let id = id.map(str::to_owned);
            // Some stores begin a page with what its markers name, which the page before has listed: it must not count twice.
            let again = after.as_ref() == Some(&found) && (version.is_none() || version == id);
            Ok((found.starts_with(&self.prefix) && !again).then_some(Version { key: found, id }))
        };
        for version in page.versions() {
            if let Some(found) = ours(version.key(), version.version_id())? {
                versions.push(found);
                tally.objects += 1;
                tally.bytes += version.size().and_then(|size| u64::try_from(size).ok()).unwrap_or_default();
            }
        }
        for marker in page.delete_markers() {
            versions.extend(ours(marker.key(), marker.version_id())?);
        }
        let next = (page.is_truncated == Some(true)).then_some((page.next_key_marker, page.next_version_id_marker));
        let decoded =
            |key: Option<String>| key.map(|key| self.decode(&key, encoding).map(|k| k.into_owned())).transpose();
        let next = next.map(|(key, version)| Ok::<_, WorkError>((decoded(key)?, version))).transpose()?;
        Ok(Page { versions, tally, next })
    }

    async fn delete(&self, versions: Vec<Version>, permits: &Permits<'_>, pulse: &Pulse<'_>) -> Result<(), WorkError> {
        let (mut together, alone): (Vec<_>, Vec<_>) = versions.into_iter().partition(|v| survives_xml(&v.key));
        let mut patience = Patience::new(self.settings.patience, pulse);
        while !together.is_empty() {
            let permit = permits.removal().await?;
            let asked = together.len();
            let why = match permits.answered(self.delete_together(&permit, &together)).await {
                Ok(left) if left.is_empty() => break,
                Ok(left) => {
                    together = left;
                    let message = format!("{} leaves the deletion of {} versions undone", self.site, together.len());
                    WorkError::retryable("store_error", message)
                }
                Err(error) => error,
            };
            if together.len() < asked {
                patience.progress();
            }
            patience.wait(why).await?;
        }
        for version in alone {
            let mut patience = Patience::new(self.settings.patience, pulse);
            loop {
                let permit = permits.removal().await?;
                match permits.answered(self.delete_alone(&permit, &version)).await {
                    Ok(()) => break,
                    Err(error) => patience.wait(error).await?,
                }
            }
        }
        Ok(())
    }

    /// Gives back the versions that the store left undone.
    async fn delete_together(&self, permit: &RemovalPermit, versions: &[Version]) -> Result<Vec<Version>, WorkError> {
        let unbuilt =
            |error| WorkError::permanent("store_error", "a request to delete could not be built").because(error);
        let mut delete = Delete::builder().quiet(true);
        for version in versions {
            let object = ObjectIdentifier::builder().key(&version.key).set_version_id(version.id.clone()).build();
            delete = delete.objects(object.map_err(unbuilt)?);
        }
        let request = self.writes.delete_objects().bucket(&self.name).delete(delete.build().map_err(unbuilt)?);
        let request = request.checksum_algorithm(ChecksumAlgorithm::Crc32).customize();
        let request = request.config_override(signed::s3(permit.read_at()));
        let answer = request.send().await.map_err(|error| self.site.failed("delete objects from", error))?;
        let mut left = Vec::new();
        for error in answer.errors() {
            match error.code().unwrap_or_default() {
                "NoSuchKey" | "NoSuchVersion" => {}
                "AccessDenied" => {
                    let (key, id) = (error.key().unwrap_or_default(), error.version_id());
                    return Err(self.undeletable(key, id).await);
                }
                _ => left.push(Version {
                    key: error.key().unwrap_or_default().to_owned(),
                    id: error.version_id().map(str::to_owned),
                }),
            }
        }
        // Only what was asked for may be asked for again.
        left.retain(|version| versions.iter().any(|asked| asked.key == version.key));
        Ok(left)
    }

    async fn delete_alone(&self, permit: &RemovalPermit, version: &Version) -> Result<(), WorkError> {
        let delete = self.writes.delete_object().bucket(&self.name).key(&version.key);
        let delete = delete.set_version_id(version.id.clone()).customize();
        match delete.config_override(signed::s3(permit.read_at())).send().await {
            Err(error) if matches!(error.code(), Some("NoSuchKey" | "NoSuchVersion")) => Ok(()),
            Err(error) if error.code() == Some("AccessDenied") => {
                Err(self.undeletable(&version.key, version.id.as_deref()).await.because(error))
            }
            other => other.map(drop).map_err(|error| self.site.failed("delete an object from", error)),
        }
    }
}

/// Whether a key comes out of an XML document as it went in: XML 1.0 cannot write most control characters, and parsers
/// may trim white space.
fn survives_xml(key: &str) -> bool {
    key.trim() == key && !key.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{fffe}' | '\u{ffff}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_keys_are_deleted_one_by_one() {
        assert!(survives_xml("t/a b+c%<&>\"'ü"));
        assert!(!survives_xml("t/a\u{1}"));
        assert!(!survives_xml("t/a\r\n"));
        assert!(!survives_xml("t/a "));
    }
}
