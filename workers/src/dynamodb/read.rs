//! Reads items from the base table, consistently, and keeps those that really belong to the part.

use futures::stream::{Stream, TryStreamExt};
use serde_json::Value;

use super::{Item, Part, Table, canonical, keys, size};
use crate::bounded_retry::BoundedRetry;
use crate::checkpointed_pass::Listed;
use crate::digest::Digest;
use crate::error::WorkError;
use crate::fingerprint::Mark;
use crate::heartbeat::Heartbeat;
use crate::progress::Tally;
use crate::tables::Got;

/// BatchGetItem answers with up to this many bytes (DynamoDB API Reference, "BatchGetItem").
const MOST_ANSWERED: usize = 16 << 20;

/// Items of the part that have not expired, with the tally of those that stay.
pub(super) struct Batch {
    pub(super) items: Vec<Item>,
    pub(super) tally: Tally,
    /// What stands for everything that was read, also for what expires or has expired.
    pub(super) marks: Vec<Mark>,
    /// What was read besides and is not in the tally: items that expire.
    pub(super) besides: Tally,
    /// What the index had listed for it.
    pub(super) listed: Listed,
    /// Set when a checkpoint can stand after this batch.
    pub(super) resume_at: Option<Item>,
}

/// What there is of some items.
#[derive(Default)]
pub(super) struct Measured {
    /// Of those that stay.
    pub(super) tally: Tally,
    /// Of those that expire.
    pub(super) besides: Tally,
    /// What stands for each of them, in their order.
    pub(super) marks: Vec<Mark>,
}

/// Which attributes of the items to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Read {
    /// All.
    Whole,
    /// The primary key and the index key: who owns the item.
    Owner,
}

impl Table {
    /// The part's items from a checkpoint's cursor on, several batches being read at once, in the order of the index.
    pub(super) fn batches<'a>(
        &'a self,
        part: &'a Part,
        cursor: Option<&Value>,
        heartbeat: &'a Heartbeat<'a>,
    ) -> Result<impl Stream<Item = Result<Batch, WorkError>> + Send + 'a, WorkError> {
        let start = cursor.map(keys::from_json).transpose()?;
        let read = move |chunk: keys::Chunk| async move {
            let mut items = self.get(chunk.keys, Read::Whole, heartbeat).await?;
            items.retain(|item| self.belongs(item, part));
            heartbeat.beat().await?; // Pages of the index can be empty: then nothing was read.
            let Measured { tally, besides, marks } = self.measured(&items)?;
            items.retain(|item| !self.has_expired(item));
            Ok(Batch { tally, marks, besides, items, listed: chunk.listed, resume_at: chunk.resume_at })
        };
        Ok(self.chunks(part, start, heartbeat).map_ok(read).try_buffered(self.settings.batch_concurrency))
    }

    /// The items under `keys` that exist, at most 100, in any order. Each answer is a heartbeat.
    pub(super) async fn get(
        &self,
        keys: Vec<Item>,
        what: Read,
        heartbeat: &Heartbeat<'_>,
    ) -> Result<Vec<Item>, WorkError> {
        let attributes = (what == Read::Owner).then(|| self.owner_attributes());
        let mut found = Vec::with_capacity(keys.len());
        let mut waiting = keys;
        let mut retry = BoundedRetry::new(self.settings.attempts, heartbeat);
        while !waiting.is_empty() {
            let later = waiting.split_off(waiting.len().min(self.sizes.keys_in(self.pacers.reads.piece())));
            let (asked, units) = (waiting.len(), self.sizes.items(waiting.len()));
            let sent = self.pacers.reads.turn(units, heartbeat).await?;
            let throttled = match self.api.batch_get(waiting.clone(), attributes.as_deref()).await {
                Ok(Got { items, unread }) => {
                    // An answer takes 16 MiB: what did not fit was not throttled.
                    let full = size::stored_bytes(&items) > MOST_ANSWERED / 2;
                    if what == Read::Whole {
                        self.sizes.saw_items(&items);
                        let took = size::read_units_of(&items, asked - unread.len());
                        self.pacers.reads.took_more(took.saturating_sub(units));
                    }
                    found.extend(items);
                    waiting = unread;
                    (!waiting.is_empty() && !full).then(|| {
                        let message = format!("{} leaves the reading of {} items undone", self.site, waiting.len());
                        WorkError::retryable("throttled", message)
                    })
                }
                Err(why) if why.code == "throttled" => Some(why),
                Err(why) => {
                    retry.wait(why).await?;
                    waiting.extend(later);
                    continue;
                }
            };
            heartbeat.beat().await?;
            if waiting.len() < asked {
                retry.progress();
            }
            match throttled {
                None => self.pacers.reads.accepted(units),
                Some(why) => {
                    let left = self.sizes.items(waiting.len()).min(units);
                    self.pacers.reads.throttled(units - left, left, sent);
                    retry.again(why).await?;
                }
            }
            waiting.extend(later);
        }
        Ok(found)
    }

    /// What there is of items, and what stands for each of them.
    pub(super) fn measured(&self, items: &[Item]) -> Result<Measured, WorkError> {
        let (mut found, mut form) = (Measured::default(), Vec::new());
        for item in items {
            let tally = tally(std::slice::from_ref(item))?;
            form.clear();
            canonical::item(&self.key_of(item)?, &mut form)?;
            let mark = Mark::of(&form, &tally.digest);
            found.marks.push(if self.can_expire(item) { mark.expiring() } else { mark });
            let of = if self.is_lasting(item) { &mut found.tally } else { &mut found.besides };
            of.merge(&tally);
        }
        Ok(found)
    }

    fn owner_attributes(&self) -> Vec<String> {
        let mut names: Vec<_> = self.schema.keys.iter().map(|key| key.name.clone()).collect();
        if !names.contains(&self.index_key) {
            names.push(self.index_key.clone());
        }
        names
    }
}

/// Counts items and digests their canonical form.
pub(super) fn tally<'a>(items: impl IntoIterator<Item = &'a Item>) -> Result<Tally, WorkError> {
    let (mut digest, mut count, mut bytes, mut form) = (Digest::default(), 0, 0, Vec::new());
    for item in items {
        count += 1;
        form.clear();
        canonical::item(item, &mut form)?;
        bytes += form.len() as u64;
        digest.add(&form);
    }
    Ok(Tally { items: count, objects: 0, bytes, digest })
}
