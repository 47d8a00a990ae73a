//! Reads objects: whole, their heads only, or a range of one that must still be what it was.

use std::collections::BTreeMap;
use std::error::Error;
use std::ops::Range;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use blake3::hazmat::{ChainingValue, HasherExt};
use blake3::{Hash, Hasher};
use bytes::{Bytes, BytesMut};

use super::Bucket;
use super::list::Stamp;
use super::object::{Attributes, Head};
use crate::error::WorkError;
use crate::failure::{REQUEST_TOO_OLD, UNREADABLE};
use crate::heartbeat::Heartbeat;
use crate::s3::hash_tree::part_hasher;

/// The code of an object that is not any more what it was when it was begun, or whose upload is gone: the copy of it starts over.
pub(super) const CHANGED: &str = "object_changed";

/// An object whose contents are being read.
pub(super) struct Opened<'a> {
    pub(super) head: Head,
    pub(super) contents: Contents<'a>,
}

/// Contents on their way, hashed as they pass. Each arrival is a heartbeat.
pub(super) struct Contents<'a> {
    body: ByteStream,
    hasher: Hasher,
    /// Bytes the store promised.
    length: u64,
    seen: u64,
    heartbeat: &'a Heartbeat<'a>,
}

/// The head of an object, out of the answer to a GET or a HEAD.
macro_rules! head_of {
    ($object:expr, $tags:expr) => {
        Head {
            stamp: Stamp {
                size: $object.content_length.and_then(|length| u64::try_from(length).ok()).unwrap_or_default(),
                etag: $object.e_tag.unwrap_or_default(),
                modified: $object.last_modified.as_ref().map(DateTime::secs),
            },
            attributes: Attributes {
                content_type: $object.content_type,
                cache_control: $object.cache_control,
                content_disposition: $object.content_disposition,
                content_encoding: $object.content_encoding,
                content_language: $object.content_language,
                expires: $object.expires_string,
                metadata: $object.metadata.unwrap_or_default().into_iter().collect(),
                tags: $tags,
            },
        }
    };
}

impl Bucket {
    /// Begins to read an object. `None` when there is none under this key (any more).
    pub(super) async fn read<'a>(
        &self,
        relative: &str,
        heartbeat: &'a Heartbeat<'a>,
    ) -> Result<Option<Opened<'a>>, WorkError> {
        let key = self.key(relative);
        let get = self.reads.get_object().bucket(&self.name).key(&key);
        let (object, tags) = tokio::join!(get.send(), self.tags(relative));
        let object = match object {
            Err(error) if error.code() == Some("NoSuchKey") => return Ok(None),
            Err(error) if error.code() == Some("InvalidObjectState") => return Err(self.archived(error)),
            other => other.map_err(|error| self.failed_at("read an object of", relative, error))?,
        };
        let Some(tags) = tags? else { return Ok(None) };
        Ok(Some(opened(object, tags, heartbeat)))
    }

    /// The head of an object. `None` when there is none under this key (any more).
    pub(super) async fn look(&self, relative: &str) -> Result<Option<Head>, WorkError> {
        let (object, tags) = tokio::join!(self.head(relative), self.tags(relative));
        let (Some(object), Some(tags)) = (object?, tags?) else { return Ok(None) };
        Ok(Some(head_of!(object, tags)))
    }

    pub(super) async fn head(&self, relative: &str) -> Result<Option<HeadObjectOutput>, WorkError> {
        let error = match self.reads.head_object().bucket(&self.name).key(self.key(relative)).send().await {
            Ok(head) => return Ok(Some(head)),
            Err(error) => error,
        };
        // The answer to a HEAD has no body, so there is no code to go by.
        match error.raw_response().map_or(0, |raw| raw.status().as_u16()) {
            404 => Ok(None),
            403 => Err(Box::pin(self.why_refused(relative)).await),
            _ => Err(self.failed_at("look at an object of", relative, error)),
        }
    }

    /// Why a look at an object was refused: a read of its first byte needs the same permission, and is told.
    async fn why_refused(&self, relative: &str) -> WorkError {
        let get = self.reads.get_object().bucket(&self.name).key(self.key(relative)).range("bytes=0-0");
        match get.send().await {
            // An empty object has no first byte.
            Err(error) if !matches!(error.code(), Some("NoSuchKey" | "InvalidRange")) => {
                self.site.failed("look at an object of", error)
            }
            _ => {
                let message =
                    format!("{} refused a look at an object that it allows now: it is tried again", self.site);
                WorkError::retryable(REQUEST_TOO_OLD, message)
            }
        }
    }

    /// Always asked for: the count of tags that comes with an object is also missing when we may not read tags, and they must
    /// not get lost unseen.
    pub(super) async fn tags(&self, relative: &str) -> Result<Option<BTreeMap<String, String>>, WorkError> {
        match self.reads.get_object_tagging().bucket(&self.name).key(self.key(relative)).send().await {
            Err(error) if error.code() == Some("NoSuchKey") => Ok(None),
            Err(error) => Err(self.failed_at("read an object's tags (s3:GetObjectTagging) in", relative, error)),
            Ok(tags) => Ok(Some(tags.tag_set.into_iter().map(|tag| (tag.key, tag.value)).collect())),
        }
    }

    /// Begins to read a range of the object that `stamp` describes.
    ///
    /// # Errors
    /// [`CHANGED`] (retryable) when it is not that any more.
    pub(super) async fn read_range<'a>(
        &self,
        relative: &str,
        stamp: &Stamp,
        range: &Range<u64>,
        heartbeat: &'a Heartbeat<'a>,
    ) -> Result<Contents<'a>, WorkError> {
        let get = self.reads.get_object().bucket(&self.name).key(self.key(relative)).if_match(&stamp.etag);
        match get.range(format!("bytes={}-{}", range.start, range.end - 1)).send().await {
            Err(error) if matches!(error.code(), Some("PreconditionFailed" | "NoSuchKey" | "InvalidRange")) => {
                Err(self.changed())
            }
            Err(error) if error.code() == Some("InvalidObjectState") => Err(self.archived(error)),
            Err(error) => Err(self.failed_at("read a range of an object of", relative, error)),
            Ok(part) => Ok(Contents::new(part.body, range.end - range.start, part_hasher(range.start), heartbeat)),
        }
    }

    /// An answer that can't be read is told with the key: it is the object's.
    fn failed_at<E>(&self, doing: &str, relative: &str, error: SdkError<E, HttpResponse>) -> WorkError
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let failed = self.site.failed(doing, error);
        if failed.code == UNREADABLE { failed.of_key(relative) } else { failed }
    }

    pub(super) fn changed(&self) -> WorkError {
        let message = format!("an object of {} changed while it was worked on: the copy of it starts over", self.site);
        WorkError::retryable(CHANGED, message)
    }

    fn archived(&self, error: impl std::error::Error + Send + Sync + 'static) -> WorkError {
        self.holds_archived().because(error)
    }

    pub(super) fn holds_archived(&self) -> WorkError {
        let message = format!("{} has archived objects of the tenant: restore them before moving it", self.site);
        WorkError::permanent("object_archived", message)
    }
}

