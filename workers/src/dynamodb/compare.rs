//! Finds the keys in which two parts differ, for a report: slower than comparing digests, and only done when they differ.

use std::collections::BTreeMap;

use futures::TryStreamExt;

use super::read::{self, Read};
use super::{Item, Part, Table, canonical, keys};
use crate::digest::Digest;
use crate::error::WorkError;
use crate::mismatch::Mismatch;
use crate::pulse::Pulse;

/// Up to `most` differences of `at` from `source`. Reads both base tables consistently; memory stays flat.
pub(crate) async fn differing_keys(
    source: &Table,
    at: &Table,
    part: &Part,
    most: usize,
    pulse: &Pulse<'_>,
) -> Result<Vec<Mismatch>, WorkError> {
    let mut found = Vec::new();
    let mut batches = std::pin::pin!(source.batches(part, None, pulse)?);
    while let Some(batch) = batches.try_next().await? {
        let there = by_key(at, &matching(at, &batch.items, part, pulse).await?)?;
        for (key, (words, digest)) in by_key(source, &batch.items)? {
            match there.get(&key) {
                None => found.push(Mismatch::Missing(words)),
                Some((_, other)) if *other != digest => found.push(Mismatch::Different(words)),
                Some(_) => {}
            }
        }
        if found.len() >= most {
            break;
        }
    }
    let mut batches = std::pin::pin!(at.batches(part, None, pulse)?);
    while found.len() < most {
        let Some(batch) = batches.try_next().await? else { break };
        let in_source = by_key(source, &matching(source, &batch.items, part, pulse).await?)?;
        let extra = by_key(at, &batch.items)?.into_iter().filter(|(key, _)| !in_source.contains_key(key));
        found.extend(extra.map(|(_, (words, _))| Mismatch::Extra(words)));
    }
    found.truncate(most);
    Ok(found)
}

/// Up to `most` keys at `at` that `live` lacks or has with other contents: what would be lost with `at`.
pub(crate) async fn unlike(
    at: &Table,
    live: &Table,
    part: &Part,
    most: usize,
    pulse: &Pulse<'_>,
) -> Result<Vec<Mismatch>, WorkError> {
    let mut found = Vec::new();
    let mut batches = std::pin::pin!(at.batches(part, None, pulse)?);
    while found.len() < most {
        let Some(batch) = batches.try_next().await? else { break };
        let there = by_key(live, &matching(live, &batch.items, part, pulse).await?)?;
        for (key, (words, digest)) in by_key(at, &batch.items)? {
            match there.get(&key) {
                None => found.push(Mismatch::Extra(words)),
                Some((_, other)) if *other != digest => found.push(Mismatch::Different(words)),
                Some(_) => {}
            }
        }
    }
    found.truncate(most);
    Ok(found)
}

/// The items of the part in `table` that have the same keys as `items`.
pub(super) async fn matching(
    table: &Table,
    items: &[Item],
    part: &Part,
    pulse: &Pulse<'_>,
) -> Result<Vec<Item>, WorkError> {
    let keys = items.iter().map(|item| table.key_of(item)).collect::<Result<Vec<_>, _>>()?;
    let mut found = table.get(keys, Read::Whole, pulse).await?;
    found.retain(|item| table.belongs(item, part));
    Ok(found)
}

/// Printable key and digest of each item, by the canonical bytes of its key.
pub(super) fn by_key(table: &Table, items: &[Item]) -> Result<BTreeMap<Vec<u8>, (String, Digest)>, WorkError> {
    let keyed = items.iter().map(|item| {
        let key = table.key_of(item)?;
        let mut bytes = Vec::new();
        canonical::item(&key, &mut bytes)?;
        Ok((bytes, (keys::printable(&key), read::tally(std::slice::from_ref(item))?.digest)))
    });
    keyed.collect()
}
