//! Objects: put, get, head, delete and tags. Copies are in `copies`, uploads in parts in `multipart`.

use std::ops::Range;
use std::sync::Arc;

use s3s::dto::{
    ChecksumMode, DeleteObjectInput, DeleteObjectOutput, DeleteObjectTaggingInput, DeleteObjectTaggingOutput,
    DeleteObjectsInput, DeleteObjectsOutput, DeletedObject, ETag, GetObjectInput, GetObjectOutput,
    GetObjectTaggingInput, GetObjectTaggingOutput, HeadObjectInput, HeadObjectOutput, ObjectIdentifier, PutObjectInput,
    PutObjectOutput, PutObjectTaggingInput, PutObjectTaggingOutput, StreamingBlob,
};
use s3s::{Body as HttpBody, S3Error, S3Request, S3Result, s3_error};

use super::Embedded;
use super::attributes::{attributes_of, show_attributes, tag_set, tags_of_header, tags_of_set};
use super::buckets;
use super::checksums::{given_checksums, hex, set_checksums};
use super::conditions::Conditions;
use super::contents::{self, CHUNK, Draft};
use super::intake::{self, Claims};
use super::store::{Outcome, timestamp};
use super::versions::{self, Body, Version, Written};

/// DeleteObjects takes this many keys (S3 API Reference, DeleteObjects).
const MOST_DELETES: usize = 1000;

impl Embedded {
    pub(super) async fn put(&self, mut request: S3Request<PutObjectInput>) -> S3Result<PutObjectOutput> {
        let body = request.input.body.take();
        let input = &request.input;
        let attributes = attributes_of!(input);
        let tags = tags_of_header(input.tagging.as_deref())?;
        let algorithm = input.checksum_algorithm.as_ref().map(s3s::dto::ChecksumAlgorithm::as_str);
        let claims = Claims::new(&request, input.content_md5.clone(), given_checksums!(input), algorithm)?;
        self.store.read(|connection| buckets::existing(connection, &input.bucket))?;
        let received = intake::receive(&self.store, body, claims).await?;
        let etag = hex(&received.md5);
        let checksum = received.checksum.clone();
        let conditions = Conditions {
            if_match: input.if_match.as_ref(),
            if_none_match: input.if_none_match.as_ref(),
            ..Conditions::default()
        };
        let written = self.store.write(|transaction| {
            let bucket = buckets::existing(transaction, &input.bucket)?;
            conditions.check_write(versions::latest(transaction, &input.bucket, &input.key)?.as_ref())?;
            let body = Body {
                content: received.place(transaction)?,
                size: received.size,
                etag: etag.clone(),
                attributes,
                checksum: Some(checksum.clone()),
            };
            versions::write(transaction, (&input.bucket, bucket.versioning), &input.key, Some(&body), &tags)
        })?;
        received.keep();
        let mut output = PutObjectOutput {
            e_tag: Some(ETag::Strong(etag)),
            version_id: written.version_id,
            checksum_type: Some(checksum.kind()),
            ..PutObjectOutput::default()
        };
        set_checksums!(output, checksum);
        Ok(output)
    }

