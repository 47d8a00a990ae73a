//! Finds what was written late in one part of a table, item by item, among those that may have been.

use std::collections::BTreeMap;

use futures::stream::{Stream, TryStreamExt};

use super::read::{self, Read};
use super::values::occupied;
use super::{Item, Part, Table, canonical, keys};
use crate::digest::Digest;
use crate::dynamodb::differing_keys::{by_key, matching};
use crate::error::WorkError;
use crate::fingerprint::Mark;
use crate::heartbeat::Heartbeat;
use crate::late_writes::{Difference, Found, Late, Suspects};

/// Finds what was added or changed at `at`, and what was deleted there and still is in `live`.
pub(crate) async fn late_writes(
    at: &Table,
    live: Option<&Table>,
    part: &Part,
    suspects: &Suspects,
    found: &mut Found<'_>,
    heartbeat: &Heartbeat<'_>,
) -> Result<(), WorkError> {
    if suspects.any_here(at.expires_by().is_some() && live.is_some()) {
        written(at, live, part, suspects, found, heartbeat).await?;
    }
    match live {
        Some(live) if suspects.any_gone() => deleted(at, live, part, suspects, found, heartbeat).await,
        _ => Ok(()),
    }
}

/// Finds what stands under index values that name the tenant and that no part has. Nobody moved it, so all of it came late, whatever
/// the live copy has.
pub(crate) async fn stray_writes(
    at: &Table,
    tenant: &str,
    parts: u32,
    found: &mut Found<'_>,
    heartbeat: &Heartbeat<'_>,
) -> Result<(), WorkError> {
    for part in occupied(at, tenant, parts, heartbeat).await? {
        let mut read = std::pin::pin!(all(at, &part, heartbeat));
        while let Some((items, marks)) = read.try_next().await? {
            for (item, mark) in items.iter().zip(marks) {
                let (key, contents) = (keys::to_json(&at.key_of(item)?)?, digest(item)?);
                let added = Difference::here(Late::Added, key, mark, contents);
                found.add(Difference { stray: true, ..added }).await?;
            }
        }
    }
    Ok(())
}

async fn written(
    at: &Table,
    live: Option<&Table>,
    part: &Part,
    suspects: &Suspects,
    found: &mut Found<'_>,
    heartbeat: &Heartbeat<'_>,
) -> Result<(), WorkError> {
    let mut read = std::pin::pin!(all(at, part, heartbeat));
    while let Some((items, marks)) = read.try_next().await? {
        let marked = items.into_iter().zip(marks).filter(|(_, mark)| suspects.is_suspect(*mark));
        let (items, marks): (Vec<_>, Vec<_>) = marked.unzip();
        if items.is_empty() {
            continue;
        }
        marks.iter().for_each(|mark| found.meet(*mark));
        let there = match live {
            Some(live) => by_key(live, &matching(live, &items, part, heartbeat).await?)?,
            None => BTreeMap::new(),
        };
        for (item, mark) in items.iter().zip(marks) {
            let key = at.key_of(item)?;
            let (bytes, contents) = (form(&key)?, digest(item)?);
            let is_live = there.get(&bytes).map(|(_, digest)| digest);
            // Judged now that both sides have been read: either store may have deleted what had expired.
            if suspects.differs(&contents, is_live) && !at.may_be_gone(item) {
                let (kind, key) = (suspects.how(mark, is_live.is_some()), keys::to_json(&key)?);
                let certain = suspects.certain();
                found.add(Difference { certain, ..Difference::here(kind, key, mark, contents) }).await?;
            }
        }
    }
    Ok(())
}

async fn deleted(
    at: &Table,
    live: &Table,
    part: &Part,
    suspects: &Suspects,
    found: &mut Found<'_>,
    heartbeat: &Heartbeat<'_>,
) -> Result<(), WorkError> {
    let mut batches = std::pin::pin!(live.batches(part, None, heartbeat)?);
    while let Some(batch) = batches.try_next().await? {
        let marks = live.measured(&batch.items)?.marks;
        let marked = batch.items.into_iter().zip(marks).filter(|(_, mark)| suspects.may_be_gone(*mark));
        let gone: Vec<Item> = marked.map(|(item, _)| item).collect();
        if gone.is_empty() {
            continue;
        }
        // The index may not list what is there.
        let there = by_key(at, &matching(at, &gone, part, heartbeat).await?)?;
        for item in &gone {
            let key = live.key_of(item)?;
            if !there.contains_key(&form(&key)?) && !live.may_be_gone(item) {
                found.add(Difference::gone(keys::to_json(&key)?, suspects.certain())).await?;
            }
        }
    }
    Ok(())
}

/// All items of a part, with what stands for them; also those that have expired.
fn all<'a>(
    at: &'a Table,
    part: &'a Part,
    heartbeat: &'a Heartbeat<'a>,
) -> impl Stream<Item = Result<(Vec<Item>, Vec<Mark>), WorkError>> + 'a {
    let read = move |chunk: keys::Chunk| async move {
        let mut items = at.get(chunk.keys, Read::Whole, heartbeat).await?;
        items.retain(|item| at.belongs(item, part));
        heartbeat.beat().await?; // Pages of the index can be empty: then nothing was read.
        let marks = at.measured(&items)?.marks;
        Ok((items, marks))
    };
    at.chunks(part, None, heartbeat).map_ok(read).try_buffered(at.settings.batch_concurrency)
}

fn digest(item: &Item) -> Result<Digest, WorkError> {
    Ok(read::tally(std::slice::from_ref(item))?.digest)
}

fn form(key: &Item) -> Result<Vec<u8>, WorkError> {
    let mut bytes = Vec::new();
    canonical::item(key, &mut bytes)?;
    Ok(bytes)
}
