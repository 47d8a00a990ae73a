//! How versions are deleted: a page of them with one request, in a form that the store takes, or else one by one.

use std::sync::atomic::{AtomicU8, Ordering};

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::types::{ChecksumAlgorithm, Delete, ObjectIdentifier};
use md5::{Digest, Md5};

use super::Bucket;
use crate::bounded_retry::BoundedRetry;
use crate::error::WorkError;
use crate::heartbeat::Heartbeat;
use crate::ledger_permit::{Permits, RemovalPermit};
use crate::request_timestamp;

/// A version of an object, or a delete marker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) key: String,
    pub(super) id: Option<String>,
    /// It is what a plain read of the key finds, or does not find.
    pub(super) latest: bool,
    /// In bytes; `None` of a delete marker.
    pub(super) size: Option<u64>,
}

/// The form of a request to delete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Many at once, with a checksum of today.
    Crc32,
    /// Many at once, with the one that S3 wanted before, and some stores still do.
    Md5,
    /// Each by itself, which needs none.
    Alone,
}

/// Codes of stores that do not take a request as it is, or do not know it at all. What is not permitted has others.
const OF_THE_FORM: [&str; 9] = [
    "MissingContentMD5",
    "InvalidDigest",
    "BadDigest",
    "InvalidRequest",
    "InvalidArgument",
    "MalformedXML",
    "XAmzContentSHA256Mismatch",
    "NotImplemented",
    "MethodNotAllowed",
];

/// The forms that are left to try at a store.
#[derive(Debug, Default)]
pub(super) struct Forms(AtomicU8);

impl Forms {
    fn current(&self) -> Form {
        [Form::Crc32, Form::Md5].get(usize::from(self.0.load(Ordering::Relaxed))).copied().unwrap_or(Form::Alone)
    }

    /// The store does not take this one.
    fn give_up(&self, form: Form) {
        let tried = form as u8;
        // Another request may have found out before.
        if self.0.compare_exchange(tried, tried + 1, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            tracing::info!(?form, next = ?self.current(), "the store does not take a request to delete in this form");
        }
    }
}

impl Bucket {
    /// Deletes them, whatever form of request the store takes.
    pub(super) async fn delete(
        &self,
        versions: Vec<Version>,
        permits: &Permits<'_>,
        heartbeat: &Heartbeat<'_>,
    ) -> Result<(), WorkError> {
        let (mut together, mut alone): (Vec<_>, Vec<_>) = versions.into_iter().partition(|v| survives_xml(&v.key));
        let mut retry = BoundedRetry::new(self.settings.attempts, heartbeat);
        while !together.is_empty() {
            let form = self.forms.current();
            if form == Form::Alone {
                alone.append(&mut together);
                break;
            }
            let permit = permits.removal().await?;
            let asked = together.len();
            let why = match permits.answered(permit.read_at(), self.delete_together(&permit, &together, form)).await {
                Err(_) if self.forms.current() != form => continue,
                Ok(left) if left.is_empty() => break,
                Ok(left) => {
                    together = left;
                    let message = format!("{} leaves the deletion of {} versions undone", self.site, together.len());
                    WorkError::retryable("store_error", message)
                }
                Err(error) => error,
            };
            if together.len() < asked {
                retry.progress();
            }
            retry.wait(why).await?;
        }
        for version in alone {
            let mut retry = BoundedRetry::new(self.settings.attempts, heartbeat);
            loop {
                let permit = permits.removal().await?;
                match permits.answered(permit.read_at(), self.delete_alone(&permit, &version)).await {
                    Ok(()) => break,
                    Err(error) => retry.wait(error).await?,
                }
            }
        }
        Ok(())
    }

    /// Gives back the versions that the store left undone.
    async fn delete_together(
        &self,
        permit: &RemovalPermit,
        versions: &[Version],
        form: Form,
    ) -> Result<Vec<Version>, WorkError> {
        let unbuilt =
            |error| WorkError::permanent("store_error", "a request to delete could not be built").because(error);
        let mut delete = Delete::builder().quiet(true);
        for version in versions {
            let object = ObjectIdentifier::builder().key(&version.key).set_version_id(version.id.clone()).build();
            delete = delete.objects(object.map_err(unbuilt)?);
        }
        let request = self.writes.delete_objects().bucket(&self.name).delete(delete.build().map_err(unbuilt)?);
        let request = request.checksum_algorithm(ChecksumAlgorithm::Crc32).customize();
        let request = request.config_override(request_timestamp::s3(permit.read_at())).mutate_request(move |request| {
            if form == Form::Md5
                && let Some(body) = request.body().bytes()
            {
                let md5 = aws_smithy_types::base64::encode(Md5::digest(body));
                request.headers_mut().insert("content-md5", md5);
            }
        });
        let answer = request.send().await.map_err(|error| {
            if error.code().is_some_and(|code| OF_THE_FORM.contains(&code)) {
                self.forms.give_up(form);
            }
            self.site.failed("delete objects from", error)
        })?;
        let mut left = Vec::new();
        for error in answer.errors() {
            match error.code().unwrap_or_default() {
                "NoSuchKey" | "NoSuchVersion" => {}
                "AccessDenied" => {
                    let (key, id) = (error.key().unwrap_or_default(), error.version_id());
                    return Err(self.undeletable(key, id).await);
                }
                _ => {
                    let (key, id) = (error.key().unwrap_or_default(), error.version_id());
                    // Only what was asked for may be asked for again.
                    let same = |asked: &&Version| asked.key == key && (id.is_none() || asked.id.as_deref() == id);
                    left.extend(versions.iter().filter(same).cloned());
                }
            }
        }
        Ok(left)
    }

    async fn delete_alone(&self, permit: &RemovalPermit, version: &Version) -> Result<(), WorkError> {
        let delete = self.writes.delete_object().bucket(&self.name).key(&version.key);
        let delete = delete.set_version_id(version.id.clone()).customize();
        match delete.config_override(request_timestamp::s3(permit.read_at())).send().await {
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
pub(super) fn survives_xml(key: &str) -> bool {
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
