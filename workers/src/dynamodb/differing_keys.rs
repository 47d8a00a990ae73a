//! Finds the keys in which two parts differ, for a report: slower than comparing digests, and only done when they differ.

use std::collections::BTreeMap;

use futures::TryStreamExt;

use super::read::{self, Read};
use super::{Item, Part, Table, canonical, keys};
use crate::digest::Digest;
use crate::error::WorkError;
use crate::heartbeat::Heartbeat;
use crate::mismatch::Mismatch;

/// Up to `most` differences of `at` from `source`. Reads both base tables consistently; memory stays flat.
pub(crate) async fn differing_keys(
    source: &Table,
    at: &Table,
    part: &Part,
    most: usize,
    heartbeat: &Heartbeat<'_>,
) -> Result<Vec<Mismatch>, WorkError> {
    let mut found = Vec::new();
    let mut batches = std::pin::pin!(source.batches(part, None, heartbeat)?);
    while let Some(mut batch) = batches.try_next().await? {
        batch.items.retain(|item| source.is_lasting(item));
        let there = by_key(at, &matching(at, &batch.items, part, heartbeat).await?)?;
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
    let mut batches = std::pin::pin!(at.batches(part, None, heartbeat)?);
    while found.len() < most {
        let Some(mut batch) = batches.try_next().await? else { break };
        batch.items.retain(|item| at.is_lasting(item));
        let in_source = by_key(source, &matching(source, &batch.items, part, heartbeat).await?)?;
        let extra = by_key(at, &batch.items)?.into_iter().filter(|(key, _)| !in_source.contains_key(key));
        found.extend(extra.map(|(_, (words, _))| Mismatch::Extra(words)));
    }
    found.truncate(most);
    Ok(found)
}

/// Up to `most` keys of items that expire and that `at` lacks, or has with other contents.
pub(crate) async fn lacking_keys(
    source: &Table,
    at: &Table,
    part: &Part,
    most: usize,
    heartbeat: &Heartbeat<'_>,
) -> Result<Vec<Mismatch>, WorkError> {
    let mut found = Vec::new();
    let mut batches = std::pin::pin!(source.batches(part, None, heartbeat)?);
    while found.len() < most {
        let Some(batch) = batches.try_next().await? else { break };
        let passing = batch.items.into_iter().filter(|item| !source.is_lasting(item)).collect();
        for item in lacking(source, at, passing, part, heartbeat).await? {
            found.push(Mismatch::Missing(keys::printable(&source.key_of(&item)?)));
        }
    }
    found.truncate(most);
    Ok(found)
}

/// Those of `items`, read at `source`, that `at` lacks or has with other contents, but for what its store may have deleted.
pub(super) async fn lacking(
    source: &Table,
    at: &Table,
    items: Vec<Item>,
    part: &Part,
    heartbeat: &Heartbeat<'_>,
) -> Result<Vec<Item>, WorkError> {
    if items.is_empty() {
        return Ok(items);
    }
    let there = by_key(at, &matching(at, &items, part, heartbeat).await?)?;
    let mut lacks = Vec::new();
    for item in items {
        let same = by_key(source, std::slice::from_ref(&item))?
            .into_iter()
            .all(|(key, (_, digest))| there.get(&key).is_some_and(|(_, other)| *other == digest));
        // Judged now that both sides have been read.
        if !same && !source.may_be_gone(&item) {
            lacks.push(item);
        }
    }
    Ok(lacks)
}

/// The items of the part in `table` that have the same keys as `items`.
pub(super) async fn matching(
    table: &Table,
    items: &[Item],
    part: &Part,
    heartbeat: &Heartbeat<'_>,
) -> Result<Vec<Item>, WorkError> {
    let keys = items.iter().map(|item| table.key_of(item)).collect::<Result<Vec<_>, _>>()?;
    let mut found = table.get(keys, Read::Whole, heartbeat).await?;
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
