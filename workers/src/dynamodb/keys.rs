//! Reads a part's keys from the index, page by page, and keeps a place in them for checkpoints.

use std::collections::HashSet;

use futures::stream::{self, Stream, StreamExt, TryStreamExt};
use serde_json::{Map, Value, json};

use super::{Item, Part, Table, canonical, size};
use crate::bounded_retry::BoundedRetry;
use crate::checkpointed_pass::Listed;
use crate::digest::Digest;
use crate::error::WorkError;
use crate::heartbeat::Heartbeat;
use crate::tables::{AttributeValue, Blob, Page, Query};

/// BatchGetItem takes at most this many keys (DynamoDB API Reference, "BatchGetItem").
const MOST_KEYS: usize = 100;

/// Some keys that the index lists. They may be stale.
#[derive(Default)]
pub(super) struct Chunk {
    pub(super) keys: Vec<Item>,
    /// Their count and digest.
    pub(super) listed: Listed,
    /// Set on the last chunk of each page but the last: where the query goes on. Empty pages carry one as well.
    pub(super) resume_at: Option<Item>,
}

impl Table {
    /// The part's keys from `start` on, in chunks that one BatchGetItem can take.
    pub(super) fn chunks<'a>(
        &'a self,
        part: &'a Part,
        start: Option<Item>,
        heartbeat: &'a Heartbeat<'a>,
    ) -> impl Stream<Item = Result<Chunk, WorkError>> + Send + 'a {
        let pages = stream::try_unfold(Some(start), move |next| async move {
            let Some(start) = next else { return Ok(None) };
            let (entries, last) = self.page(part, start, heartbeat).await?;
            let chunks = self.split(entries, last.clone())?;
            // `Some(last)` asks for the next page; a page without a last key was the final one.
            Ok::<_, WorkError>(Some((chunks, last.map(Some))))
        });
        pages.map_ok(|chunks| stream::iter(chunks).map(Ok)).try_flatten()
    }

    async fn page(
        &self,
        part: &Part,
        start: Option<Item>,
        heartbeat: &Heartbeat<'_>,
    ) -> Result<(Vec<Item>, Option<Item>), WorkError> {
        let query = Query {
            value: part.value(),
            attributes: &self.index_attributes,
            start: start.clone(),
            limit: self.settings.page_keys,
        };
        let mut retry = BoundedRetry::new(self.settings.attempts, heartbeat);
        let Page { entries, last } = loop {
            let units = self.sizes.page();
            let sent = self.pacers.index.turn(units, heartbeat).await?;
            match self.api.query(query.clone()).await {
                Ok(page) => {
                    self.pacers.index.accepted(units);
                    let took = size::query_units(&page.entries);
                    self.pacers.index.took_more(took.saturating_sub(units));
                    self.sizes.saw_page(took);
                    break page;
                }
                Err(why) if why.code == "throttled" => {
                    self.pacers.index.throttled(0, units, sent);
                    retry.again(why).await?;
                }
                Err(why) => retry.wait(why).await?,
            }
        };
        heartbeat.beat().await?;
        if last.is_some() && last == start {
            let message = format!("{} keeps answering an index query with the same page", self.site);
            return Err(WorkError::retryable("store_error", message));
        }
        Ok((entries, last))
    }

    fn split(&self, entries: Vec<Item>, last: Option<Item>) -> Result<Vec<Chunk>, WorkError> {
        let mut chunks: Vec<Chunk> = Vec::with_capacity(entries.len().div_ceil(MOST_KEYS));
        let mut seen = HashSet::with_capacity(entries.len());
        let mut bytes = Vec::new();
        for entry in entries {
            let key = self.only_key(entry)?;
            bytes.clear();
            canonical::item(&key, &mut bytes)?;
            let hash = blake3::hash(&bytes);
            // An index that is catching up can list a key twice; BatchGetItem refuses doubled keys.
            if !seen.insert(*hash.as_bytes()) {
                continue;
            }
            if chunks.last().is_none_or(|chunk| chunk.keys.len() == MOST_KEYS) {
                chunks.push(Chunk::default());
            }
            let chunk = chunks.last_mut().expect("one was pushed if there was none");
            chunk.listed.merge(&Listed { keys: 1, digest: Digest::from_hash(&hash) });
            chunk.keys.push(key);
        }
        if chunks.is_empty() && last.is_some() {
            chunks.push(Chunk::default());
        }
        if let Some(chunk) = chunks.last_mut() {
            chunk.resume_at = last;
        }
        Ok(chunks)
    }
}

/// The stored form of a place in the index, in DynamoDB's own JSON. Key attributes are strings, numbers or binary.
pub(super) fn to_json(key: &Item) -> Result<Value, WorkError> {
    let mut object = Map::new();
    for (name, value) in key {
        let value = match value {
            AttributeValue::S(text) => json!({ "S": text }),
            AttributeValue::N(number) => json!({ "N": number }),
            AttributeValue::B(blob) => json!({ "B": aws_smithy_types::base64::encode(blob) }),
            _ => return Err(WorkError::permanent("item_invalid", format!("key attribute `{name}` has no key type"))),
        };
        object.insert(name.clone(), value);
    }
    Ok(Value::Object(object))
}

/// Reads what [`to_json`] wrote.
pub(super) fn from_json(value: &Value) -> Result<Item, WorkError> {
    let unreadable = || WorkError::permanent("checkpoint_unreadable", "a checkpoint's key is not in DynamoDB's JSON");
    let object = value.as_object().ok_or_else(unreadable)?;
    let attribute = |value: &Value| {
        let (kind, content) = value.as_object()?.iter().next()?;
        let content = content.as_str()?.to_owned();
        match kind.as_str() {
            "S" => Some(AttributeValue::S(content)),
            "N" => Some(AttributeValue::N(content)),
            "B" => aws_smithy_types::base64::decode(content).ok().map(|bytes| AttributeValue::B(Blob::new(bytes))),
            _ => None,
        }
    };
    object.iter().map(|(name, value)| Ok((name.clone(), attribute(value).ok_or_else(unreadable)?))).collect()
}

/// A key in words for a person: `pk=…, sk=…`, cut short when long.
pub(super) fn printable(key: &Item) -> String {
    let mut parts: Vec<_> = key
        .iter()
        .map(|(name, value)| match value {
            AttributeValue::S(text) => format!("{name}={}", crate::shorten::shorten(text)),
            AttributeValue::N(number) => format!("{name}={number}"),
            AttributeValue::B(blob) => {
                format!("{name}={}", crate::shorten::shorten(&aws_smithy_types::base64::encode(blob)))
            }
            _ => format!("{name}=?"),
        })
        .collect();
    parts.sort_unstable();
    parts.join(", ")
}

/// The words of a key that [`to_json`] wrote; `None` if it did not.
pub(crate) fn in_words(key: &Value) -> Option<String> {
    from_json(key).ok().map(|key| printable(&key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_the_index_reads_back() {
        let key = Item::from([
            ("pk".to_owned(), AttributeValue::S("ü \"#\u{0}".to_owned())),
            ("sk".to_owned(), AttributeValue::N("-1.5E-100".to_owned())),
            ("bin".to_owned(), AttributeValue::B(Blob::new([0, 255, 7]))),
        ]);
        assert_eq!(from_json(&to_json(&key).expect("a key of known types")).expect("a key of known types"), key);
        assert!(from_json(&json!({ "pk": 5 })).is_err());
    }
}
