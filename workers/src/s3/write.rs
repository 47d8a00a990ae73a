//! Requests that write: an object in one piece, an upload and its parts, and the same copied by the store itself. Each takes a
//! permit and is tried once.

use aws_sdk_s3::config::http::HttpRequest;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart, MetadataDirective, TaggingDirective,
};
use bytes::Bytes;

use super::Bucket;
use super::encoding::url_encoded;
use super::object::{Attributes, Head};
use crate::error::WorkError;
use crate::failure::UNREADABLE;
use crate::ledger_permit::WritePermit;
use crate::request_timestamp;
use crate::s3::copy_strategy::Source;

/// Everything that belongs to an object besides its contents, in a request that has room for it.
macro_rules! carrying {
    ($request:expr, $attributes:expr, $permit:expr) => {{
        let attributes: &Attributes = $attributes;
        let request = $request
            .set_content_type(attributes.content_type.clone())
            .set_cache_control(attributes.cache_control.clone())
            .set_content_disposition(attributes.content_disposition.clone())
            .set_content_encoding(attributes.content_encoding.clone())
            .set_content_language(attributes.content_language.clone())
            .set_metadata(Some(attributes.metadata.clone().into_iter().collect()))
            .set_tagging(attributes.tag_header());
        let request = request.customize().mutate_request(attributes.expires_header());
        request.config_override(request_timestamp::s3($permit.read_at()))
    }};
}

/// A part that the store has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stored {
    /// From 1 on, as the store counts.
    pub(super) number: i32,
    pub(super) etag: Option<String>,
    pub(super) crc32: Option<String>,
}

impl Bucket {
    pub(super) async fn put(
        &self,
        permit: &WritePermit,
        relative: &str,
        attributes: &Attributes,
        body: Bytes,
    ) -> Result<(), WorkError> {
        let put = self.writes.put_object().bucket(&self.name).key(self.key(relative)).body(ByteStream::from(body));
        let put = carrying!(put, attributes, permit);
        put.send().await.map(drop).map_err(|error| self.site.failed("write an object to", error))
    }

    /// The store copies the object that `head` describes by itself.
    pub(super) async fn copy_object(
        &self,
        permit: &WritePermit,
        relative: &str,
        source: &Source<'_>,
        head: &Head,
    ) -> Result<(), WorkError> {
        let copy = self.writes.copy_object().bucket(&self.name).key(self.key(relative));
        let copy = copy.copy_source(source.header(relative)).copy_source_if_match(&head.stamp.etag);
        // Replaced by what was read and is digested: the store may otherwise copy what has come in between.
        let copy = copy.metadata_directive(MetadataDirective::Replace).tagging_directive(TaggingDirective::Replace);
        let copied = carrying!(copy, &head.attributes, permit).send().await;
        let copied = copied.map_err(|error| source.failed(self, error))?;
        copied.copy_object_result.map(drop).ok_or_else(|| self.said_nothing("copied an object"))
    }

    /// Begins an upload and returns its id. The answer names the key, which it can't if that has characters that XML has not: then the
    /// upload is looked up.
    pub(super) async fn begin_upload(
        &self,
        permit: &WritePermit,
        relative: &str,
        attributes: &Attributes,
    ) -> Result<String, WorkError> {
        let create = self.writes.create_multipart_upload().bucket(&self.name).key(self.key(relative));
        let create = carrying!(create.checksum_algorithm(ChecksumAlgorithm::Crc32), attributes, permit);
        let id = match create.send().await.map_err(|error| self.site.failed("begin an upload to", error)) {
            Err(error) if error.code == UNREADABLE => self.upload_to(relative).await?.ok_or(error)?,
            created => created?.upload_id.ok_or_else(|| self.said_nothing("began an upload"))?,
        };
        Ok(id)
    }

    pub(super) async fn upload_part(
        &self,
        permit: &WritePermit,
        (relative, upload): (&str, &str),
        number: i32,
        body: Bytes,
    ) -> Result<Stored, WorkError> {
        let request = self.writes.upload_part().bucket(&self.name).key(self.key(relative)).upload_id(upload);
        let request = request.part_number(number).checksum_algorithm(ChecksumAlgorithm::Crc32);
        let request = request.body(ByteStream::from(body)).customize();
        match request.config_override(request_timestamp::s3(permit.read_at())).send().await {
            Err(error) if error.code() == Some("NoSuchUpload") => Err(self.changed()),
            Err(error) => Err(self.site.failed("write a part of an object to", error)),
            Ok(done) => Ok(Stored { number, etag: done.e_tag, crc32: done.checksum_crc32 }),
        }
    }

