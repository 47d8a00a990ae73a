//! Has a service add a tenant's data at a location, and asks how far it is until it is done. A crash resumes by asking again: what
//! the service has been told it knows by the generation, and the checkpoint only keeps since when.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::protocol::{State, Status};
use super::service::Service;
use super::verify::tally;
use super::waits::Waits;
use crate::error::WorkError;
use crate::heartbeat::Heartbeat;
use crate::ledger_permit::Permits;
use crate::progress::{Checkpoints, Tally};

/// The stored form of a checkpoint: names are never renamed.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Resume {
    /// When the work began, in milliseconds since 1970.
    pub(super) since_ms: u64,
}

/// A service's work as the task records it: since when, and the furthest that it has got.
pub(super) struct Progress<'a> {
    since_ms: u64,
    done: Tally,
    checkpoints: &'a dyn Checkpoints,
    heartbeat: &'a Heartbeat<'a>,
}

impl<'a> Progress<'a> {
    pub(super) fn new(resume: Option<Value>, checkpoints: &'a dyn Checkpoints, heartbeat: &'a Heartbeat<'a>) -> Self {
        let resume = resume.and_then(|value| serde_json::from_value::<Resume>(value).ok());
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let since_ms = resume.map_or(u64::try_from(now.as_millis()).unwrap_or_default(), |resume| resume.since_ms);
        Self { since_ms, done: Tally::default(), checkpoints, heartbeat }
    }

    pub(super) fn since(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.since_ms)
    }

    /// The service has answered: a heartbeat, and a checkpoint when it has got further.
    pub(super) async fn heard(&mut self, items: u64, bytes: u64) -> Result<(), WorkError> {
        if items <= self.done.items && bytes <= self.done.bytes {
            return self.heartbeat.beat().await;
        }
        self.done.items = self.done.items.max(items);
        self.done.bytes = self.done.bytes.max(bytes);
        self.save().await
    }

    pub(super) async fn save(&self) -> Result<(), WorkError> {
        let resume = serde_json::to_value(Resume { since_ms: self.since_ms }).expect("plain data with text keys");
        self.checkpoints.save(resume, self.done).await?;
        self.heartbeat.saved();
        Ok(())
    }

    pub(super) fn done(&self) -> Tally {
        self.done
    }
}

/// Has `to` add what `from` holds; returns what `from` holds when that is done.
///
/// # Errors
/// `hook_failed` or `hook_refused` with the service's reason, `hook_too_long`, or why it could not be asked.
pub(crate) async fn copy(
    from: &Service,
    to: &Service,
    permits: &Permits<'_>,
    checkpoints: &dyn Checkpoints,
    resume: Option<Value>,
) -> Result<Tally, WorkError> {
    let heartbeat = Heartbeat::new(checkpoints, to.settings.checkpoint_every);
    let mut progress = Progress::new(resume, checkpoints, &heartbeat);
    let mut waits = Waits::new(progress.since(), to.longest);
    progress.save().await?;
    loop {
        let status = to.status(Some(permits.generation()), &heartbeat).await?;
        match status.state {
            State::Added => break,
            State::Adding => progress.heard(status.items, status.bytes).await?,
            State::None => to.start(from, permits, &heartbeat).await?,
            State::Failed => return Err(failed(to, "add the data", &status)),
            State::Live | State::Removing | State::Removed => {
                let message = format!("{to} says that adding the data is over: it was committed or rolled back before");
                return Err(WorkError::permanent("hook_refused", message));
            }
        }
        waits.wait(to, "add the data").await?;
    }
    tally(from, &heartbeat).await
}

/// What a service says that it could not do.
pub(super) fn failed(service: &Service, what: &str, status: &Status) -> WorkError {
    let reason = super::client::shown(status.reason.as_deref().unwrap_or("it gave no reason"));
    WorkError::permanent("hook_failed", format!("{service} could not {what}: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::as_stored;

    #[test]
    fn a_checkpoint_of_a_services_work_is_read_as_it_was_stored() {
        assert_eq!(as_stored::<Resume>("checkpoint_of_a_service").since_ms, 1_700_000_000_000);
    }
}
