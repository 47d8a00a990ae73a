//! What really stands in the stores, read with the plain SDK and compared whole by the tests.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_s3::error::DisplayErrorContext;
use aws_sdk_s3::types::EncodingType;
use futures::{StreamExt, TryStreamExt, stream};
use percent_encoding::percent_decode_str;

use crate::Error;

/// A DynamoDB item.
pub type Item = HashMap<String, AttributeValue>;

/// The items of a table by their printable keys.
pub type Items = BTreeMap<String, Item>;

/// Reads in flight at a time.
const READERS: usize = 8;

/// What of an object must survive a move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedObject {
    /// BLAKE3 of the content, in hexadecimal.
    pub bytes_hash: String,
    /// The content's length in bytes.
    pub len: u64,
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `Cache-Control`.
    pub cache_control: Option<String>,
    /// `Content-Disposition`.
    pub content_disposition: Option<String>,
    /// `Content-Encoding`.
    pub content_encoding: Option<String>,
    /// `Content-Language`.
    pub content_language: Option<String>,
    /// `Expires`, as sent.
    pub expires: Option<String>,
    /// User metadata.
    pub metadata: BTreeMap<String, String>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
}

/// All items of a table, read consistently. The members of sets are sorted, since their order means nothing.
///
/// # Errors
/// The service's.
pub async fn table_items(client: &aws_sdk_dynamodb::Client, table: &str) -> Result<Items, Error> {
    let keys = key_names(client, table).await?;
    let mut pages = client.scan().table_name(table).consistent_read(true).into_paginator().send();
    let mut items = Items::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(Error::doing(format!("scan {table}")))?;
        for mut item in page.items.unwrap_or_default() {
            item.values_mut().for_each(sort_sets);
            items.insert(printable_key(&keys, &item), item);
        }
    }
    Ok(items)
}

/// The tenant's items of a table: those whose `index_key` attribute is `tenant#n`.
///
/// # Errors
/// The service's.
pub async fn tenant_items(
    client: &aws_sdk_dynamodb::Client,
    table: &str,
    index_key: &str,
    tenant: &str,
) -> Result<Items, Error> {
    let mut items = table_items(client, table).await?;
    items.retain(|_, item| match item.get(index_key) {
        Some(AttributeValue::S(value)) => crate::fixtures::belongs_to(tenant, value),
        _ => false,
    });
    Ok(items)
}

/// The latest version of each object below `prefix`, by key.
///
/// # Errors
/// The service's, also when an object vanishes between listing and reading.
pub async fn bucket_objects(
    client: &aws_sdk_s3::Client,
    bucket: &str,
    prefix: &str,
) -> Result<BTreeMap<String, ObservedObject>, Error> {
    let pages = client.list_objects_v2().bucket(bucket).prefix(prefix).encoding_type(EncodingType::Url);
    let mut pages = pages.into_paginator().send();
    let mut keys = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(Error::doing(format!("list {bucket}")))?;
        let encoding = page.encoding_type.clone();
        let listed = page.contents.unwrap_or_default().into_iter().filter_map(|object| object.key);
        keys.extend(listed.map(|key| decoded(key, encoding.as_ref())));
    }
    stream::iter(keys)
        .map(|key| async {
            let observed = observe(client, bucket, &key).await?;
            Ok::<_, Error>((key, observed))
        })
        .buffer_unordered(READERS)
        .try_collect()
        .await
}

/// Uploads below `prefix` that were neither completed nor aborted, as (key, upload id).
///
/// # Errors
/// The service's.
pub async fn unfinished_uploads(
    client: &aws_sdk_s3::Client,
    bucket: &str,
    prefix: &str,
) -> Result<Vec<(String, String)>, Error> {
    let mut uploads = Vec::new();
    let (mut key_marker, mut id_marker) = (None, None);
    loop {
        let page = client.list_multipart_uploads().bucket(bucket).prefix(prefix).encoding_type(EncodingType::Url);
        let page = page.set_key_marker(key_marker).set_upload_id_marker(id_marker).send().await;
        let page = page.map_err(Error::doing(format!("list the uploads of {bucket}")))?;
        for upload in page.uploads.clone().unwrap_or_default() {
            let key = decoded(upload.key.unwrap_or_default(), page.encoding_type.as_ref());
            uploads.push((key, upload.upload_id.unwrap_or_default()));
        }
        if page.is_truncated != Some(true) {
            break;
        }
        let next = page.next_key_marker.map(|key| decoded(key, page.encoding_type.as_ref()));
        (key_marker, id_marker) = (next, page.next_upload_id_marker);
    }
    Ok(uploads)
}

/// A key as it is. Some can't be written in XML, so that they are asked for URL-encoded; a store that does not do that says so.
fn decoded(key: String, encoding: Option<&EncodingType>) -> String {
    match encoding {
        Some(EncodingType::Url) => percent_decode_str(&key.replace('+', " ")).decode_utf8_lossy().into_owned(),
        _ => key,
    }
}

async fn observe(client: &aws_sdk_s3::Client, bucket: &str, key: &str) -> Result<ObservedObject, Error> {
    let got = client.get_object().bucket(bucket).key(key).send().await;
    let mut got = got.map_err(|error| Error::plain(format!("get {key:?}: {}", DisplayErrorContext(&error))))?;
    let mut hasher = blake3::Hasher::new();
    let mut len = 0;
    while let Some(piece) = got.body.next().await {
        let piece = piece.map_err(Error::doing(format!("read {key:?}")))?;
        hasher.update(&piece);
        len += piece.len() as u64;
    }
    let tagging = client.get_object_tagging().bucket(bucket).key(key).send().await;
    let tagging = tagging.map_err(|error| Error::plain(format!("tags of {key:?}: {}", DisplayErrorContext(&error))))?;
    Ok(ObservedObject {
        bytes_hash: hasher.finalize().to_hex().to_string(),
        len,
        content_type: got.content_type,
        cache_control: got.cache_control,
        content_disposition: got.content_disposition,
        content_encoding: got.content_encoding,
        content_language: got.content_language,
        expires: got.expires_string,
        metadata: got.metadata.unwrap_or_default().into_iter().collect(),
        tags: tagging.tag_set.into_iter().map(|tag| (tag.key, tag.value)).collect(),
    })
}

async fn key_names(client: &aws_sdk_dynamodb::Client, table: &str) -> Result<Vec<String>, Error> {
    let answer = client.describe_table().table_name(table).send().await;
    let answer = answer.map_err(Error::doing(format!("describe {table}")))?;
    let schema = answer.table.and_then(|table| table.key_schema).unwrap_or_default();
    Ok(schema.into_iter().map(|element| element.attribute_name).collect())
}

fn printable_key(names: &[String], item: &Item) -> String {
    let parts = names.iter().map(|name| format!("{name}={:?}", item.get(name)));
    parts.collect::<Vec<_>>().join(" ").replace("Some(", "(")
}

fn sort_sets(value: &mut AttributeValue) {
    match value {
        AttributeValue::Ss(members) | AttributeValue::Ns(members) => members.sort(),
        AttributeValue::Bs(members) => members.sort_by(|left, right| left.as_ref().cmp(right.as_ref())),
        AttributeValue::L(members) => members.iter_mut().for_each(sort_sets),
        AttributeValue::M(members) => members.values_mut().for_each(sort_sets),
        _ => {}
    }
}
