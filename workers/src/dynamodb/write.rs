//! Writes and deletes items in batches. Neither can be asked for without a permit, and each attempt takes a fresh one.

use futures::stream::{self, StreamExt, TryStreamExt};
use tokio::time::Instant;

use super::sdk::is_by_table;
use super::{Item, Table, size};
use crate::bounded_retry::Patience;
use crate::error::WorkError;
use crate::heartbeat::Pulse;
use crate::permit::{Permits, RemovalPermit, WritePermit};
use crate::tables::Change;

/// BatchWriteItem takes at most this many requests (DynamoDB API Reference, "BatchWriteItem").
const MOST_REQUESTS: usize = 25;
/// Requests in flight at once of what was read together: as many as it fills. A store far away answers late, and one request after
/// the other would not reach what it takes.
const AT_ONCE: usize = 4;
/// BatchWriteItem takes at most 16 MiB; the rest is left for names and punctuation of the request itself.
const MOST_BYTES: usize = 15 << 20;

impl Table {
    /// Writes all items, replacing those with the same keys.
    pub(super) async fn put(
        &self,
        items: Vec<Item>,
        permits: &Permits<'_>,
        pulse: &Pulse<'_>,
    ) -> Result<(), WorkError> {
        let batches = batches(items.into_iter().map(Change::Put));
        let puts = batches.into_iter().map(|batch| self.put_batch(Left::new(self, batch, pulse), permits));
        stream::iter(puts).buffer_unordered(AT_ONCE).try_collect().await
    }

    /// Deletes the items with these keys.
    pub(super) async fn delete(
        &self,
        keys: Vec<Item>,
        permits: &Permits<'_>,
        pulse: &Pulse<'_>,
    ) -> Result<(), WorkError> {
        let batches = batches(keys.into_iter().map(Change::Delete));
        let deletes = batches.into_iter().map(|batch| self.delete_batch(Left::new(self, batch, pulse), permits));
        stream::iter(deletes).buffer_unordered(AT_ONCE).try_collect().await
    }

    async fn put_batch(&self, mut left: Left<'_>, permits: &Permits<'_>) -> Result<(), WorkError> {
        while !left.is_empty() {
            let asked = left.next().await?;
            let permit: WritePermit = permits.write().await?;
            let request = self.api.batch_write(left.piece(&asked), permit.read_at());
            let answer = permits.answered(permit.read_at(), request).await;
            left.after(&asked, answer).await?;
        }
        Ok(())
    }

    async fn delete_batch(&self, mut left: Left<'_>, permits: &Permits<'_>) -> Result<(), WorkError> {
        while !left.is_empty() {
            let asked = left.next().await?;
            let permit: RemovalPermit = permits.removal().await?;
            let request = self.api.batch_write(left.piece(&asked), permit.read_at());
            let answer = permits.answered(permit.read_at(), request).await;
            left.after(&asked, answer).await?;
        }
        Ok(())
    }
}

/// What is still to be sent of one batch.
struct Left<'a> {
    table: &'a Table,
    changes: Vec<Change>,
    pulse: &'a Pulse<'a>,
    patience: Patience<'a>,
}

/// The first of them, that a request is about.
struct Asked {
    changes: usize,
    units: u64,
    sent: Instant,
}

impl<'a> Left<'a> {
    fn new(table: &'a Table, changes: Vec<Change>, pulse: &'a Pulse<'a>) -> Self {
        Self { table, changes, pulse, patience: Patience::new(table.settings.patience, pulse) }
    }

    fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Waits until some of it may be sent.
    async fn next(&self) -> Result<Asked, WorkError> {
        let pacers = &self.table.pacers;
        let most = pacers.writes.piece().min(pacers.table.piece());
        let (mut changes, mut units) = (0, 0);
        for change in &self.changes {
            let more = self.table.sizes.units_of(change);
            if changes > 0 && units + more > most {
                break;
            }
            (changes, units) = (changes + 1, units + more);
        }
        pacers.table.turn(units, self.pulse).await?;
        let sent = pacers.writes.turn(units, self.pulse).await?;
        Ok(Asked { changes, units, sent })
    }

    /// What to send; it is kept until it is known to be done.
    fn piece(&self, asked: &Asked) -> Vec<Change> {
        self.changes[..asked.changes].to_vec()
    }

    /// Takes the answer to a request. Whole requests are safe to send again: a put or delete repeated is the same put or
    /// delete.
    async fn after(&mut self, asked: &Asked, answer: Result<Vec<Change>, WorkError>) -> Result<(), WorkError> {
        let pacers = &self.table.pacers;
        let why = match answer {
            Ok(undone) if undone.is_empty() => {
                self.changes.drain(..asked.changes);
                pacers.writes.accepted(asked.units);
                pacers.table.accepted(asked.units);
                self.patience.progress();
                return self.pulse.beat().await;
            }
            Ok(undone) => {
                let left = self.table.sizes.write_units(&undone).min(asked.units);
                let done = asked.units - left;
                pacers.writes.throttled(done, left, asked.sent);
                pacers.table.accepted(done);
                if undone.len() < asked.changes {
                    self.patience.progress();
                }
                let message = format!("{} leaves {} requests undone", self.table.site, undone.len());
                self.changes.splice(..asked.changes, undone);
                WorkError::retryable("throttled", message)
            }
            Err(error) => {
                if error.code == "throttled" {
                    let pacer = if is_by_table(&error) { &pacers.table } else { &pacers.writes };
                    pacer.throttled(0, asked.units, asked.sent);
                }
                error
            }
        };
        // The pacer says when it is sent again.
        if why.code == "throttled" { self.patience.again(why).await } else { self.patience.wait(why).await }
    }
}

/// Splits into batches that BatchWriteItem takes, by number and by size on the wire.
fn batches(changes: impl Iterator<Item = Change>) -> Vec<Vec<Change>> {
    let mut batches: Vec<Vec<Change>> = Vec::new();
    let mut size = 0;
    for change in changes {
        let bytes = size::on_wire(&change);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn put(text: String) -> Change {
        Change::Put(Item::from([("pk".to_owned(), crate::tables::AttributeValue::S(text))]))
    }

    #[test]
    fn batches_keep_to_number_and_size_and_lose_nothing() {
        let small = batches((0..60).map(|n| put(n.to_string())));
        assert_eq!(small.iter().map(Vec::len).collect::<Vec<_>>(), [25, 25, 10]);
        // 400 KiB of control characters are 2.4 MiB on the wire.
        let large = batches((0..25).map(|_| put("\u{1}".repeat(400 << 10))));
        assert_eq!(large.iter().map(Vec::len).sum::<usize>(), 25);
        assert!(large.iter().all(|batch| batch.iter().map(size::on_wire).sum::<usize>() <= MOST_BYTES));
        assert_eq!(batches([put("x".repeat(MOST_BYTES + 1))].into_iter()).len(), 1);
    }
}
