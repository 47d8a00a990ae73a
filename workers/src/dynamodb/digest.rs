//! One complete pass over a part that counts and digests every item, or every key, and changes nothing.

use futures::TryStreamExt;

use super::{Part, Table, keys};
use crate::error::WorkError;
use crate::run::Run;

/// Tallies what `run`'s cursor has not passed yet.
pub(crate) async fn digest_pass(at: &Table, part: &Part, run: &mut Run<'_>) -> Result<(), WorkError> {
    let pulse = run.pulse();
    let mut batches = std::pin::pin!(at.batches(part, run.cursor(), &pulse)?);
    while let Some(batch) = batches.try_next().await? {
        run.count(&batch.tally);
        run.list(&batch.listed);
        if let Some(key) = batch.resume_at {
            run.reached(keys::to_json(&key)?).await?;
        }
    }
    Ok(())
}

/// One complete pass over the part's keys as the index lists them; the base table is not read.
pub(crate) async fn keys_pass(at: &Table, part: &Part, run: &mut Run<'_>) -> Result<(), WorkError> {
    let pulse = run.pulse();
    let start = run.cursor().map(keys::from_json).transpose()?;
    let mut chunks = std::pin::pin!(at.chunks(part, start, &pulse));
    while let Some(chunk) = chunks.try_next().await? {
        run.list(&chunk.listed);
        if let Some(key) = chunk.resume_at {
            run.reached(keys::to_json(&key)?).await?;
        }
    }
    Ok(())
}
