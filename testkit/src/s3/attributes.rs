//! What an object carries besides its bytes: headers, metadata and tags, in the form they are stored in.

use std::collections::{BTreeMap, BTreeSet};

use s3s::dto::{Tag, Timestamp, TimestampFormat};
use s3s::{S3Error, S3Result, s3_error};
use serde::{Deserialize, Serialize};

/// Headers and metadata of an object, as the client gave them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Attributes {
    pub(super) content_type: Option<String>,
    pub(super) cache_control: Option<String>,
    pub(super) content_disposition: Option<String>,
    pub(super) content_encoding: Option<String>,
    pub(super) content_language: Option<String>,
    /// As an HTTP date.
    pub(super) expires: Option<String>,
    pub(super) storage_class: Option<String>,
    pub(super) metadata: BTreeMap<String, String>,
}

/// Tags in the order the client gave them.
pub(super) type Tags = Vec<(String, String)>;

/// S3 gives this to what came without a type (S3 API Reference, PutObject).
pub(super) const DEFAULT_CONTENT_TYPE: &str = "binary/octet-stream";

/// User metadata may take 2 KB, keys and values together (S3 User Guide, "Working with object metadata").
const MOST_METADATA_BYTES: usize = 2048;

impl Attributes {
    /// Refuses metadata larger than S3 takes.
    pub(super) fn checked(self) -> S3Result<Self> {
        let bytes: usize = self.metadata.iter().map(|(key, value)| key.len() + value.len()).sum();
        if bytes > MOST_METADATA_BYTES {
            return Err(s3_error!(MetadataTooLarge));
        }
        Ok(self)
    }
}

/// The attributes in an upload's or a copy's input. Refuses what the embedded S3 would lose silently.
macro_rules! attributes_of {
    ($input:expr) => {{
        if $input.object_lock_mode.is_some()
            || $input.object_lock_legal_hold_status.is_some()
            || $input.sse_customer_algorithm.is_some()
            || $input.website_redirect_location.is_some()
        {
            return Err(s3s::s3_error!(
                NotImplemented,
                "object locks, customer keys and redirects are not part of the embedded S3"
            ));
        }
        $crate::s3::attributes::Attributes {
            content_type: $input.content_type.clone(),
            cache_control: $input.cache_control.clone(),
            content_disposition: $input.content_disposition.clone(),
            content_encoding: $input.content_encoding.as_deref().and_then($crate::s3::attributes::without_chunking),
            content_language: $input.content_language.clone(),
            expires: $input.expires.as_ref().map($crate::s3::attributes::http_date).transpose()?,
            storage_class: $input.storage_class.as_ref().map(|class| class.as_str().to_owned()),
            metadata: $input.metadata.clone().unwrap_or_default().into_iter().collect(),
        }
        .checked()?
    }};
}

/// Sets the header fields that GetObject and HeadObject share.
macro_rules! show_attributes {
    ($output:expr, $attributes:expr) => {{
        let attributes: $crate::s3::attributes::Attributes = $attributes;
        let default_type = || $crate::s3::attributes::DEFAULT_CONTENT_TYPE.to_owned();
        $output.content_type = Some(attributes.content_type.unwrap_or_else(default_type));
        $output.cache_control = attributes.cache_control;
        $output.content_disposition = attributes.content_disposition;
        $output.content_encoding = attributes.content_encoding;
        $output.content_language = attributes.content_language;
        $output.expires = attributes.expires.as_deref().map($crate::s3::attributes::from_http_date).transpose()?;
        $output.storage_class = attributes.storage_class.map(s3s::dto::StorageClass::from);
        $output.metadata = Some(attributes.metadata.into_iter().collect());
    }};
}

pub(super) use {attributes_of, show_attributes};

/// `aws-chunked` describes the transfer, not the object: S3 leaves it out of what it stores.
pub(super) fn without_chunking(encoding: &str) -> Option<String> {
    let kept: Vec<&str> = encoding.split(',').map(str::trim).filter(|one| *one != "aws-chunked").collect();
    let kept = kept.join(",");
    (!kept.is_empty()).then_some(kept)
}

pub(super) fn http_date(time: &Timestamp) -> S3Result<String> {
    let mut text = Vec::new();
    time.format(TimestampFormat::HttpDate, &mut text).map_err(S3Error::internal_error)?;
    String::from_utf8(text).map_err(S3Error::internal_error)
}

pub(super) fn from_http_date(text: &str) -> S3Result<Timestamp> {
    Timestamp::parse(TimestampFormat::HttpDate, text).map_err(S3Error::internal_error)
}

/// The `x-amz-tagging` header: `key=value&…`, URL-encoded.
pub(super) fn tags_of_header(header: Option<&str>) -> S3Result<Tags> {
    let pairs = form_urlencoded::parse(header.unwrap_or_default().as_bytes());
    checked_tags(pairs.map(|(key, value)| (key.into_owned(), value.into_owned())).collect())
}

/// The tags of a tagging document.
pub(super) fn tags_of_set(set: &[Tag]) -> S3Result<Tags> {
    let pairs = set.iter().map(|tag| match (&tag.key, &tag.value) {
        (Some(key), Some(value)) => Ok((key.clone(), value.clone())),
        _ => Err(s3_error!(MalformedXML)),
    });
    checked_tags(pairs.collect::<S3Result<_>>()?)
}

/// Tags as a tagging document.
pub(super) fn tag_set(tags: Tags) -> Vec<Tag> {
    tags.into_iter().map(|(key, value)| Tag { key: Some(key), value: Some(value) }).collect()
}

/// The limits of the S3 User Guide, "Categorizing your storage using tags": 10 tags, keys unique and of 1 to 128
/// characters, values of up to 256.
fn checked_tags(tags: Tags) -> S3Result<Tags> {
    let keys: BTreeSet<&str> = tags.iter().map(|(key, _)| key.as_str()).collect();
    let sizes =
        tags.iter().all(|(key, value)| (1..=128).contains(&key.chars().count()) && value.chars().count() <= 256);
    if tags.len() > 10 || keys.len() != tags.len() || !sizes {
        return Err(s3_error!(InvalidTag));
    }
    Ok(tags)
}
