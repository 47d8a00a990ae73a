//! Has a service remove a tenant's data at a location, and asks until it confirms that nothing is left.

use serde_json::Value;

use super::copy::{Progress, failed};
use super::protocol::State;
use super::service::Service;
use super::verify::tally;
use super::waits::Waits;
use crate::error::WorkError;
use crate::heartbeat::Heartbeat;
use crate::ledger_permit::Permits;
use crate::progress::{Checkpoints, Tally};

/// Removes everything; returns how many items went as far as the service tells.
///
/// # Errors
/// `hook_failed` with the service's reason, `hook_too_long`, `not_empty` (retryable), or why it could not be asked.
pub(crate) async fn remove(
    at: &Service,
    permits: &Permits<'_>,
    checkpoints: &dyn Checkpoints,
    resume: Option<Value>,
) -> Result<Tally, WorkError> {
    let heartbeat = Heartbeat::new(checkpoints, at.settings.checkpoint_every);
    let mut progress = Progress::new(resume, checkpoints, &heartbeat);
    let mut waits = Waits::new(progress.since(), at.longest);
    progress.save().await?;
    let (mut asked, mut most) = (false, 0);
    loop {
        let status = at.status(Some(permits.generation()), &heartbeat).await?;
        most = most.max(status.items);
        match status.state {
            // Whatever it was before is not believed until it has been asked in this run.
            State::Removed if status.empty && asked => break,
            State::Removing if asked => {}
            State::Failed if asked => return Err(failed(at, "remove the data", &status)),
            _ => {
                at.give_up("remove", permits, &heartbeat).await?;
                asked = true;
            }
        }
        progress.heard(most - status.items, 0).await?;
        waits.wait(at, "remove the data").await?;
    }
    let left = tally(at, &heartbeat).await?;
    if left.items > 0 {
        let message = format!("{at} says that it has removed the data and yet counts {} items", left.items);
        return Err(WorkError::retryable("not_empty", message));
    }
    progress.heard(most, 0).await?;
    Ok(progress.done())
}
