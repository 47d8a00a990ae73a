//! How far a move is.

use engine::{TaskRecord, TaskStatus};
use serde::{Deserialize, Serialize};

use crate::amount::Amount;
use crate::data_tasks::CopyTask;
use crate::realm_move::state::{MoveState, Stage, copied_amount};

/// How far the data work of the current state is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProgressView {
    /// Tasks that are done.
    pub tasks_done: u64,
    /// All tasks.
    pub tasks: u64,
    /// Handled so far.
    pub done: Amount,
    /// How much there is, as counted before going offline.
    pub expected: Amount,
}

/// Copy tasks count what they wrote. While verifying, what was copied is what there is to read back.
pub(super) fn progress(state: &MoveState, tasks: &[TaskRecord]) -> Option<ProgressView> {
    if tasks.is_empty() {
        return None;
    }
    let copying = tasks.iter().any(|task| task.kind == CopyTask::KIND);
    let expected = match &state.stage {
        Stage::Verify { copied, .. } if !copying => copied_amount(copied),
        _ => state.expected.unwrap_or_default(),
    };
    let amount = |task: &TaskRecord| {
        let counted = if task.status == TaskStatus::Done { task.result.as_ref() } else { Some(&task.progress) };
        counted.and_then(|value| Amount::deserialize(value).ok()).unwrap_or_default()
    };
    Some(ProgressView {
        tasks_done: tasks.iter().filter(|task| task.status == TaskStatus::Done).count() as u64,
        tasks: tasks.len() as u64,
        done: tasks.iter().map(amount).sum(),
        expected,
    })
}
