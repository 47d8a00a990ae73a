//! Whether anybody is there who would run the tasks of a move: without, its tenant would go offline for nothing.

use engine::runner_table;
use store::{StoreError, Tx};

use crate::data_tasks::{CopyTask, VerifyTask};

/// What a move's tasks are while its tenant is offline.
const NEEDED: [&str; 2] = [CopyTask::KIND, VerifyTask::KIND];

/// What a move waits for when nobody is there, in words; `None`: somebody is.
pub(crate) async fn missing(tx: &mut Tx) -> Result<Option<String>, StoreError> {
    let live = runner_table::live(tx).await?;
    let runs = |kind: &&str| live.iter().any(|runner| runner.task_kinds.iter().any(|runs| runs == kind));
    if NEEDED.iter().all(runs) {
        return Ok(None);
    }
    Ok(Some(match live.len() {
        0 => "a worker: no process is there that runs tasks".to_owned(),
        others => format!("a worker: none of the {others} processes that are there copies and verifies"),
    }))
}
