//! Empties a prefix: all versions, delete markers and unfinished uploads; and proves it empty.

use std::collections::BTreeSet;

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::types::{ChecksumAlgorithm, Delete, EncodingType, ObjectIdentifier};
use serde_json::Value;

use super::{Bucket, Share};
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

/// A page of versions under the prefix, and where the next begins: key marker and version marker.
struct Page {
    versions: Vec<Version>,
    tally: Tally,
    next: Option<(Option<String>, Option<String>)>,
}

/// Deletes everything under the prefix until a look at it finds nothing. Needs no cursor: what was deleted is not listed
/// again. The tally counts versions of objects, and no digest.
///
/// # Errors
/// `not_empty` (retryable) when something keeps appearing; `place_invalid` for a share: a prefix is emptied, and proved empty, as
/// a whole.
pub(crate) async fn remove(at: &Bucket, permits: &Permits<'_>, run: &mut Run<'_>) -> Result<Tally, WorkError> {
    if at.share != Share::WHOLE {
        let message = format!("{} is emptied as a whole, and not in parts", at.site);
        return Err(WorkError::permanent("place_invalid", message));
    }
    for _ in 0..=at.settings.settle_rounds {
        delete_versions(at, permits, run).await?;
        for upload in at.uploads(&BTreeSet::new()).await? {
            at.abort_upload(permits.removal().await?, &upload.key, &upload.id).await?;
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

async fn delete_versions(at: &Bucket, permits: &Permits<'_>, run: &mut Run<'_>) -> Result<(), WorkError> {
    let mut markers = Some((None, None));
    while let Some((key, version)) = markers {
        let page = at.versions(key.clone(), version.clone(), None).await?;
        at.delete(page.versions, permits, &run.pulse()).await?;
        run.count(&page.tally);
        run.reached(Value::Null).await?;
        if page.next == Some((key, version)) {
            let message = format!("{} keeps answering a listing with the same page", at.site);
            return Err(WorkError::retryable("store_error", message));
        }
        markers = page.next;
    }
    Ok(())
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
        key: Option<String>,
        version: Option<String>,
        most: Option<i32>,
    ) -> Result<Page, WorkError> {
        let list = self.reads.list_object_versions().bucket(&self.name).prefix(&self.prefix);
        let list = list.encoding_type(EncodingType::Url).set_max_keys(most);
        let list = list.set_key_marker(key).set_version_id_marker(version);
        let page = list.send().await.map_err(|error| self.site.failed("list object versions of", error))?;
        let encoding = page.encoding_type.as_ref();
        let (mut versions, mut tally) = (Vec::new(), Tally::default());
        let ours = |key: Option<&str>, id: Option<&str>| -> Result<Option<Version>, WorkError> {
            let key = self.decode(key.unwrap_or_default(), encoding)?.into_owned();
            Ok(key.starts_with(&self.prefix).then(|| Version { key, id: id.map(str::to_owned) }))
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
            let why = match self.delete_together(&permit, &together).await {
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
            permits.after(&why);
            patience.wait(why).await?;
        }
        for version in alone {
            let mut patience = Patience::new(self.settings.patience, pulse);
            loop {
                match self.delete_alone(&permits.removal().await?, &version).await {
                    Ok(()) => break,
                    Err(error) => {
                        permits.after(&error);
                        patience.wait(error).await?;
                    }
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
                "AccessDenied" => return Err(self.undeletable()),
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
            other => other.map(drop).map_err(|error| self.site.failed("delete an object from", error)),
        }
    }

    fn undeletable(&self) -> WorkError {
        let message = format!(
            "{} refuses to delete versions of objects: the AWS identity lacks s3:DeleteObjectVersion, or an object lock holds them",
            self.site
        );
        WorkError::permanent("access_denied", message)
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
