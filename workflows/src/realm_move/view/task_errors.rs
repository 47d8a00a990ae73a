//! What a move's data tasks run into while they are tried again.

use engine::{TaskRecord, TaskStatus};
use serde::{Deserialize, Serialize};

use crate::data_tasks::max_attempts;

/// Different errors shown at a time.
const MOST_SHOWN: usize = 5;

/// An error that open data tasks run into; they are tried again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskErrorView {
    /// A stable code.
    pub code: String,
    /// Words for a person; they name the place.
    pub message: String,
    /// What the tasks do: `copy`, `verify`.
    pub kind: String,
    /// How many tasks run into it.
    pub tasks: u64,
    /// The most failed attempts of one of them since it last got further.
    pub attempts: u32,
    /// After this many it fails for good; absent where it is tried for as long as the cause may pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts_max: Option<u32>,
}

/// One entry for each different error of the open tasks, what is nearest to failing for good first.
pub(super) fn task_errors(tasks: &[TaskRecord]) -> Vec<TaskErrorView> {
    let mut views: Vec<TaskErrorView> = Vec::new();
    for task in tasks.iter().filter(|task| task.status == TaskStatus::Open) {
        let Some(error) = task.failure() else { continue };
        let same = |view: &&mut TaskErrorView| view.message == error.message && view.kind == task.kind;
        if let Some(view) = views.iter_mut().find(same) {
            view.tasks += 1;
            view.attempts = view.attempts.max(task.attempt);
            continue;
        }
        views.push(TaskErrorView {
            code: error.code.clone(),
            message: error.message.clone(),
            kind: task.kind.clone(),
            tasks: 1,
            attempts: task.attempt,
            attempts_max: max_attempts(task),
        });
    }
    views.sort_by_key(|view| std::cmp::Reverse(view.attempts));
    views.truncate(MOST_SHOWN);
    views
}
