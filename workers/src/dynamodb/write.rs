//! Writes and deletes items in batches. Neither can be asked for without a permit, and each attempt takes a fresh one.

use super::{Item, Table};
use crate::error::WorkError;
use crate::patience::Patience;
use crate::permit::{Permits, RemovalPermit, WritePermit};
use crate::pulse::Pulse;
use crate::tables::{AttributeValue, Change};

/// BatchWriteItem takes at most this many requests (DynamoDB API Reference, "BatchWriteItem").
const MOST_REQUESTS: usize = 25;
/// BatchWriteItem takes at most 16 MiB; the rest is left for names and punctuation of the request itself.
const MOST_BYTES: usize = 15 << 20;
/// A write unit covers this many bytes (DynamoDB Developer Guide, "Read and write operations").
const UNIT_BYTES: usize = 1024;

impl Table {
    /// Writes all items, replacing those with the same keys.
    pub(super) async fn put(
        &self,
        items: Vec<Item>,
        permits: &Permits<'_>,
        pulse: &Pulse<'_>,
    ) -> Result<(), WorkError> {
        for batch in batches(items.into_iter().map(Change::Put)) {
            let mut left = Left::new(self, batch, pulse);
            while !left.is_empty() {
                self.pacer.turn(left.units, pulse).await?;
                let permit = permits.write().await?;
                permits.sent();
                let answer = self.send_puts(&permit, left.changes.clone()).await;
                left.after(answer, permits).await?;
            }
        }
        Ok(())
    }

    /// Deletes the items with these keys.
    pub(super) async fn delete(
        &self,
        keys: Vec<Item>,
        permits: &Permits<'_>,
        pulse: &Pulse<'_>,
    ) -> Result<(), WorkError> {
        for batch in batches(keys.into_iter().map(Change::Delete)) {
            let mut left = Left::new(self, batch, pulse);
            while !left.is_empty() {
                self.pacer.turn(left.units, pulse).await?;
                let permit = permits.removal().await?;
                permits.sent();
                let answer = self.send_deletes(&permit, left.changes.clone()).await;
                left.after(answer, permits).await?;
            }
        }
        Ok(())
    }

    async fn send_puts(&self, permit: &WritePermit, puts: Vec<Change>) -> Result<Vec<Change>, WorkError> {
        self.api.batch_write(puts, permit.read_at()).await
    }

    async fn send_deletes(&self, permit: &RemovalPermit, deletes: Vec<Change>) -> Result<Vec<Change>, WorkError> {
        self.api.batch_write(deletes, permit.read_at()).await
    }
}

/// What is still to be sent of one batch.
struct Left<'a> {
    table: &'a Table,
    changes: Vec<Change>,
    /// Write units of all of them.
    units: u64,
    pulse: &'a Pulse<'a>,
    patience: Patience<'a>,
}

impl<'a> Left<'a> {
    fn new(table: &'a Table, changes: Vec<Change>, pulse: &'a Pulse<'a>) -> Self {
        let patience = Patience::new(table.settings.patience, pulse);
        Self { table, units: units(&changes), changes, pulse, patience }
    }

    fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Takes the answer to a request for all of it. Whole requests are safe to send again: a put or delete repeated is the
    /// same put or delete.
    async fn after(&mut self, answer: Result<Vec<Change>, WorkError>, permits: &Permits<'_>) -> Result<(), WorkError> {
        permits.settled();
        let (asked, asked_units) = (self.changes.len(), self.units);
        let why = match answer {
            Ok(undone) => {
                (self.units, self.changes) = (units(&undone), undone);
                self.table.pacer.accepted(asked_units.saturating_sub(self.units));
                if self.changes.is_empty() {
                    return self.pulse.beat().await;
                }
                if self.changes.len() < asked {
                    self.patience.progress();
                }
                let message = format!("{} leaves {} requests undone", self.table.site, self.changes.len());
                WorkError::retryable("throttled", message)
            }
            Err(error) => error,
        };
        permits.after(&why);
        if why.code == "throttled" {
            self.table.pacer.throttled();
        }
        self.patience.wait(why).await
    }
}

/// Splits into batches that BatchWriteItem takes, by number and by size on the wire.
fn batches(changes: impl Iterator<Item = Change>) -> Vec<Vec<Change>> {
    let mut batches: Vec<Vec<Change>> = Vec::new();
    let mut size = 0;
    for change in changes {
        let bytes = change_size(&change);
        let fits = size + bytes <= MOST_BYTES && batches.last().is_some_and(|batch| batch.len() < MOST_REQUESTS);
        if !fits {
            batches.push(Vec::with_capacity(MOST_REQUESTS));
            size = 0;
        }
        size += bytes;
        let batch = batches.last_mut().expect("one was pushed if there was none");
        batch.push(change);
    }
    batches
}

fn units(changes: &[Change]) -> u64 {
    changes.iter().map(|change| change_size(change).div_ceil(UNIT_BYTES) as u64).sum()
}

fn change_size(change: &Change) -> usize {
    match change {
        Change::Put(map) | Change::Delete(map) => map_size(map),
    }
}

/// Bytes on the wire, from above: text escaped for JSON and binary in base64 take more than what the store keeps.
fn map_size(map: &Item) -> usize {
    map.iter().map(|(name, value)| text_size(name) + value_size(value) + 4).sum::<usize>() + 2
}

fn value_size(value: &AttributeValue) -> usize {
    const AROUND: usize = 12;
    let content = match value {
        AttributeValue::S(text) | AttributeValue::N(text) => text_size(text),
        AttributeValue::B(blob) => base64_size(blob.as_ref().len()),
        AttributeValue::Ss(texts) | AttributeValue::Ns(texts) => texts.iter().map(|text| text_size(text) + 3).sum(),
        AttributeValue::Bs(blobs) => blobs.iter().map(|blob| base64_size(blob.as_ref().len()) + 3).sum(),
        AttributeValue::L(list) => list.iter().map(|element| value_size(element) + 1).sum(),
        AttributeValue::M(map) => map_size(map),
        _ => 5,
    };
    content + AROUND
}

fn text_size(text: &str) -> usize {
    text.bytes()
        .map(|b| {
            if b < 0x20 {
                6
            } else if b == b'"' || b == b'\\' {
                2
            } else {
                1
            }
        })
        .sum()
}

fn base64_size(bytes: usize) -> usize {
    bytes.div_ceil(3) * 4
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(text: String) -> Change {
        Change::Put(Item::from([("pk".to_owned(), AttributeValue::S(text))]))
    }

    #[test]
    fn batches_keep_to_number_and_size_and_lose_nothing() {
        let small = batches((0..60).map(|n| put(n.to_string())));
        assert_eq!(small.iter().map(Vec::len).collect::<Vec<_>>(), [25, 25, 10]);
        // 400 KiB of control characters are 2.4 MiB on the wire.
        let large = batches((0..25).map(|_| put("\u{1}".repeat(400 << 10))));
        assert_eq!(large.iter().map(Vec::len).sum::<usize>(), 25);
        assert!(large.iter().all(|batch| batch.iter().map(change_size).sum::<usize>() <= MOST_BYTES));
        assert_eq!(batches([put("x".repeat(MOST_BYTES + 1))].into_iter()).len(), 1);
    }
}