    pub(super) fn get(&self, input: &GetObjectInput) -> S3Result<GetObjectOutput> {
        refuse_part_number(input.part_number)?;
        let conditions = Conditions {
            if_match: input.if_match.as_ref(),
            if_none_match: input.if_none_match.as_ref(),
            if_modified_since: input.if_modified_since.as_ref(),
            if_unmodified_since: input.if_unmodified_since.as_ref(),
        };
        let version_id = input.version_id.as_deref();
        let (found, shown) = self.store.read(|connection| {
            let bucket = buckets::existing(connection, &input.bucket)?;
            let found = versions::readable(connection, &input.bucket, &input.key, version_id)?;
            conditions.check_read(&found)?;
            Ok((found, bucket.versioning != buckets::Versioning::Never))
        })?;
        let range = match &input.range {
            Some(range) => range.check(found.body.size).map_err(|_| s3_error!(InvalidRange))?,
            None => 0..found.body.size,
        };
        let content_range = input.range.map(|_| format!("bytes {}-{}/{}", range.start, range.end - 1, found.body.size));
        let mut output = GetObjectOutput {
            body: Some(self.stream(found.body.content, &range)?),
            content_length: Some(length(range.end - range.start)?),
            content_range,
            accept_ranges: Some("bytes".to_owned()),
            e_tag: Some(ETag::Strong(found.body.etag)),
            last_modified: Some(timestamp(found.modified_ms)),
            version_id: shown.then_some(found.version_id),
            tag_count: i32::try_from(found.tags.len()).ok().filter(|count| *count > 0),
            ..GetObjectOutput::default()
        };
        // The checksum is that of the whole object: S3 leaves it out of a part of it.
        let asked = is_enabled(input.checksum_mode.as_ref()) && input.range.is_none();
        if let Some(checksum) = found.body.checksum.filter(|_| asked) {
            set_checksums!(output, checksum);
            output.checksum_type = Some(checksum.kind());
        }
        show_attributes!(output, found.body.attributes);
        Ok(output)
    }

    pub(super) fn head(&self, input: &HeadObjectInput) -> S3Result<HeadObjectOutput> {
        refuse_part_number(input.part_number)?;
        let conditions = Conditions {
            if_match: input.if_match.as_ref(),
            if_none_match: input.if_none_match.as_ref(),
            if_modified_since: input.if_modified_since.as_ref(),
            if_unmodified_since: input.if_unmodified_since.as_ref(),
        };
        let version_id = input.version_id.as_deref();
        let (found, shown) = self.store.read(|connection| {
            let bucket = buckets::existing(connection, &input.bucket)?;
            let found = versions::readable(connection, &input.bucket, &input.key, version_id)?;
            conditions.check_read(&found)?;
            Ok((found, bucket.versioning != buckets::Versioning::Never))
        })?;
        let mut output = HeadObjectOutput {
            content_length: Some(length(found.body.size)?),
            accept_ranges: Some("bytes".to_owned()),
            e_tag: Some(ETag::Strong(found.body.etag)),
            last_modified: Some(timestamp(found.modified_ms)),
            version_id: shown.then_some(found.version_id),
            ..HeadObjectOutput::default()
        };
        if let Some(checksum) = found.body.checksum.filter(|_| is_enabled(input.checksum_mode.as_ref())) {
            set_checksums!(output, checksum);
            output.checksum_type = Some(checksum.kind());
        }
        show_attributes!(output, found.body.attributes);
        Ok(output)
    }

    /// A body of the answer. A large one is read while it is sent, from a content of its own that shares the chunks:
    /// the object may be overwritten or deleted meanwhile.
    fn stream(&self, content: i64, range: &Range<u64>) -> S3Result<StreamingBlob> {
        let size = range.end - range.start;
        if size <= CHUNK as u64 {
            let bytes = self.store.read(|connection| contents::read(connection, content, range))?;
            return Ok(StreamingBlob::from(HttpBody::from(bytes)));
        }
        let draft = Draft::new(&self.store)?;
        self.store.write(|transaction| contents::share(transaction, content, range, draft.content(), 0))?;
        let pieces = contents::pieces(Arc::clone(&self.store), draft.content(), 0..size);
        let held = futures::StreamExt::map(pieces, move |piece| {
            let _until_sent = &draft;
            piece
        });
        Ok(StreamingBlob::wrap(held))
    }

    pub(super) fn delete(&self, input: &DeleteObjectInput) -> S3Result<DeleteObjectOutput> {
        let version_id = input.version_id.as_deref();
        let conditions = Conditions { if_match: input.if_match.as_ref(), ..Conditions::default() };
        let written = self.store.write(|transaction| {
            conditions.check_write(versions::latest(transaction, &input.bucket, &input.key)?.as_ref())?;
            delete_one(transaction, &input.bucket, &input.key, version_id)
        })?;
        Ok(DeleteObjectOutput {
            version_id: written.version_id,
            delete_marker: written.marker.then_some(true),
            ..DeleteObjectOutput::default()
        })
    }

