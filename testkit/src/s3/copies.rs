//! Copies within the region, of whole objects and of ranges into parts. No bytes move: contents share chunks.

use std::ops::Range;
use std::sync::Arc;

use s3s::dto::{
    CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopySource, ETag, MetadataDirective, TaggingDirective,
};
use s3s::{S3Result, s3_error};

use super::Embedded;
use super::attributes::{attributes_of, tags_of_header};
use super::buckets;
use super::checksums::{Algorithm, DEFAULT, Running, Stored, Sums, hex, set_checksums};
use super::conditions::Conditions;
use super::contents::{self, CHUNK, Draft};
use super::store::{Store, now_ms, timestamp};
use super::versions::{self, Body, Version};

/// CopyObject and UploadPartCopy take at most 5 GiB (S3 User Guide, "Copying, moving, and renaming objects").
pub(super) const MOST_COPIED_BYTES: u64 = 5 * 1024 * 1024 * 1024;

impl Embedded {
    pub(super) fn copy(&self, input: &CopyObjectInput) -> S3Result<CopyObjectOutput> {
        let conditions = Conditions {
            if_match: input.copy_source_if_match.as_ref(),
            if_none_match: input.copy_source_if_none_match.as_ref(),
            if_modified_since: input.copy_source_if_modified_since.as_ref(),
            if_unmodified_since: input.copy_source_if_unmodified_since.as_ref(),
        };
        let (source, draft) = self.borrow_source(&input.copy_source, &conditions, None)?;
        let replaces = input.metadata_directive.as_ref().map(MetadataDirective::as_str) == Some("REPLACE");
        if !replaces && input.storage_class.is_none() && is_itself(input) {
            return Err(s3_error!(
                InvalidRequest,
                "This copy request is illegal because it is trying to copy an object to itself without changing anything."
            ));
        }
        let attributes = if replaces { attributes_of!(input) } else { source.body.attributes.clone() };
        let retags = input.tagging_directive.as_ref().map(TaggingDirective::as_str) == Some("REPLACE");
        let tags = if retags { tags_of_header(input.tagging.as_deref())? } else { source.tags.clone() };
        let wanted = input.checksum_algorithm.as_ref().map(|name| Algorithm::named(name.as_str())).transpose()?;
        let (etag, checksum) = whole_object_sums(&self.store, &draft, &source.body, wanted)?;
        let body =
            Body { content: draft.content(), size: source.body.size, etag, attributes, checksum: Some(checksum) };
        let (written, source_is_versioned) = self.store.write(|transaction| {
            let bucket = buckets::existing(transaction, &input.bucket)?;
            let target = (input.bucket.as_str(), bucket.versioning);
            Ok((
                versions::write(transaction, target, &input.key, Some(&body), &tags)?,
                source.version_id != versions::NULL,
            ))
        })?;
        draft.keep();
        let mut result = CopyObjectResult {
            e_tag: Some(ETag::Strong(body.etag)),
            last_modified: Some(timestamp(now_ms())),
            ..CopyObjectResult::default()
        };
        if let Some(checksum) = body.checksum {
            result.checksum_type = Some(checksum.kind());
            set_checksums!(result, checksum);
        }
        Ok(CopyObjectOutput {
            copy_object_result: Some(result),
            copy_source_version_id: source_is_versioned.then_some(source.version_id),
            version_id: written.version_id,
            ..CopyObjectOutput::default()
        })
    }

    /// The object a copy reads, and a content of our own that shares its bytes (those of `range`, if given).
    pub(super) fn borrow_source(
        &self,
        source: &CopySource,
        conditions: &Conditions<'_>,
        range: Option<&Range<u64>>,
    ) -> S3Result<(Version, Draft)> {
        let CopySource::Bucket { bucket, key, version_id } = source else {
            return Err(s3_error!(NotImplemented, "access points are not part of the embedded S3"));
        };
        let draft = Draft::new(&self.store)?;
        let found = self.store.write(|transaction| {
            buckets::existing(transaction, bucket)?;
            let found = versions::readable(transaction, bucket, key, version_id.as_deref())?;
            conditions.check_source(&found)?;
            let range = range.cloned().unwrap_or(0..found.body.size);
            if range.end > found.body.size {
                return Err(s3_error!(InvalidArgument, "Range specified is not valid for source object").into());
            }
            if range.end - range.start > MOST_COPIED_BYTES {
                let message = "The specified copy source is larger than the maximum allowable size for a copy source";
                return Err(s3_error!(InvalidRequest, "{message}: {MOST_COPIED_BYTES}").into());
            }
            contents::share(transaction, found.body.content, &range, draft.content(), 0)?;
            Ok(found)
        })?;
        Ok((found, draft))
    }
}

fn is_itself(input: &CopyObjectInput) -> bool {
    matches!(&input.copy_source, CopySource::Bucket { bucket, key, version_id: None }
        if **bucket == *input.bucket && **key == *input.key)
}

/// A copy is written in one piece: an ETag or checksum made of parts does not outlive it.
fn whole_object_sums(
    store: &Arc<Store>,
    draft: &Draft,
    source: &Body,
    wanted: Option<Algorithm>,
) -> S3Result<(String, Stored)> {
    if let Some(stored) = &source.checksum
        && !stored.composite
        && wanted.is_none_or(|wanted| wanted == stored.algorithm)
        && !source.etag.contains('-')
    {
        return Ok((source.etag.clone(), stored.clone()));
    }
    let algorithm = wanted.or(source.checksum.as_ref().map(|stored| stored.algorithm)).unwrap_or(DEFAULT);
    let sums = sums(store, draft.content(), source.size, algorithm)?;
    Ok((hex(&sums.md5), sums.checksum))
}

/// Reads a content once, for its MD5 and checksum.
pub(super) fn sums(store: &Arc<Store>, content: i64, size: u64, algorithm: Algorithm) -> S3Result<Sums> {
    let mut running = Running::new(algorithm);
    for start in (0..size).step_by(CHUNK) {
        let piece = start..size.min(start + CHUNK as u64);
        running.update(&store.read(|connection| contents::read(connection, content, &piece))?);
    }
    Ok(running.finish())
}
