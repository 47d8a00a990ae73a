//! Finds what was written late among the objects of a share, one by one, among those that may have been.

use futures::TryStreamExt;
use serde_json::Value;

use super::Bucket;
use super::list::Entry;
use crate::bounded_retry::BoundedRetry;
use crate::error::WorkError;
use crate::fingerprint::Mark;
use crate::heartbeat::Heartbeat;
use crate::late_writes::{Difference, Found, Suspects};

/// Finds what was added or changed at `at`, and what was deleted there and still is in `live`. Keys are whole.
pub(crate) async fn late_writes(
    at: &Bucket,
    live: Option<&Bucket>,
    suspects: &Suspects,
    found: &mut Found<'_>,
    heartbeat: &Heartbeat<'_>,
) -> Result<(), WorkError> {
    if suspects.any_here(false) {
        let read = at.objects(None).map_ok(|entry| at.written(live, entry, suspects, heartbeat));
        let mut read = std::pin::pin!(read.try_buffered(at.settings.object_concurrency));
        while let Some(suspect) = read.try_next().await? {
            let Some((mark, difference)) = suspect else { continue };
            found.meet(mark);
            if let Some(difference) = difference {
                found.add(difference).await?;
            }
        }
    }
    match live {
        Some(live) if suspects.any_gone() => {
            let looked = live.objects(None).map_ok(|entry| at.deleted(entry, suspects, heartbeat));
            let mut looked = std::pin::pin!(looked.try_buffered(at.settings.object_concurrency));
            while let Some(difference) = looked.try_next().await? {
                if let Some(difference) = difference {
                    found.add(difference).await?;
                }
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

impl Bucket {
    /// The mark of a suspect, and how it differs, if it does.
    async fn written(
        &self,
        live: Option<&Self>,
        Entry { key, version }: Entry,
        suspects: &Suspects,
        heartbeat: &Heartbeat<'_>,
    ) -> Result<Option<(Mark, Option<Difference>)>, WorkError> {
        if !suspects.may_be_suspect(Mark::of_key(key.as_bytes())) {
            return Ok(None);
        }
        let Some(here) = self.tally_of(&key, version.size, heartbeat).await? else { return Ok(None) };
        let mark = Mark::of(key.as_bytes(), &here.digest);
        if !suspects.is_suspect(mark) {
            return Ok(None);
        }
        let is_live = match live {
            Some(live) => live.tally_of(&key, version.size, heartbeat).await?,
            None => None,
        };
        let differs = suspects.differs(&here, is_live.as_ref());
        let (kind, key) = (suspects.how(mark, is_live.is_some()), Value::String(self.key(&key)));
        let certain = suspects.certain();
        let difference = differs.then(|| Difference { certain, ..Difference::here(kind, key, mark, here.digest) });
        Ok(Some((mark, difference)))
    }

    async fn deleted(
        &self,
        Entry { key, .. }: Entry,
        suspects: &Suspects,
        heartbeat: &Heartbeat<'_>,
    ) -> Result<Option<Difference>, WorkError> {
        if !suspects.may_be_gone(Mark::of_key(key.as_bytes())) {
            return Ok(None);
        }
        let mut retry = BoundedRetry::new(self.settings.attempts, heartbeat);
        let there = loop {
            match self.head(&key).await {
                Ok(head) => break head.is_some(),
                Err(error) => retry.wait(error).await?,
            }
        };
        heartbeat.beat().await?;
        Ok((!there).then(|| Difference::gone(Value::String(self.key(&key)), suspects.certain())))
    }
}
