//! Complete passes over the prefix: one copies every object, the other only reads and digests it.

use futures::TryStreamExt;
use serde_json::Value;

use super::Bucket;
use crate::error::WorkError;
use crate::patience::Patience;
use crate::permit::Permits;
use crate::progress::Tally;
use crate::pulse::Pulse;
use crate::run::Run;

/// Copies what `run`'s cursor has not passed yet, several objects at once; the cursor advances in the order of keys.
pub(crate) async fn copy_pass(
    from: &Bucket,
    to: &Bucket,
    permits: &Permits<'_>,
    run: &mut Run<'_>,
) -> Result<(), WorkError> {
    // Nobody else writes where a move is adding data, so unfinished uploads are those of an earlier attempt.
    to.abort_leftovers(permits).await?;
    let after = run.cursor().and_then(Value::as_str).map(str::to_owned);
    let pulse = &*run.pulse();
    let copied = from
        .keys(after)
        .map_ok(|key| async move { Ok((copy_object(from, to, &key, permits, pulse).await?, key)) })
        .try_buffered(from.settings.object_concurrency);
    let mut copied = std::pin::pin!(copied);
    while let Some((tally, key)) = copied.try_next().await? {
        run.count(&tally);
        run.reached(Value::String(key)).await?;
    }
    to.abort_leftovers(permits).await
}

/// Tallies what `run`'s cursor has not passed yet, reading all contents.
pub(crate) async fn digest_pass(at: &Bucket, run: &mut Run<'_>) -> Result<(), WorkError> {
    let after = run.cursor().and_then(Value::as_str).map(str::to_owned);
    let pulse = &*run.pulse();
    let seen = at
        .keys(after)
        .map_ok(|key| async move { Ok((at.tally_of(&key, pulse).await?.unwrap_or_default(), key)) })
        .try_buffered(at.settings.object_concurrency);
    let mut seen = std::pin::pin!(seen);
    while let Some((tally, key)) = seen.try_next().await? {
        run.count(&tally);
        run.reached(Value::String(key)).await?;
    }
    Ok(())
}

/// An object deleted since it was listed counts nothing.
async fn copy_object(
    from: &Bucket,
    to: &Bucket,
    key: &str,
    permits: &Permits<'_>,
    pulse: &Pulse<'_>,
) -> Result<Tally, WorkError> {
    let mut patience = Patience::new(from.settings.patience, pulse);
    loop {
        match try_copy(from, to, key, permits, pulse).await {
            Ok(tally) => return Ok(tally),
            Err(error) => {
                permits.after(&error);
                patience.wait(error).await?;
            }
        }
    }
}

async fn try_copy(
    from: &Bucket,
    to: &Bucket,
    key: &str,
    permits: &Permits<'_>,
    pulse: &Pulse<'_>,
) -> Result<Tally, WorkError> {
    let Some(mut object) = from.read(key, pulse).await? else { return Ok(Tally::default()) };
    to.write(key, &object.attributes, &mut object.contents, permits).await?;
    Ok(object.contents.tally(key, &object.attributes))
}

impl Bucket {
    /// Reads an object back in full. `None` when there is none.
    pub(super) async fn tally_of(&self, key: &str, pulse: &Pulse<'_>) -> Result<Option<Tally>, WorkError> {
        let mut patience = Patience::new(self.settings.patience, pulse);
        loop {
            match self.try_tally(key, pulse).await {
                Ok(tally) => return Ok(tally),
                Err(error) => patience.wait(error).await?,
            }
        }
    }

    async fn try_tally(&self, key: &str, pulse: &Pulse<'_>) -> Result<Option<Tally>, WorkError> {
        let Some(mut object) = self.read(key, pulse).await? else { return Ok(None) };
        object.contents.exhaust(self).await?;
        Ok(Some(object.contents.tally(key, &object.attributes)))
    }
}
