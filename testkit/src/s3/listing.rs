//! Listings: objects, versions, unfinished uploads, parts. All walk an index from a cursor; none reads past its page.

use s3s::dto::{
    ChecksumAlgorithm, CommonPrefix, DeleteMarkerEntry, ETag, EncodingType, ListMultipartUploadsInput,
    ListMultipartUploadsOutput, ListObjectVersionsInput, ListObjectVersionsOutput, ListObjectsV2Input,
    ListObjectsV2Output, ListPartsInput, ListPartsOutput, MultipartUpload, Object, ObjectStorageClass, ObjectVersion,
    ObjectVersionStorageClass, Part as PartDto, StorageClass,
};
use s3s::{S3Result, s3_error};

use super::Embedded;
use super::buckets;
use super::checksums::set_checksums;
use super::objects::length;
use super::store::timestamp;
use super::uploads;
use super::versions::Version;
use super::walk::{Cursor, Walk, past_prefix};

/// A page has at most this many entries (S3 API Reference, ListObjectsV2).
const LARGEST_PAGE: i32 = 1000;

impl Embedded {
    pub(super) fn list(&self, input: &ListObjectsV2Input) -> S3Result<ListObjectsV2Output> {
        let prefix = input.prefix.as_deref().unwrap_or_default();
        let most = page_size(input.max_keys)?;
        let start = match (&input.continuation_token, &input.start_after) {
            (Some(token), _) => Cursor::of_token(token)?,
            (None, Some(key)) => Cursor::past(key),
            (None, None) => Cursor::at(prefix.as_bytes()),
        };
        let walk = Walk { bucket: &input.bucket, prefix, delimiter: delimiter(&input.delimiter), history: false, most };
        let page = self.store.read(|connection| {
            buckets::existing(connection, &input.bucket)?;
            walk.page(connection, start)
        })?;
        let encode = |text: String| encoded(input.encoding_type.as_ref(), text);
        let count = page.rows.len() + page.common_prefixes.len();
        let contents = page.rows.into_iter().map(|row| object(row, &encode)).collect::<S3Result<Vec<_>>>()?;
        Ok(ListObjectsV2Output {
            name: Some(input.bucket.clone()),
            prefix: Some(encode(prefix.to_owned())),
            delimiter: input.delimiter.clone().map(encode),
            start_after: input.start_after.clone().map(encode),
            max_keys: Some(i32::try_from(most).unwrap_or(LARGEST_PAGE)),
            key_count: Some(i32::try_from(count).unwrap_or(LARGEST_PAGE)),
            continuation_token: input.continuation_token.clone(),
            is_truncated: Some(page.more.is_some()),
            next_continuation_token: page.more.as_ref().map(Cursor::to_token),
            contents: (!contents.is_empty()).then_some(contents),
            common_prefixes: common_prefixes(page.common_prefixes, &encode),
            encoding_type: input.encoding_type.clone(),
            ..ListObjectsV2Output::default()
        })
    }

    pub(super) fn list_versions(&self, input: &ListObjectVersionsInput) -> S3Result<ListObjectVersionsOutput> {
        let prefix = input.prefix.as_deref().unwrap_or_default();
        let most = page_size(input.max_keys)?;
        let walk = Walk { bucket: &input.bucket, prefix, delimiter: delimiter(&input.delimiter), history: true, most };
        let page = self.store.read(|connection| {
            buckets::existing(connection, &input.bucket)?;
            let start = walk.marker(connection, input.key_marker.as_deref(), input.version_id_marker.as_deref())?;
            walk.page(connection, start)
        })?;
        let encode = |text: String| encoded(input.encoding_type.as_ref(), text);
        let (next_key_marker, next_version_id_marker) = page.next_markers();
        let (markers, rows): (Vec<Version>, Vec<Version>) = page.rows.into_iter().partition(|row| row.marker);
        let versions = rows.into_iter().map(|row| version(row, &encode)).collect::<S3Result<Vec<_>>>()?;
        let delete_markers: Vec<_> = markers.into_iter().map(|row| delete_marker(row, &encode)).collect();
        Ok(ListObjectVersionsOutput {
            name: Some(input.bucket.clone()),
            prefix: Some(encode(prefix.to_owned())),
            delimiter: input.delimiter.clone().map(encode),
            key_marker: Some(encode(input.key_marker.clone().unwrap_or_default())),
            version_id_marker: Some(input.version_id_marker.clone().unwrap_or_default()),
            max_keys: Some(i32::try_from(most).unwrap_or(LARGEST_PAGE)),
            is_truncated: Some(page.more.is_some()),
            next_key_marker: next_key_marker.map(encode),
            next_version_id_marker,
            versions: (!versions.is_empty()).then_some(versions),
            delete_markers: (!delete_markers.is_empty()).then_some(delete_markers),
            common_prefixes: common_prefixes(page.common_prefixes, &encode),
            encoding_type: input.encoding_type.clone(),
            ..ListObjectVersionsOutput::default()
        })
    }

