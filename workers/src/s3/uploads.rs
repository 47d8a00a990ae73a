//! Unfinished multipart uploads under the prefix: they hold data as well.

use std::time::SystemTime;

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::types::EncodingType;

use super::Bucket;
use crate::error::WorkError;
use crate::permit::{Permits, RemovalPermit, WritePermit};
use crate::signed;

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

/// An unfinished upload.
pub(super) struct Upload {
    pub(super) key: String,
    pub(super) id: String,
}

impl Bucket {
    /// Up to one page of unfinished uploads under the prefix.
    pub(super) async fn uploads(&self) -> Result<Vec<Upload>, WorkError> {
        let list = self.reads.list_multipart_uploads().bucket(&self.name).prefix(&self.prefix);
        let page = list.encoding_type(EncodingType::Url).send().await;
        let page = page.map_err(|error| self.site.failed("list unfinished uploads of", error))?;
        let mut uploads = Vec::new();
        for upload in page.uploads() {
            let key = self.decode(upload.key().unwrap_or_default(), page.encoding_type.as_ref())?.into_owned();
            if let Some(id) = upload.upload_id().filter(|_| key.starts_with(&self.prefix)) {
                uploads.push(Upload { key, id: id.to_owned() });
            }
        }
        Ok(uploads)
    }

    pub(super) async fn abort_upload(
        &self,
        permit: impl Into<AbortPermit>,
        key: &str,
        id: &str,
    ) -> Result<(), WorkError> {
        let abort = self.writes.abort_multipart_upload().bucket(&self.name).key(key).upload_id(id);
        let abort = abort.customize().config_override(signed::s3(permit.into().read_at()));
        match abort.send().await {
            Err(error) if error.code() == Some("NoSuchUpload") => Ok(()),
            other => other.map(drop).map_err(|error| self.site.failed("abort an upload to", error)),
        }
    }

    /// Aborts what a copy that was cut off left behind.
    pub(super) async fn abort_leftovers(&self, permits: &Permits<'_>) -> Result<(), WorkError> {
        for _ in 0..=self.settings.settle_rounds {
            let uploads = self.uploads().await?;
            if uploads.is_empty() {
                return Ok(());
            }
            for upload in uploads {
                self.abort_upload(permits.write().await?, &upload.key, &upload.id).await?;
            }
        }
        let message =
            format!("{} keeps getting new uploads under the tenant's prefix: something is writing there", self.site);
        Err(WorkError::retryable("not_settled", message))
    }
}