    pub(super) fn delete_many(&self, input: &DeleteObjectsInput) -> S3Result<DeleteObjectsOutput> {
        if input.delete.objects.is_empty() || input.delete.objects.len() > MOST_DELETES {
            return Err(s3_error!(MalformedXML));
        }
        self.store.read(|connection| buckets::existing(connection, &input.bucket))?;
        let mut output = DeleteObjectsOutput::default();
        for object in &input.delete.objects {
            let version_id = object.version_id.as_deref();
            let written =
                self.store.write(|transaction| delete_one(transaction, &input.bucket, &object.key, version_id));
            match written {
                Ok(_) if input.delete.quiet == Some(true) => {}
                Ok(written) => output.deleted.get_or_insert_default().push(deleted(object, written)),
                Err(error) => output.errors.get_or_insert_default().push(failed(object, &error)),
            }
        }
        Ok(output)
    }

    pub(super) fn tags(&self, input: &GetObjectTaggingInput) -> S3Result<GetObjectTaggingOutput> {
        let found = self.tagged(&input.bucket, &input.key, input.version_id.as_deref())?;
        Ok(GetObjectTaggingOutput { tag_set: tag_set(found.tags), version_id: shown_id(found.version_id) })
    }

    pub(super) fn set_tags(&self, input: &PutObjectTaggingInput) -> S3Result<PutObjectTaggingOutput> {
        let tags = tags_of_set(&input.tagging.tag_set)?;
        let found = self.tagged(&input.bucket, &input.key, input.version_id.as_deref())?;
        self.store.write(|transaction| versions::set_tags(transaction, found.rank, &tags))?;
        Ok(PutObjectTaggingOutput { version_id: shown_id(found.version_id) })
    }

    pub(super) fn drop_tags(&self, input: &DeleteObjectTaggingInput) -> S3Result<DeleteObjectTaggingOutput> {
        let found = self.tagged(&input.bucket, &input.key, input.version_id.as_deref())?;
        self.store.write(|transaction| versions::set_tags(transaction, found.rank, &Vec::new()))?;
        Ok(DeleteObjectTaggingOutput { version_id: shown_id(found.version_id) })
    }

    fn tagged(&self, bucket: &str, key: &str, version_id: Option<&str>) -> S3Result<Version> {
        self.store.read(|connection| {
            buckets::existing(connection, bucket)?;
            versions::readable(connection, bucket, key, version_id)
        })
    }
}

fn delete_one(
    connection: &rusqlite::Connection,
    bucket: &str,
    key: &str,
    version_id: Option<&str>,
) -> Outcome<Written> {
    let versioning = buckets::existing(connection, bucket)?.versioning;
    match version_id {
        Some(id) => versions::remove_version(connection, bucket, key, id),
        None => versions::delete(connection, bucket, versioning, key),
    }
}

fn deleted(object: &ObjectIdentifier, written: Written) -> DeletedObject {
    let asked_for_version = object.version_id.is_some();
    DeletedObject {
        key: Some(object.key.clone()),
        version_id: object.version_id.clone(),
        delete_marker: written.marker.then_some(true),
        delete_marker_version_id: written.version_id.filter(|_| written.marker || !asked_for_version),
    }
}

fn failed(object: &ObjectIdentifier, error: &S3Error) -> s3s::dto::Error {
    s3s::dto::Error {
        key: Some(object.key.clone()),
        version_id: object.version_id.clone(),
        code: Some(error.code().as_str().to_owned()),
        message: error.message().map(str::to_owned),
    }
}

fn refuse_part_number(part: Option<i32>) -> S3Result<()> {
    match part {
        Some(_) => Err(s3_error!(NotImplemented, "reading by part number is not part of the embedded S3")),
        None => Ok(()),
    }
}

fn is_enabled(mode: Option<&ChecksumMode>) -> bool {
    mode.is_some_and(|mode| mode.as_str() == ChecksumMode::ENABLED)
}

fn shown_id(version_id: String) -> Option<String> {
    (version_id != versions::NULL).then_some(version_id)
}

pub(super) fn length(size: u64) -> S3Result<i64> {
    i64::try_from(size).map_err(S3Error::internal_error)
}