    pub(super) fn list_uploads(&self, input: &ListMultipartUploadsInput) -> S3Result<ListMultipartUploadsOutput> {
        if delimiter(&input.delimiter).is_some() {
            return Err(s3_error!(NotImplemented, "uploads can't be listed by delimiter in the embedded S3"));
        }
        let prefix = input.prefix.as_deref().unwrap_or_default();
        let most = page_size(input.max_uploads)?;
        let mut found = self.store.read(|connection| {
            buckets::existing(connection, &input.bucket)?;
            let marker = input.upload_id_marker.as_deref().filter(|_| input.key_marker.is_some());
            let sequence = marker.map(|id| uploads::sequence_of(connection, id)).transpose()?.flatten();
            let after = match &input.key_marker {
                Some(key) if key.as_bytes() >= prefix.as_bytes() => (key.as_bytes(), sequence.unwrap_or(i64::MAX)),
                _ => (prefix.as_bytes(), i64::MIN),
            };
            uploads::after(connection, &input.bucket, after, &past_prefix(prefix), most + 1)
        })?;
        let truncated = found.len() > most;
        found.truncate(most);
        let last = found.last().filter(|_| truncated).cloned();
        let encode = |text: String| encoded(input.encoding_type.as_ref(), text);
        let shown: Vec<_> = found
            .into_iter()
            .map(|upload| MultipartUpload {
                upload_id: Some(upload.id),
                key: Some(encode(upload.key)),
                initiated: Some(timestamp(upload.initiated_ms)),
                storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
                ..MultipartUpload::default()
            })
            .collect();
        Ok(ListMultipartUploadsOutput {
            bucket: Some(input.bucket.clone()),
            prefix: Some(encode(prefix.to_owned())),
            key_marker: input.key_marker.clone().map(encode),
            upload_id_marker: input.upload_id_marker.clone(),
            max_uploads: Some(i32::try_from(most).unwrap_or(LARGEST_PAGE)),
            is_truncated: Some(truncated),
            next_key_marker: last.clone().map(|upload| encode(upload.key)),
            next_upload_id_marker: last.map(|upload| upload.id),
            uploads: (!shown.is_empty()).then_some(shown),
            encoding_type: input.encoding_type.clone(),
            ..ListMultipartUploadsOutput::default()
        })
    }

    pub(super) fn list_parts(&self, input: &ListPartsInput) -> S3Result<ListPartsOutput> {
        let most = page_size(input.max_parts)?;
        let after = input.part_number_marker.unwrap_or(0);
        let (upload, mut parts) = self.store.read(|connection| {
            buckets::existing(connection, &input.bucket)?;
            let upload = uploads::existing(connection, &input.bucket, &input.key, &input.upload_id)?;
            let parts = uploads::parts(connection, &upload.id, after, most + 1)?;
            Ok((upload, parts))
        })?;
        let truncated = parts.len() > most;
        parts.truncate(most);
        let last = parts.last().map(|part| part.number).filter(|_| truncated);
        let shown = parts.into_iter().map(|part| {
            let mut shown = PartDto {
                part_number: Some(part.number),
                e_tag: Some(ETag::Strong(part.etag)),
                size: Some(length(part.size)?),
                last_modified: Some(timestamp(part.modified_ms)),
                ..PartDto::default()
            };
            set_checksums!(shown, part.checksum);
            Ok(shown)
        });
        let algorithm = || ChecksumAlgorithm::from_static(upload.plan.algorithm.name());
        Ok(ListPartsOutput {
            bucket: Some(input.bucket.clone()),
            key: Some(input.key.clone()),
            upload_id: Some(input.upload_id.clone()),
            part_number_marker: input.part_number_marker,
            max_parts: Some(i32::try_from(most).unwrap_or(LARGEST_PAGE)),
            is_truncated: Some(truncated),
            next_part_number_marker: last,
            parts: Some(shown.collect::<S3Result<_>>()?),
            checksum_algorithm: upload.plan.chosen.then(algorithm),
            ..ListPartsOutput::default()
        })
    }
}

