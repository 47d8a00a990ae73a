//! Writes and deletes items in batches. Neither can be asked for without a permit, and each attempt takes a fresh one.

use futures::stream::{self, StreamExt, TryStreamExt};
use tokio::time::Instant;

use super::sdk::is_by_table;
use super::{Item, Table, size};
use crate::bounded_retry::BoundedRetry;
use crate::error::WorkError;
use crate::heartbeat::Heartbeat;
use crate::ledger_permit::{Permits, RemovalPermit, WritePermit};
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
        heartbeat: &Heartbeat<'_>,
    ) -> Result<(), WorkError> {
        let batches = batches(items.into_iter().map(Change::Put));
        let puts = batches.into_iter().map(|batch| self.put_batch(Unprocessed::new(self, batch, heartbeat), permits));
        stream::iter(puts).buffer_unordered(AT_ONCE).try_collect().await
    }

    /// Deletes the items with these keys.
    pub(super) async fn delete(
        &self,
        keys: Vec<Item>,
        permits: &Permits<'_>,
        heartbeat: &Heartbeat<'_>,
    ) -> Result<(), WorkError> {
        let batches = batches(keys.into_iter().map(Change::Delete));
        let deletes =
            batches.into_iter().map(|batch| self.delete_batch(Unprocessed::new(self, batch, heartbeat), permits));
        stream::iter(deletes).buffer_unordered(AT_ONCE).try_collect().await
    }

    async fn put_batch(&self, mut unprocessed: Unprocessed<'_>, permits: &Permits<'_>) -> Result<(), WorkError> {
        while !unprocessed.is_empty() {
            let piece = unprocessed.next().await?;
            let permit: WritePermit = permits.write().await?;
            let request = self.api.batch_write(unprocessed.piece(&piece), permit.read_at());
            let answer = permits.answered(permit.read_at(), request).await;
            unprocessed.retry_unprocessed(&piece, answer).await?;
        }
        Ok(())
    }

    async fn delete_batch(&self, mut unprocessed: Unprocessed<'_>, permits: &Permits<'_>) -> Result<(), WorkError> {
        while !unprocessed.is_empty() {
            let piece = unprocessed.next().await?;
            let permit: RemovalPermit = permits.removal().await?;
            let request = self.api.batch_write(unprocessed.piece(&piece), permit.read_at());
            let answer = permits.answered(permit.read_at(), request).await;
            unprocessed.retry_unprocessed(&piece, answer).await?;
        }
        Ok(())
    }
}

/// What is still to be sent of one batch.
struct Unprocessed<'a> {
    table: &'a Table,
    changes: Vec<Change>,
    heartbeat: &'a Heartbeat<'a>,
    retry: BoundedRetry<'a>,
}

/// The first of them, that a request is about.
struct Piece {
    changes: usize,
    units: u64,
    sent: Instant,
}

impl<'a> Unprocessed<'a> {
    fn new(table: &'a Table, changes: Vec<Change>, heartbeat: &'a Heartbeat<'a>) -> Self {
        Self { table, changes, heartbeat, retry: BoundedRetry::new(table.settings.attempts, heartbeat) }
    }

    fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Waits until some of it may be sent.
    async fn next(&self) -> Result<Piece, WorkError> {
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
        pacers.table.turn(units, self.heartbeat).await?;
        let sent = pacers.writes.turn(units, self.heartbeat).await?;
        Ok(Piece { changes, units, sent })
    }

    /// What to send; it is kept until it is known to be done.
    fn piece(&self, piece: &Piece) -> Vec<Change> {
        self.changes[..piece.changes].to_vec()
    }

    /// Takes the answer to a request. Whole requests are safe to send again: a put or delete repeated is the same put or
    /// delete.
    async fn retry_unprocessed(
        &mut self,
        piece: &Piece,
        answer: Result<Vec<Change>, WorkError>,
    ) -> Result<(), WorkError> {
        let pacers = &self.table.pacers;
        let why = match answer {
            Ok(undone) if undone.is_empty() => {
                self.changes.drain(..piece.changes);
                pacers.writes.accepted(piece.units);
                pacers.table.accepted(piece.units);
                self.retry.progress();
                return self.heartbeat.beat().await;
            }
            Ok(undone) => {
                let unprocessed = self.table.sizes.write_units(&undone).min(piece.units);
                let done = piece.units - unprocessed;
                pacers.writes.throttled(done, unprocessed, piece.sent);
                pacers.table.accepted(done);
                if undone.len() < piece.changes {
                    self.retry.progress();
                }
                let message = format!("{} leaves {} requests undone", self.table.site, undone.len());
                self.changes.splice(..piece.changes, undone);
                WorkError::retryable("throttled", message)
            }
            Err(error) => {
                if error.code == "throttled" {
                    let pacer = if is_by_table(&error) { &pacers.table } else { &pacers.writes };
                    pacer.throttled(0, piece.units, piece.sent);
                }
                error
            }
        };
        // The pacer says when it is sent again.
        if why.code == "throttled" { self.retry.again(why).await } else { self.retry.wait(why).await }
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
