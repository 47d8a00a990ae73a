//! Copies a large object part by part: ranges of the object as it was when it was begun, several at once, each written by one part of
//! an upload. The checkpoint names the upload and the parts that are done, so that a restarted task sends only the others.

use futures::future;
use futures::stream::{FuturesUnordered, StreamExt};

use super::copying::{Copying, counted};
use super::object::Head;
use super::read::CHANGED;
use super::write::Stored;
use crate::error::WorkError;
use crate::s3::copy_cursor::{Counted, Large};
use crate::s3::hash_tree::Hashing;
use crate::s3::part_layout::Layout;

/// An object as it is being copied.
struct Job<'a> {
    key: &'a str,
    head: &'a Head,
    layout: Layout,
    upload: String,
}

/// A part that is done: its number from 0 on, what stands for it in the hash, and what the store calls it.
type Part = (u64, [u8; 32], Stored);

impl Copying<'_> {
    pub(super) async fn large(&self, key: &str, head: &Head, layout: Layout) -> Result<Counted, WorkError> {
        let fingerprint = head.fingerprint(key);
        let begun = self.underway.of(key).filter(|large| {
            large.fingerprint == fingerprint && large.part_size == layout.part_size && large.upload.is_some()
        });
        if let Some(counted) = begun.as_ref().and_then(|large| large.counted) {
            return Ok(counted);
        }
        let resumed = match begun {
            Some(large) => self.resumed(key, large, layout).await?,
            None => None,
        };
        let (large, mut stored) = match resumed {
            Some(resumed) => resumed,
            None => (self.begun(key, head, layout, fingerprint).await?, Vec::new()),
        };
        let job = Job { key, head, layout, upload: large.upload.clone().unwrap_or_default() };
        stored.extend(self.parts(&job, &large.hashing).await?);
        stored.sort_by_key(|part| part.number);
        self.complete(&job, &stored).await?;
        let root = self.underway.of(key).and_then(|large| large.hashing.root()).ok_or_else(|| self.from.changed())?;
        let counted = counted(key, head, &root);
        self.underway.set(key, Large { counted: Some(counted), ..large });
        Ok(counted)
    }

    async fn begun(&self, key: &str, head: &Head, layout: Layout, fingerprint: String) -> Result<Large, WorkError> {
        self.begin_anew(key).await?;
        let mut retry = self.bounded_retry();
        let upload = loop {
            let permit = self.permits.write().await?;
            match self.permits.answered(permit.read_at(), self.to.begin_upload(&permit, key, &head.attributes)).await {
                Ok(upload) => break upload,
                Err(error) => retry.wait(error).await?,
            }
        };
        let (upload, hashing) = (Some(upload), Hashing::of(layout.parts()));
        let large = Large { fingerprint, part_size: layout.part_size, upload, hashing, counted: None };
        self.underway.set(key, large.clone());
        Ok(large)
    }

    /// The parts that are done, if the store still has them all. `None`: the object is begun anew.
    async fn resumed(
        &self,
        key: &str,
        large: Large,
        layout: Layout,
    ) -> Result<Option<(Large, Vec<Stored>)>, WorkError> {
        let upload = large.upload.clone().unwrap_or_default();
        let Some(there) = self.to.parts(key, &upload).await? else { return Ok(None) };
        let mut stored = Vec::new();
        for number in (0..layout.parts()).filter(|number| large.hashing.has(*number)) {
            let range = layout.range(number);
            match there.get(&number).filter(|(size, _)| *size == range.end - range.start) {
                Some((_, part)) => stored.push(part.clone()),
                None => return Ok(None),
            }
        }
        tracing::info!(done = stored.len(), of = layout.parts(), "goes on in the middle of an object");
        Ok(Some((large, stored)))
    }

    /// Sends the missing parts. After a failure those that are on their way are waited for, and noted.
    async fn parts(&self, job: &Job<'_>, done: &Hashing) -> Result<Vec<Stored>, WorkError> {
        let mut missing = done.missing().into_iter();
        let (mut on_their_way, mut stored, mut failed) = (FuturesUnordered::new(), Vec::new(), None);
        loop {
            while failed.is_none()
                && !self.underway.is_stopped()
                && on_their_way.len() < self.from.settings.object_concurrency
                && let Some(number) = missing.next()
            {
                on_their_way.push(self.part(job, number));
            }
            match on_their_way.next().await {
                None => break,
                Some(Ok((number, node, part))) => {
                    self.underway.part(job.key, number, node);
                    stored.push(part);
                }
                Some(Err(error)) => failed = failed.or(Some(error)),
            }
        }
        match failed {
            Some(error) => Err(error),
            None if missing.len() > 0 => Err(WorkError::retryable("stopped", "the copy of another object has failed")),
            None => Ok(stored),
        }
    }

    async fn part(&self, job: &Job<'_>, number: u64) -> Result<Part, WorkError> {
        let mut retry = self.bounded_retry();
        loop {
            match self.try_part(job, number).await {
                Ok(part) => return Ok(part),
                Err(error) if self.route.is_turned(&error, self.to) => {}
                Err(error) if error.code == CHANGED || self.underway.is_stopped() => return Err(error),
                Err(error) => retry.wait(error).await?,
            }
        }
    }

    async fn try_part(&self, job: &Job<'_>, number: u64) -> Result<Part, WorkError> {
        let range = job.layout.range(number);
        // Also for what the store copies: it bounds how much is read at once.
        let _room = self.from.budget.room(range.end - range.start).await;
        let mut contents = self.from.read_range(job.key, &job.head.stamp, &range, self.heartbeat).await?;
        let (at, named) = ((job.key, &*job.upload), i32::try_from(number + 1).expect("at most 10,000 parts"));
        let stored = if let Some(source) = self.route.by_store() {
            let copied = async {
                let permit = self.permits.write().await?;
                let copy = self.to.copy_part(&permit, at, named, source, (job.head, &range));
                self.permits.answered(permit.read_at(), copy).await
            };
            let (copied, read) = future::join(copied, contents.exhaust(self.from)).await;
            read.and(copied)?
        } else {
            let body = contents.collect(self.from).await?;
            let permit = self.permits.write().await?;
            self.permits.answered(permit.read_at(), self.to.upload_part(&permit, at, named, body)).await?
        };
        self.heartbeat.beat().await?;
        Ok((number, contents.part(), stored))
    }

    async fn complete(&self, job: &Job<'_>, stored: &[Stored]) -> Result<(), WorkError> {
        let mut retry = self.bounded_retry();
        loop {
            let permit = self.permits.write().await?;
            let completed = self.to.complete_upload(&permit, (job.key, &job.upload), job.head.stamp.size, stored);
            match self.permits.answered(permit.read_at(), completed).await {
                Ok(()) => return Ok(()),
                Err(error) if error.code == CHANGED => return Err(error),
                Err(error) => retry.wait(error).await?,
            }
        }
    }
}
