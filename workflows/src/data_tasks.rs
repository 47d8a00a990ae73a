//! Tasks that move data: each hands one part of one location to the movers, with permits from the ledger and
//! checkpoints under the task's lease.

mod checkpoints;
mod compare;
mod copy;
pub(crate) mod evidence;
mod task_ledger;
mod reaches_live_data;
mod remove;
mod store_identity;
mod verify;

use engine::{StepError, TaskRecord};
use serde::{Deserialize, Serialize};

pub use compare::{CompareInput, CompareTask};
pub use copy::{CopyInput, CopyTask};
pub use remove::{RemoveInput, RemoveTask};
pub(crate) use store_identity::{ANOTHER_TABLE, NO_TABLE_ID, SAME_STORE};
pub(crate) use task_ledger::EntryLedger;
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

/// Reads a task's input; another version's is left to that version.
pub(crate) fn read_input<T: for<'a> Deserialize<'a>>(input: &serde_json::Value) -> Result<T, StepError> {
    T::deserialize(input).map_err(|error| {
        StepError::retryable("unreadable_task", format!("the task was written by another version of realmctl: {error}"))
    })
}

pub(crate) fn to_value<T: Serialize>(value: &T) -> serde_json::Value {
    serde_json::to_value(value).expect("our stored types serialise: they have string keys and no failing impls")
}
