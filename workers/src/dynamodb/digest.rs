//! One complete pass over a part that counts and digests every item, or every key, and changes nothing.

use futures::TryStreamExt;

use crate::checkpointed_pass::Run;
use crate::dynamodb::{Part, Table, differing_keys, keys, read};
use crate::error::WorkError;

/// Tallies what `run`'s cursor has not passed yet.
pub(crate) async fn digest_pass(at: &Table, part: &Part, run: &mut Run<'_>) -> Result<(), WorkError> {
    let heartbeat = run.heartbeat();
    let mut batches = std::pin::pin!(at.batches(part, run.cursor(), &heartbeat)?);
    while let Some(batch) = batches.try_next().await? {
        run.count(&batch.tally);
        run.note(batch.marks);
        run.pass_over(&batch.besides);
        run.list(&batch.listed);
        if let Some(key) = batch.resume_at {
            run.reached(keys::to_json(&key)?).await?;
        }
    }
    Ok(())
}

/// The same of a part that was copied `to` another table, with a look at each item that expires: those are not in the tally, so it
/// would not show that one was missed. What is lacking at `to` is counted twice, so that the part has to be copied again.
pub(crate) async fn look_pass(at: &Table, to: &Table, part: &Part, run: &mut Run<'_>) -> Result<(), WorkError> {
    let heartbeat = run.heartbeat();
    let mut batches = std::pin::pin!(at.batches(part, run.cursor(), &heartbeat)?);
    while let Some(batch) = batches.try_next().await? {
        let passing = batch.items.into_iter().filter(|item| !at.is_lasting(item)).collect();
        let lacks = differing_keys::lacking(at, to, passing, part, &heartbeat).await?;
        run.count(&batch.tally);
        run.note(batch.marks);
        run.pass_over(&batch.besides);
        run.count(&read::tally(&lacks)?);
        run.list(&batch.listed);
        if let Some(key) = batch.resume_at {
            run.reached(keys::to_json(&key)?).await?;
        }
    }
    Ok(())
}

/// One complete pass over the part's keys as the index lists them; the base table is not read.
pub(crate) async fn keys_pass(at: &Table, part: &Part, run: &mut Run<'_>) -> Result<(), WorkError> {
    let heartbeat = run.heartbeat();
    let start = run.cursor().map(keys::from_json).transpose()?;
    let mut chunks = std::pin::pin!(at.chunks(part, start, &heartbeat));
    while let Some(chunk) = chunks.try_next().await? {
        run.list(&chunk.listed);
        if let Some(key) = chunk.resume_at {
            run.reached(keys::to_json(&key)?).await?;
        }
    }
    Ok(())
}
