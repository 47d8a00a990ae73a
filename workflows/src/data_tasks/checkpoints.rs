//! A mover's checkpoints, stored with its task.

use async_trait::async_trait;
use engine::task::TaskContext;
use serde_json::Value;
use workers::error::WorkError;
use workers::progress::{Checkpoints, Tally};

use super::{Amount, to_value, work_error};

/// Stores checkpoints through the task's context, under its lease.
pub(crate) struct TaskCheckpoints<'a>(pub(crate) &'a TaskContext);

#[async_trait]
impl Checkpoints for TaskCheckpoints<'_> {
    async fn save(&self, resume: Value, done: Tally) -> Result<(), WorkError> {
        let amount = Amount::from(done);
        let measure = amount.items + amount.objects + amount.bytes;
        self.0.save(&resume, &to_value(&amount), measure).await.map_err(work_error)
    }

    async fn alive(&self) -> Result<(), WorkError> {
        self.0.alive().await.map_err(work_error)
    }
}
