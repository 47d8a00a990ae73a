//! Writes one object, in one request or in parts. Every request to the store takes a permit of its own.

use aws_sdk_s3::config::http::HttpRequest;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;

use super::Bucket;
use super::object::{Attributes, Contents};
use crate::error::{Treatment, WorkError};
use crate::patience::Patience;
use crate::permit::{Permits, WritePermit};
use crate::signed;

/// S3 User Guide, "Multipart upload limits".
const MOST_PARTS: u64 = 10_000;
const SMALLEST_PART: u64 = 5 << 20;

impl Bucket {
    /// Writes an object, reading its contents to the end.
    pub(super) async fn write(
        &self,
        relative: &str,
        attributes: &Attributes,
        contents: &mut Contents<'_>,
        permits: &Permits<'_>,
    ) -> Result<(), WorkError> {
        if contents.length > self.settings.multipart_threshold {
            return self.write_in_parts(relative, attributes, contents, permits).await;
        }
        let body = contents.take(usize::MAX, self).await?;
        let mut patience = Patience::new(self.settings.patience, contents.pulse);
        loop {
            let permit = permits.write().await?;
            match self.put(&permit, relative, attributes, body.clone()).await {
                Ok(()) => return Ok(()),
                Err(error) => {
                    permits.after(&error);
                    patience.wait(error).await?;
                }
            }
        }
    }

    async fn put(
        &self,
        permit: &WritePermit,
        relative: &str,
        attributes: &Attributes,
        body: Bytes,
    ) -> Result<(), WorkError> {
        let put = self.writes.put_object().bucket(&self.name).key(self.key(relative)).body(ByteStream::from(body));
        let put = put
            .set_content_type(attributes.content_type.clone())
            .set_cache_control(attributes.cache_control.clone())
            .set_content_disposition(attributes.content_disposition.clone())
            .set_content_encoding(attributes.content_encoding.clone())
            .set_content_language(attributes.content_language.clone())
            .set_metadata(Some(attributes.metadata.clone().into_iter().collect()))
            .set_tagging(attributes.tag_header());
        let put = put.customize().mutate_request(attributes.expires_header());
        let put = put.config_override(signed::s3(permit.read_at()));
        put.send().await.map_err(|error| self.site.failed("write an object to", error))?;
        Ok(())
    }

    async fn write_in_parts(
        &self,
        relative: &str,
        attributes: &Attributes,
        contents: &mut Contents<'_>,
        permits: &Permits<'_>,
    ) -> Result<(), WorkError> {
        let key = self.key(relative);
        let upload = self.begin_upload(&permits.write().await?, &key, attributes).await?;
        let written = self.upload_parts(&key, &upload, contents, permits).await;
        let Err(error) = written else { return Ok(()) };
        permits.after(&error);
        // Without a permit nothing may be touched any more: whoever holds the cell now aborts what is unfinished.
        match permits.write().await {
            Ok(permit) => {
                if let Err(error) = self.abort_upload(permit, &key, &upload).await {
                    tracing::debug!(%error, "an unfinished upload stays until the end of the pass");
                }
            }
            Err(refusal) if error.treatment != Treatment::LostLease => return Err(refusal),
            Err(_) => {}
        }
        Err(error)
    }

    async fn begin_upload(
        &self,
        permit: &WritePermit,
        key: &str,
        attributes: &Attributes,
    ) -> Result<String, WorkError> {
        let create = self.writes.create_multipart_upload().bucket(&self.name).key(key);
        let create = create
            .checksum_algorithm(ChecksumAlgorithm::Crc32)
            .set_content_type(attributes.content_type.clone())
            .set_cache_control(attributes.cache_control.clone())
            .set_content_disposition(attributes.content_disposition.clone())
            .set_content_encoding(attributes.content_encoding.clone())
            .set_content_language(attributes.content_language.clone())
            .set_metadata(Some(attributes.metadata.clone().into_iter().collect()))
            .set_tagging(attributes.tag_header());
        let create = create.customize().mutate_request(attributes.expires_header());
        let create = create.config_override(signed::s3(permit.read_at()));
        let created = create.send().await.map_err(|error| self.site.failed("begin an upload to", error))?;
        created.upload_id.ok_or_else(|| {
            WorkError::retryable("store_error", format!("{} began an upload without naming it", self.site))
        })
    }

    async fn upload_parts(
        &self,
        key: &str,
        upload: &str,
        contents: &mut Contents<'_>,
        permits: &Permits<'_>,
    ) -> Result<(), WorkError> {
        let part_size = self.settings.part_size.max(SMALLEST_PART).max(contents.length.div_ceil(MOST_PARTS));
        let part_size = usize::try_from(part_size).unwrap_or(usize::MAX);
        let mut parts = Vec::new();
        loop {
            let body = contents.take(part_size, self).await?;
            if body.is_empty() {
                break;
            }
            let number = i32::try_from(parts.len() + 1).expect("at most MOST_PARTS parts");
            let mut patience = Patience::new(self.settings.patience, contents.pulse);
            loop {
                let permit = permits.write().await?;
                match self.upload_part(&permit, key, upload, number, body.clone()).await {
                    Ok(part) => break parts.push(part),
                    Err(error) => {
                        permits.after(&error);
                        patience.wait(error).await?;
                    }
                }
            }
            contents.pulse.beat().await?;
        }
        self.complete_upload(&permits.write().await?, key, upload, parts).await
    }

    async fn upload_part(
        &self,
        permit: &WritePermit,
        key: &str,
        upload: &str,
        number: i32,
        body: Bytes,
    ) -> Result<CompletedPart, WorkError> {
        let request = self.writes.upload_part().bucket(&self.name).key(key).upload_id(upload).part_number(number);
        let request = request.checksum_algorithm(ChecksumAlgorithm::Crc32).body(ByteStream::from(body));
        let request = request.customize().config_override(signed::s3(permit.read_at()));
        let done = request.send().await.map_err(|error| self.site.failed("write a part of an object to", error))?;
        let part = CompletedPart::builder().part_number(number).set_e_tag(done.e_tag);
        Ok(part.set_checksum_crc32(done.checksum_crc32).build())
    }

    async fn complete_upload(
        &self,
        permit: &WritePermit,
        key: &str,
        upload: &str,
        parts: Vec<CompletedPart>,
    ) -> Result<(), WorkError> {
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let complete = self.writes.complete_multipart_upload().bucket(&self.name).key(key).upload_id(upload);
        let complete = complete.multipart_upload(parts).customize();
        let complete = complete.config_override(signed::s3(permit.read_at()));
        complete.send().await.map_err(|error| self.site.failed("complete an upload to", error))?;
        Ok(())
    }
}

impl Attributes {
    /// Tags as the header that carries them: a URL query.
    fn tag_header(&self) -> Option<String> {
        let pairs: Vec<_> = self.tags.iter().map(|(k, v)| format!("{}={}", url_encoded(k), url_encoded(v))).collect();
        (!pairs.is_empty()).then(|| pairs.join("&"))
    }

    /// The SDK writes `Expires` from a date only, but a store keeps whatever text it was given.
    fn expires_header(&self) -> impl Fn(&mut HttpRequest) + Send + Sync + 'static {
        let expires = self.expires.clone();
        move |request: &mut HttpRequest| {
            if let Some(expires) = &expires {
                request.headers_mut().insert("expires", expires.clone());
            }
        }
    }
}

fn url_encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(encode).collect()
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
