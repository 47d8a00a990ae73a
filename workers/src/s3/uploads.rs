//! Unfinished multipart uploads under the prefix: they hold data as well.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::types::EncodingType;

use super::Bucket;
use super::deleting::survives_xml;
use super::write::Stored;
use crate::error::WorkError;
use crate::failure::UNREADABLE;
use crate::ledger_permit::{Permits, RemovalPermit, WritePermit};
use crate::request_timestamp;

/// What an upload may be aborted with: aborting one in a place that is being filled belongs to filling it.
pub(super) enum AbortPermit {
    Write(WritePermit),
    Removal(RemovalPermit),
}

impl AbortPermit {
    /// When the ledger was read, by the database's clock: what the request is signed with.
    fn read_at(&self) -> SystemTime {
        match self {
            Self::Write(permit) => permit.read_at(),
            Self::Removal(permit) => permit.read_at(),
        }
    }
}

impl From<WritePermit> for AbortPermit {
    fn from(permit: WritePermit) -> Self {
        Self::Write(permit)
    }
}

impl From<RemovalPermit> for AbortPermit {
    fn from(permit: RemovalPermit) -> Self {
        Self::Removal(permit)
    }
}

/// The markers of the next page: key and upload id.
type After = Option<(Option<String>, Option<String>)>;

/// An unfinished upload.
pub(super) struct Upload {
    pub(super) key: String,
    pub(super) id: String,
}

impl Bucket {
    /// Unfinished uploads of this share: all on the first page that has any, but those in `except`.
    pub(super) async fn uploads(&self, except: &BTreeSet<String>) -> Result<Vec<Upload>, WorkError> {
        let mut after = Some((None, None));
        while let Some((key, id)) = after {
            let (mut uploads, next) = self.uploads_page(key.clone(), id.clone()).await?;
            uploads.retain(|upload| !except.contains(&upload.id));
            if !uploads.is_empty() {
                return Ok(uploads);
            }
            after = next.filter(|next| *next != (key, id));
        }
        Ok(Vec::new())
    }

    async fn uploads_page(&self, key: Option<String>, id: Option<String>) -> Result<(Vec<Upload>, After), WorkError> {
        let list = self.reads.list_multipart_uploads().bucket(&self.name).prefix(&self.prefix);
        let list = list.set_key_marker(key).set_upload_id_marker(id);
        let page = list.encoding_type(EncodingType::Url).send().await;
        let page = page.map_err(|error| self.site.failed("list unfinished uploads of", error))?;
        let encoding = page.encoding_type.as_ref();
        let mut uploads = Vec::new();
        for upload in page.uploads() {
            let key = self.decode(upload.key().unwrap_or_default(), encoding)?.into_owned();
            let ours = key.strip_prefix(&self.prefix).is_some_and(|relative| self.share.holds(relative));
            if let Some(id) = upload.upload_id().filter(|_| ours) {
                uploads.push(Upload { key, id: id.to_owned() });
            }
        }
        let next = match (page.is_truncated, &page.next_key_marker) {
            (Some(true), Some(key)) => {
                Some((Some(self.decode(key, encoding)?.into_owned()), page.next_upload_id_marker))
            }
            _ => None,
        };
        Ok((uploads, next))
    }

    /// The latest unfinished upload to a key.
    pub(super) async fn upload_to(&self, relative: &str) -> Result<Option<String>, WorkError> {
        let key = self.key(relative);
        let list = self.reads.list_multipart_uploads().bucket(&self.name).prefix(&key);
        let page = list.encoding_type(EncodingType::Url).send().await;
        let page = page.map_err(|error| self.site.failed("list unfinished uploads of", error))?;
        let mut found = Vec::new();
        for upload in page.uploads() {
            if self.decode(upload.key().unwrap_or_default(), page.encoding_type.as_ref())? == key.as_str() {
                found.push((upload.initiated().copied(), upload.upload_id()));
            }
        }
        let latest = found.into_iter().max_by_key(|(begun, _)| begun.map(|begun| (begun.secs(), begun.subsec_nanos())));
        Ok(latest.and_then(|(_, id)| id).map(str::to_owned))
    }

    pub(super) async fn abort_upload(
        &self,
        permit: impl Into<AbortPermit>,
        key: &str,
        id: &str,
    ) -> Result<(), WorkError> {
        let abort = self.writes.abort_multipart_upload().bucket(&self.name).key(key).upload_id(id);
        let abort = abort.customize().config_override(request_timestamp::s3(permit.into().read_at()));
        match abort.send().await {
            Err(error) if error.code() == Some("NoSuchUpload") => Ok(()),
            other => other.map(drop).map_err(|error| self.site.failed("abort an upload to", error)),
        }
    }

    /// The parts of an upload by their numbers, counted from 0, with their sizes. `None` when there is no such upload, or none that can be
    /// read of: the answer names the key, also one that XML can't.
    pub(super) async fn parts(
        &self,
        relative: &str,
        upload: &str,
    ) -> Result<Option<BTreeMap<u64, (u64, Stored)>>, WorkError> {
        let (mut parts, mut after) = (BTreeMap::new(), None);
        loop {
            let list = self.reads.list_parts().bucket(&self.name).key(self.key(relative)).upload_id(upload);
            let page = match list.set_part_number_marker(after.clone()).send().await {
                Err(error) if error.code() == Some("NoSuchUpload") => return Ok(None),
                other => match other.map_err(|error| self.site.failed("list the parts of an upload to", error)) {
                    Err(error) if error.code == UNREADABLE && !survives_xml(relative) => return Ok(None),
                    page => page?,
                },
            };
            for part in page.parts() {
                let (Some(number), Some(size)) = (part.part_number(), part.size()) else { continue };
                let stored = Stored {
                    number,
                    etag: part.e_tag().map(str::to_owned),
                    crc32: part.checksum_crc32().map(str::to_owned),
                };
                if let (Ok(from_0), Ok(size)) = (u64::try_from(number - 1), u64::try_from(size)) {
                    parts.insert(from_0, (size, stored));
                }
            }
            let next = page.next_part_number_marker.filter(|_| page.is_truncated == Some(true));
            if next.is_none() || next == after {
                return Ok(Some(parts));
            }
            after = next;
        }
    }

    /// Aborts what a copy that was cut off left behind, but for the uploads that are gone on with.
    pub(super) async fn abort_leftovers(
        &self,
        resumed: &BTreeSet<String>,
        permits: &Permits<'_>,
    ) -> Result<(), WorkError> {
        for _ in 0..=self.settings.settle_rounds {
            let uploads = self.uploads(resumed).await?;
            if uploads.is_empty() {
                return Ok(());
            }
            for upload in uploads {
                let permit = permits.write().await?;
                permits.answered(permit.read_at(), self.abort_upload(permit, &upload.key, &upload.id)).await?;
            }
        }
        let message =
            format!("{} keeps getting new uploads under the tenant's prefix: something is writing there", self.site);
        Err(WorkError::retryable("not_settled", message))
    }
}
