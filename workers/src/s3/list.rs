//! Lists the objects under the prefix, page by page, in the order of their keys' bytes.

use std::borrow::Cow;

use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::EncodingType;
use futures::stream::{self, Stream, TryStreamExt};

use super::Bucket;
use crate::error::WorkError;

/// An object as a listing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Relative to the prefix.
    pub(super) key: String,
    pub(super) version: Stamp,
}

/// What changes whenever an object is written: its size, its ETag and, in whole seconds, when that was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) size: u64,
    /// As the store gives it, with its quotes.
    pub(super) etag: String,
    pub(super) modified: Option<i64>,
}

impl Bucket {
    /// The objects of this share after `after`, which is relative to the prefix.
    pub(super) fn objects(&self, after: Option<String>) -> impl Stream<Item = Result<Entry, WorkError>> + Send + '_ {
        let after = after.or_else(|| self.share.after().map(str::to_owned));
        let first = Some((after.map(|relative| self.key(&relative)), None));
        let pages = stream::try_unfold(first, move |next: Option<(Option<String>, Option<String>)>| async move {
            let Some((after, token)) = next else { return Ok(None) };
            let (entries, following) = self.page(after, token).await?;
            Ok::<_, WorkError>(Some((entries, following.map(|token| (None, Some(token))))))
        });
        pages.map_ok(|entries| stream::iter(entries.into_iter().map(Ok))).try_flatten()
    }

    async fn page(
        &self,
        after: Option<String>,
        token: Option<String>,
    ) -> Result<(Vec<Entry>, Option<String>), WorkError> {
        let list =
            self.reads.list_objects_v2().bucket(&self.name).prefix(&self.prefix).encoding_type(EncodingType::Url);
        let list = list.set_start_after(after).set_continuation_token(token.clone());
        let page = list.send().await.map_err(|error| self.site.failed("list objects of", error))?;
        let mut entries = Vec::new();
        for object in page.contents() {
            let key = self.decode(object.key().unwrap_or_default(), page.encoding_type.as_ref())?;
            // Belt and braces: what is not under the prefix is not the tenant's.
            let Some(relative) = key.strip_prefix(&self.prefix) else { continue };
            if self.share.is_past(relative) {
                return Ok((entries, None));
            }
            if !self.share.holds(relative) {
                continue;
            }
            let version = Stamp {
                size: object.size().and_then(|size| u64::try_from(size).ok()).unwrap_or_default(),
                etag: object.e_tag().unwrap_or_default().to_owned(),
                modified: object.last_modified().map(DateTime::secs),
            };
            entries.push(Entry { key: relative.to_owned(), version });
        }
        let following = if page.is_truncated == Some(true) { page.next_continuation_token } else { None };
        if following.is_some() && following == token {
            let message = format!("{} keeps answering a listing with the same page", self.site);
            return Err(WorkError::retryable("store_error", message));
        }
        Ok((entries, following))
    }

    /// Keys are asked for URL-encoded, because XML has no way to write some characters. A store may ignore that, and says so.
    pub(super) fn decode<'k>(&self, key: &'k str, encoding: Option<&EncodingType>) -> Result<Cow<'k, str>, WorkError> {
        if encoding != Some(&EncodingType::Url) {
            return Ok(Cow::Borrowed(key));
        }
        let decoded = url_decoded(key).map(Cow::Owned);
        decoded.ok_or_else(|| {
            WorkError::permanent("item_invalid", format!("{} lists a key that is not URL-encoded UTF-8", self.site))
        })
    }
}

/// `%XX` and `+` for a space, as S3 encodes keys in listings.
fn url_decoded(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let (high, low) = (char::from(bytes.next()?), char::from(bytes.next()?));
                u8::try_from(high.to_digit(16)? << 4 | low.to_digit(16)?).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_in_listings_decode() {
        assert_eq!(url_decoded("a%2Bb+c%25/%C3%BC").as_deref(), Some("a+b c%/ü"));
        assert_eq!(url_decoded("%C3"), None);
        assert_eq!(url_decoded("%4"), None);
        assert_eq!(url_decoded("%zz"), None);
    }
}
