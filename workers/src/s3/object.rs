//! One object: what is read of it, and its canonical form for the digest.

use std::collections::BTreeMap;

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use bytes::{Bytes, BytesMut};

use super::Bucket;
use crate::digest::Digest;
use crate::error::WorkError;
use crate::progress::Tally;
use crate::pulse::Pulse;

/// What belongs to an object besides its contents.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Attributes {
    pub(super) content_type: Option<String>,
    pub(super) cache_control: Option<String>,
    pub(super) content_disposition: Option<String>,
    pub(super) content_encoding: Option<String>,
    pub(super) content_language: Option<String>,
    /// As the store gives it: it need not be a date.
    pub(super) expires: Option<String>,
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) tags: BTreeMap<String, String>,
}

/// An object whose contents are being read.
pub(super) struct Opened<'a> {
    pub(super) attributes: Attributes,
    pub(super) contents: Contents<'a>,
}

/// Contents on their way, hashed as they pass. Each arrival is a sign of life.
pub(super) struct Contents<'a> {
    body: ByteStream,
    /// Bytes read beyond what was asked for.
    spare: Bytes,
    hasher: blake3::Hasher,
    /// Bytes the store promised.
    pub(super) length: u64,
    seen: u64,
    pub(super) pulse: &'a Pulse<'a>,
}

impl Bucket {
    /// Begins to read an object. `None` when there is none under this key (any more).
    pub(super) async fn read<'a>(&self, relative: &str, pulse: &'a Pulse<'a>) -> Result<Option<Opened<'a>>, WorkError> {
        let key = self.key(relative);
        let (object, tags) = tokio::join!(
            self.reads.get_object().bucket(&self.name).key(&key).send(),
            // Always asked for: the count of tags in the answer above is also missing when we may not read tags, and they
            // must not get lost unseen.
            self.reads.get_object_tagging().bucket(&self.name).key(&key).send(),
        );
        let object = match object {
            Err(error) if error.code() == Some("NoSuchKey") => return Ok(None),
            Err(error) if error.code() == Some("InvalidObjectState") => return Err(self.archived(error)),
            other => other.map_err(|error| self.site.failed("read an object of", error))?,
        };
        let tags = match tags {
            Err(error) if error.code() == Some("NoSuchKey") => return Ok(None),
            other => {
                other.map_err(|error| self.site.failed("read an object's tags (s3:GetObjectTagging) in", error))?
            }
        };
        let tags = tags.tag_set.into_iter().map(|tag| (tag.key, tag.value)).collect();
        Ok(Some(opened(object, tags, pulse)))
    }

    fn archived(&self, error: impl std::error::Error + Send + Sync + 'static) -> WorkError {
        let message = format!("{} has archived objects of the tenant: restore them before moving it", self.site);
        WorkError::permanent("object_archived", message).because(error)
    }
}

fn opened<'a>(object: GetObjectOutput, tags: BTreeMap<String, String>, pulse: &'a Pulse<'a>) -> Opened<'a> {
    let attributes = Attributes {
        content_type: object.content_type,
        cache_control: object.cache_control,
        content_disposition: object.content_disposition,
        content_encoding: object.content_encoding,
        content_language: object.content_language,
        expires: object.expires_string,
        metadata: object.metadata.unwrap_or_default().into_iter().collect(),
        tags,
    };
    let length = object.content_length.and_then(|length| u64::try_from(length).ok()).unwrap_or_default();
    let (spare, hasher) = (Bytes::new(), blake3::Hasher::new());
    let contents = Contents { body: object.body, spare, hasher, length, seen: 0, pulse };
    Opened { attributes, contents }
}

impl Contents<'_> {
    /// The next `size` bytes, or fewer at the end.
    pub(super) async fn take(&mut self, size: usize, bucket: &Bucket) -> Result<Bytes, WorkError> {
        let mut out = BytesMut::with_capacity(size.min(usize::try_from(self.length - self.seen).unwrap_or(size)));
        while out.len() < size {
            let Some(mut chunk) = self.next(bucket).await? else { break };
            self.spare = chunk.split_off(chunk.len().min(size - out.len()));
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
        if !self.spare.is_empty() {
            return Ok(Some(std::mem::take(&mut self.spare)));
        }
        let chunk = self.body.next().await;
        self.pulse.beat().await?;
        let Some(chunk) = chunk else {
            return if self.seen == self.length { Ok(None) } else { Err(cut_short(bucket)) };
        };
        let chunk = chunk.map_err(|error| cut_short(bucket).because(error))?;
        self.seen += chunk.len() as u64;
        self.hasher.update(&chunk);
        if self.seen > self.length { Err(cut_short(bucket)) } else { Ok(Some(chunk)) }
    }

    /// The tally of the whole object; its contents have been read to the end.
    pub(super) fn tally(&self, relative: &str, attributes: &Attributes) -> Tally {
        let form = canonical(relative, self.length, self.hasher.finalize().as_bytes(), attributes);
        Tally { items: 0, objects: 1, bytes: self.length, digest: Digest::of(&form) }
    }
}

fn cut_short(bucket: &Bucket) -> WorkError {
    WorkError::retryable("store_error", format!("the contents of an object of {} did not arrive whole", bucket.site))
}

/// Everything of variable length is preceded by its length or count, so that the form is injective.
fn canonical(relative: &str, length: u64, contents: &[u8], attributes: &Attributes) -> Vec<u8> {
    fn text(text: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(&(text.len() as u64).to_le_bytes());
        out.extend_from_slice(text.as_bytes());
    }
    let mut out = Vec::new();
    text(relative, &mut out);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(contents);
    let Attributes { content_type, cache_control, content_disposition, content_encoding, content_language, .. } =
        attributes;
    for header in
        [content_type, cache_control, content_disposition, content_encoding, content_language, &attributes.expires]
    {
        out.push(u8::from(header.is_some()));
        text(header.as_deref().unwrap_or_default(), &mut out);
    }
    for map in [&attributes.metadata, &attributes.tags] {
        out.extend_from_slice(&(map.len() as u64).to_le_bytes());
        for (name, value) in map {
            text(name, &mut out);
            text(value, &mut out);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn whatever_belongs_to_an_object_shows() {
        let some = |text: &str| Some(text.to_owned());
        let map = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
        let none = Attributes::default();
        let variants = [
            none.clone(),
            Attributes { content_type: some(""), ..none.clone() },
            Attributes { content_type: some("x"), ..none.clone() },
            Attributes { cache_control: some("x"), ..none.clone() },
            Attributes { content_disposition: some("x"), ..none.clone() },
            Attributes { content_encoding: some("x"), ..none.clone() },
            Attributes { content_language: some("x"), ..none.clone() },
            Attributes { expires: some("x"), ..none.clone() },
            Attributes { metadata: map("x", ""), ..none.clone() },
            Attributes { metadata: map("", "x"), ..none.clone() },
            Attributes { tags: map("x", ""), ..none.clone() },
            Attributes { tags: map("", "x"), ..none.clone() },
        ];
        let contents = *blake3::hash(b"").as_bytes();
        let mut forms: HashSet<_> = variants.iter().map(|a| canonical("key", 0, &contents, a)).collect();
        forms.insert(canonical("kez", 0, &contents, &none));
        forms.insert(canonical("key", 1, &contents, &none));
        forms.insert(canonical("key", 0, blake3::hash(b"x").as_bytes(), &none));
        assert_eq!(forms.len(), variants.len() + 3);
    }
}