fn opened<'a>(object: GetObjectOutput, tags: BTreeMap<String, String>, heartbeat: &'a Heartbeat<'a>) -> Opened<'a> {
    let head = head_of!(object, tags);
    let contents = Contents::new(object.body, head.stamp.size, Hasher::new(), heartbeat);
    Opened { head, contents }
}

impl<'a> Contents<'a> {
    fn new(body: ByteStream, length: u64, hasher: Hasher, heartbeat: &'a Heartbeat<'a>) -> Self {
        Self { body, hasher, length, seen: 0, heartbeat }
    }

    /// Reads to the end and gives it all. The caller has seen to there being room.
    pub(super) async fn collect(&mut self, bucket: &Bucket) -> Result<Bytes, WorkError> {
        let mut out = BytesMut::with_capacity(usize::try_from(self.length).unwrap_or_default());
        while let Some(chunk) = self.next(bucket).await? {
            out.extend_from_slice(&chunk);
        }
        Ok(out.freeze())
    }

    /// Reads to the end, keeping nothing.
    pub(super) async fn exhaust(&mut self, bucket: &Bucket) -> Result<(), WorkError> {
        while self.next(bucket).await?.is_some() {}
        Ok(())
    }

    async fn next(&mut self, bucket: &Bucket) -> Result<Option<Bytes>, WorkError> {
        let chunk = self.body.next().await;
        self.heartbeat.beat().await?;
        let Some(chunk) = chunk else {
            return if self.seen == self.length { Ok(None) } else { Err(cut_short(bucket)) };
        };
        let chunk = chunk.map_err(|error| cut_short(bucket).because(error))?;
        self.seen += chunk.len() as u64;
        self.hasher.update(&chunk);
        if self.seen > self.length { Err(cut_short(bucket)) } else { Ok(Some(chunk)) }
    }

    /// The hash of a whole object's contents, which have been read to the end.
    pub(super) fn hash(&self) -> Hash {
        self.hasher.finalize()
    }

    /// What stands for a range, which has been read to the end, in the hash of the whole.
    pub(super) fn part(&self) -> ChainingValue {
        self.hasher.finalize_non_root()
    }
}

fn cut_short(bucket: &Bucket) -> WorkError {
    WorkError::retryable("store_error", format!("the contents of an object of {} did not arrive whole", bucket.site))
}
