//! One complete pass over a part that counts and digests every item and changes nothing.

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
        if let Some(key) = batch.resume_at {
            run.reached(keys::to_json(&key)?).await?;
        }
    }
    Ok(())
}
