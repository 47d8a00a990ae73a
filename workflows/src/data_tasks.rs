//! Tasks that move data: each hands one part of one location to the movers, with permits from the ledger and
//! checkpoints under the task's lease.

mod checkpoints;
mod compare;
mod copy;
pub(crate) mod evidence;
mod ledger_permits;
mod places;
mod removal_permits;
mod remove;
mod same_store;
mod verify;

use engine::{StepError, TaskRecord};
use serde::{Deserialize, Serialize};
use workers::Size;
use workers::error::WorkError;
use workers::progress::Tally;

pub use compare::{CompareInput, CompareTask};
pub use copy::{CopyInput, CopyTask};
pub(crate) use ledger_permits::CellLedger;
pub use places::place_of;
pub use remove::{RemoveInput, RemoveTask};
pub(crate) use same_store::{ANOTHER_TABLE, NO_TABLE_ID, SAME_STORE};
pub(crate) use verify::VerifyResult;
pub use verify::{LeftReplica, VerifyInput, VerifyTask};

/// Failed attempts without progress after which a task fails that keeps its tenant offline.
const MAX_ATTEMPTS: u32 = 8;

/// Failed attempts without progress after which a task fails for good. `None`: nothing presses, so it is tried again for as long
/// as the cause may pass.
pub(crate) fn max_attempts(task: &TaskRecord) -> Option<u32> {
    // A removal looks at a replica that was left by the same kind of task as a move.
    let of_removal = || {
        let input = VerifyInput::deserialize(&task.input);
        input.is_ok_and(|input| input.left.is_some_and(|left| left.switched))
    };
    match task.kind.as_str() {
        CopyTask::KIND => Some(MAX_ATTEMPTS),
        VerifyTask::KIND if !of_removal() => Some(MAX_ATTEMPTS),
        _ => None,
    }
}

/// Counts of data handled, as shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amount {
    /// DynamoDB items.
    pub items: u64,
    /// S3 objects.
    pub objects: u64,
    /// Bytes.
    pub bytes: u64,
}

impl Amount {
    /// The sum.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self { items: self.items + other.items, objects: self.objects + other.objects, bytes: self.bytes + other.bytes }
    }
}

impl From<Tally> for Amount {
    fn from(tally: Tally) -> Self {
        Self { items: tally.items, objects: tally.objects, bytes: tally.bytes }
    }
}

impl From<Size> for Amount {
    fn from(size: Size) -> Self {
        Self { items: size.items, objects: size.objects, bytes: size.bytes }
    }
}

/// A mover's failure as the engine treats it. One that the engine itself had raised, at a checkpoint or a permit, comes out
/// as it went in.
pub(crate) fn step_error(mut error: WorkError) -> StepError {
    if let Some(source) = error.source.take() {
        match source.downcast::<StepError>() {
            Ok(own) => return *own,
            Err(other) => error.source = Some(other),
        }
    }
    let treatment = match error.treatment {
        workers::error::Treatment::Retryable => engine::Treatment::Retryable,
        workers::error::Treatment::Permanent => engine::Treatment::Permanent,
        workers::error::Treatment::Unfit => engine::Treatment::Unfit,
        workers::error::Treatment::LostLease => engine::Treatment::LostLease,
    };
    StepError { treatment, code: error.code.to_owned(), message: error.message, source: error.source }
}

/// The engine's failure as a mover passes it on.
pub(crate) fn work_error(error: StepError) -> WorkError {
    let treatment = match error.treatment {
        engine::Treatment::Retryable => workers::error::Treatment::Retryable,
        engine::Treatment::Permanent => workers::error::Treatment::Permanent,
        engine::Treatment::Unfit => workers::error::Treatment::Unfit,
        engine::Treatment::LostLease => workers::error::Treatment::LostLease,
    };
    let message = error.to_string();
    WorkError { source: Some(Box::new(error)), treatment, ..WorkError::retryable("catalogue", message) }
}

/// Reads a task's input; another version's is left to that version.
pub(crate) fn read_input<T: for<'a> Deserialize<'a>>(input: &serde_json::Value) -> Result<T, StepError> {
    T::deserialize(input).map_err(|error| {
        StepError::retryable("unreadable_task", format!("the task was written by another version of realmctl: {error}"))
    })
}

pub(crate) fn to_value<T: Serialize>(value: &T) -> serde_json::Value {
    serde_json::to_value(value).expect("our stored types serialise: they have string keys and no failing impls")
}