fn page_size(asked: Option<i32>) -> S3Result<usize> {
    let size = asked.unwrap_or(LARGEST_PAGE).min(LARGEST_PAGE);
    usize::try_from(size).map_err(|_| s3_error!(InvalidArgument, "The page size must not be negative"))
}

/// An empty delimiter is none.
fn delimiter(given: &Option<String>) -> Option<&str> {
    given.as_deref().filter(|delimiter| !delimiter.is_empty())
}

/// With `encoding-type=url`, names are URL-encoded but for their slashes.
fn encoded(encoding: Option<&EncodingType>, text: String) -> String {
    if encoding.is_none_or(|encoding| encoding.as_str() != EncodingType::URL) {
        return text;
    }
    let segments = text.split('/').map(|segment| form_urlencoded::byte_serialize(segment.as_bytes()).collect());
    segments.collect::<Vec<String>>().join("/")
}

fn object(row: Version, encode: &impl Fn(String) -> String) -> S3Result<Object> {
    let checksum = row.body.checksum.as_ref();
    Ok(Object {
        key: Some(encode(row.key)),
        size: Some(length(row.body.size)?),
        last_modified: Some(timestamp(row.modified_ms)),
        checksum_algorithm: checksum.map(|sum| vec![ChecksumAlgorithm::from_static(sum.algorithm.name())]),
        checksum_type: checksum.map(super::checksums::Stored::kind),
        e_tag: Some(ETag::Strong(row.body.etag)),
        storage_class: Some(match row.body.attributes.storage_class {
            Some(class) => ObjectStorageClass::from(class),
            None => ObjectStorageClass::from_static(ObjectStorageClass::STANDARD),
        }),
        ..Object::default()
    })
}

fn version(row: Version, encode: &impl Fn(String) -> String) -> S3Result<ObjectVersion> {
    let checksum = row.body.checksum.as_ref();
    Ok(ObjectVersion {
        key: Some(encode(row.key)),
        version_id: Some(row.version_id),
        is_latest: Some(row.latest),
        size: Some(length(row.body.size)?),
        last_modified: Some(timestamp(row.modified_ms)),
        checksum_algorithm: checksum.map(|sum| vec![ChecksumAlgorithm::from_static(sum.algorithm.name())]),
        checksum_type: checksum.map(super::checksums::Stored::kind),
        e_tag: Some(ETag::Strong(row.body.etag)),
        storage_class: Some(ObjectVersionStorageClass::from_static(ObjectVersionStorageClass::STANDARD)),
        ..ObjectVersion::default()
    })
}

fn delete_marker(row: Version, encode: &impl Fn(String) -> String) -> DeleteMarkerEntry {
    DeleteMarkerEntry {
        key: Some(encode(row.key)),
        version_id: Some(row.version_id),
        is_latest: Some(row.latest),
        last_modified: Some(timestamp(row.modified_ms)),
        ..DeleteMarkerEntry::default()
    }
}

fn common_prefixes(prefixes: Vec<String>, encode: &impl Fn(String) -> String) -> Option<Vec<CommonPrefix>> {
    let shown = prefixes.into_iter().map(|prefix| CommonPrefix { prefix: Some(encode(prefix)) });
    (shown.len() > 0).then(|| shown.collect())
}
