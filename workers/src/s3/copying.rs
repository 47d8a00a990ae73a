//! Copies one object: small ones in one piece, large ones part by part, several at once. What is counted has been read from the source,
//! whoever carried it to the target.

use futures::future;

use super::Bucket;
use super::list::Entry;
use super::object::Head;
use super::read::{CHANGED, Opened};
use crate::bounded_retry::BoundedRetry;
use crate::error::WorkError;
use crate::heartbeat::Heartbeat;
use crate::ledger_permit::Permits;
use crate::s3::copy_cursor::{Counted, Underway};
use crate::s3::copy_strategy::Route;
use crate::s3::part_layout::Layout;

/// How often the size of an object may turn out another than was thought, before it is taken for one that changes.
const LOOKS: u32 = 3;

/// What copying an object takes.
#[derive(Clone, Copy)]
pub(super) struct Copying<'a> {
    pub(super) from: &'a Bucket,
    pub(super) to: &'a Bucket,
    pub(super) permits: &'a Permits<'a>,
    pub(super) heartbeat: &'a Heartbeat<'a>,
    pub(super) route: &'a Route<'a>,
    pub(super) underway: &'a Underway,
}

enum Small {
    Done(Counted),
    /// It has this size, for which no room was taken.
    Larger(u64),
}

impl Copying<'_> {
    /// An object deleted since it was listed counts nothing.
    pub(super) async fn object(self, entry: Entry) -> Result<(String, Counted), WorkError> {
        match self.patiently(&entry).await {
            Ok(counted) => Ok((entry.key, counted)),
            // Told at once, and not only when the objects before it are done.
            Err(error) => Err(self.underway.fail(error)),
        }
    }

    async fn patiently(&self, entry: &Entry) -> Result<Counted, WorkError> {
        let mut retry = self.bounded_retry();
        loop {
            match self.attempt(entry).await {
                Ok(counted) => return Ok(counted),
                Err(error) if self.route.is_turned(&error, self.to) => {}
                Err(error) if self.underway.is_stopped() => return Err(error),
                Err(error) => {
                    if error.code == CHANGED {
                        self.begin_anew(&entry.key).await?;
                    }
                    retry.wait(error).await?;
                }
            }
        }
    }

    async fn attempt(&self, entry: &Entry) -> Result<Counted, WorkError> {
        let (key, mut size) = (&*entry.key, entry.version.size);
        for _ in 0..LOOKS {
            if Layout::of(size, &self.from.settings).is_some() || self.underway.of(key).is_some() {
                let Some(head) = self.from.look(key).await? else {
                    self.begin_anew(key).await?;
                    return Ok(Counted::default());
                };
                if let Some(layout) = Layout::of(head.stamp.size, &self.from.settings) {
                    return Box::pin(self.large(key, &head, layout)).await;
                }
                self.begin_anew(key).await?;
                size = head.stamp.size;
            }
            match Box::pin(self.small(key, size)).await? {
                Small::Done(counted) => return Ok(counted),
                Small::Larger(actual) => size = actual,
            }
        }
        Err(self.from.changed())
    }

    async fn small(&self, key: &str, size: u64) -> Result<Small, WorkError> {
        let by_store = self.route.by_store();
        // What the store copies is read, but not held.
        let _room = match by_store {
            Some(_) => None,
            None => Some(self.from.budget.room(size).await),
        };
        let Some(Opened { head, mut contents }) = self.from.read(key, self.heartbeat).await? else {
            return Ok(Small::Done(Counted::default()));
        };
        if head.stamp.size > size {
            return Ok(Small::Larger(head.stamp.size));
        }
        if let Some(source) = by_store {
            let copied = async {
                let permit = self.permits.write().await?;
                self.permits.answered(permit.read_at(), self.to.copy_object(&permit, key, source, &head)).await
            };
            // Both to their ends: a request that is dropped is one without an answer.
            let (copied, read) = future::join(copied, contents.exhaust(self.from)).await;
            copied.and(read)?;
        } else {
            let body = contents.collect(self.from).await?;
            let mut retry = self.bounded_retry();
            loop {
                let permit = self.permits.write().await?;
                let put = self.to.put(&permit, key, &head.attributes, body.clone());
                match self.permits.answered(permit.read_at(), put).await {
                    Ok(()) => break,
                    Err(error) => retry.wait(error).await?,
                }
            }
        }
        Ok(Small::Done(counted(key, &head, &contents.hash())))
    }

    /// Drops what is begun of an object that is not any more what it was.
    pub(super) async fn begin_anew(&self, key: &str) -> Result<(), WorkError> {
        let Some(large) = self.underway.of(key) else { return Ok(()) };
        self.underway.forget(key);
        let (Some(upload), None) = (large.upload, large.counted) else { return Ok(()) };
        let permit = self.permits.write().await?;
        let (at, key) = (permit.read_at(), self.to.key(key));
        if let Err(error) = self.permits.answered(at, self.to.abort_upload(permit, &key, &upload)).await {
            tracing::debug!(%error, "an unfinished upload stays until the end of the pass");
        }
        Ok(())
    }

    pub(super) fn bounded_retry(&self) -> BoundedRetry<'_> {
        BoundedRetry::new(self.from.settings.attempts, self.heartbeat)
    }
}

/// An object whose contents hash to `contents`.
pub(super) fn counted(key: &str, head: &Head, contents: &blake3::Hash) -> Counted {
    Counted { tally: head.tally(key, contents), listed: head.listed(key) }
}