    /// The store copies a range of the object that `head` describes by itself.
    pub(super) async fn copy_part(
        &self,
        permit: &WritePermit,
        (relative, upload): (&str, &str),
        number: i32,
        source: &Source<'_>,
        (head, range): (&Head, &std::ops::Range<u64>),
    ) -> Result<Stored, WorkError> {
        let request = self.writes.upload_part_copy().bucket(&self.name).key(self.key(relative)).upload_id(upload);
        let request = request.part_number(number).copy_source(source.header(relative));
        let request = request.copy_source_if_match(&head.stamp.etag);
        let request = request.copy_source_range(format!("bytes={}-{}", range.start, range.end - 1)).customize();
        let copied = match request.config_override(request_timestamp::s3(permit.read_at())).send().await {
            Err(error) if error.code() == Some("NoSuchUpload") => return Err(self.changed()),
            other => other.map_err(|error| source.failed(self, error))?,
        };
        let part = copied.copy_part_result.ok_or_else(|| self.said_nothing("copied a part of an object"))?;
        Ok(Stored { number, etag: part.e_tag, crc32: part.checksum_crc32 })
    }

    /// Makes an object of the parts. An upload that is gone may have become it, by a request that got no answer; and so may one whose
    /// answer can't be read, because it names the key.
    pub(super) async fn complete_upload(
        &self,
        permit: &WritePermit,
        (relative, upload): (&str, &str),
        length: u64,
        parts: &[Stored],
    ) -> Result<(), WorkError> {
        let named = parts.iter().map(|part| {
            let named = CompletedPart::builder().part_number(part.number).set_e_tag(part.etag.clone());
            named.set_checksum_crc32(part.crc32.clone()).build()
        });
        let list = CompletedMultipartUpload::builder().set_parts(Some(named.collect())).build();
        let complete = self.writes.complete_multipart_upload().bucket(&self.name).key(self.key(relative));
        let complete = complete.upload_id(upload).multipart_upload(list).customize();
        match complete.config_override(request_timestamp::s3(permit.read_at())).send().await {
            Err(error) if error.code() == Some("NoSuchUpload") => {
                if self.was_completed(relative, length, parts.len()).await? { Ok(()) } else { Err(self.changed()) }
            }
            Err(error) => {
                let failed = self.site.failed("complete an upload to", error);
                let done = failed.code == UNREADABLE && self.was_completed(relative, length, parts.len()).await?;
                if done { Ok(()) } else { Err(failed) }
            }
            Ok(_) => Ok(()),
        }
    }

    /// Whether there is an object of this length made of so many parts. Whether its contents are right, verification says.
    async fn was_completed(&self, relative: &str, length: u64, parts: usize) -> Result<bool, WorkError> {
        let Some(found) = self.head(relative).await? else { return Ok(false) };
        let of_parts = found.e_tag().is_some_and(|etag| etag.trim_matches('"').ends_with(&format!("-{parts}")));
        Ok(of_parts && found.content_length().and_then(|found| u64::try_from(found).ok()) == Some(length))
    }

    fn said_nothing(&self, what: &str) -> WorkError {
        WorkError::retryable("store_error", format!("{} {what} without naming it", self.site))
    }
}

impl Attributes {
    /// Tags as the header that carries them: a URL query.
    pub(super) fn tag_header(&self) -> Option<String> {
        let pairs: Vec<_> = self.tags.iter().map(|(k, v)| format!("{}={}", url_encoded(k), url_encoded(v))).collect();
        (!pairs.is_empty()).then(|| pairs.join("&"))
    }

    /// The SDK writes `Expires` from a date only, but a store keeps whatever text it was given.
    pub(super) fn expires_header(&self) -> impl Fn(&mut HttpRequest) + Send + Sync + 'static {
        let expires = self.expires.clone();
        move |request: &mut HttpRequest| {
            if let Some(expires) = &expires {
                request.headers_mut().insert("expires", expires.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_become_a_query() {
        let tags = [("a b".to_owned(), "1&2=3+ü".to_owned()), ("x".to_owned(), String::new())];
        let attributes = Attributes { tags: tags.into(), ..Attributes::default() };
        assert_eq!(attributes.tag_header().as_deref(), Some("a%20b=1%262%3D3%2B%C3%BC&x="));
        assert_eq!(Attributes::default().tag_header(), None);
    }
}
