//! Tasks: leased, checkpointed units of data work that any process can claim.

use async_trait::async_trait;
use serde_json::Value;
use store::{Store, StoreError, Tx};

use crate::probe::{Moment, Point, Probe};
use crate::record::TaskRecord;
use crate::step_error::StepError;
use crate::task_table;

pub use crate::task_table::NewTask;

/// Runs the tasks of one kind.
#[async_trait]
pub trait TaskHandler: Send + Sync + 'static {
    /// The kind, as stored. Never renamed.
    fn kind(&self) -> &'static str;

    /// Does the work from the task's checkpoint on; returns its result. Dropped when the lease is lost.
    async fn run(&self, cx: &TaskContext<'_>) -> Result<Value, StepError>;

    /// Runs in the transaction of every checkpoint: what else progress means, such as renewing a tenant's offline lease.
    async fn on_checkpoint(&self, tx: &mut Tx, task: &TaskRecord) -> Result<(), StepError>;

    /// Failed attempts without progress after which the task fails for good.
    fn max_attempts(&self) -> u32;
}

/// A running task's access to its record and its checkpoint.
pub struct TaskContext<'a> {
    /// The task as it was claimed.
    pub task: &'a TaskRecord,
    pub(crate) store: &'a Store,
    pub(crate) handler: &'a dyn TaskHandler,
    pub(crate) probe: &'a dyn Probe,
    pub(crate) lease_ms: i64,
}

impl TaskContext<'_> {
    /// Stores where to resume, and what has been done: as shown, and as one number that grows. Fails with `LostLease` when the
    /// task is no longer ours.
    pub async fn save(&self, checkpoint: &Value, progress: &Value, done: u64) -> Result<(), StepError> {
        let done = i64::try_from(done).unwrap_or(i64::MAX);
        let mut tx = self.store.begin().await?;
        task_table::save(&mut tx, self.task, checkpoint, progress, done, self.lease_ms).await?;
        self.handler.on_checkpoint(&mut tx, self.task).await?;
        tx.commit().await?;
        self.probe.task(Point { kind: &self.task.kind, state: &self.task.workflow_id, moment: Moment::Written })
    }

    /// Says that work goes on, without a new place to resume from. Fails with `LostLease` when the task is no longer ours.
    pub async fn alive(&self) -> Result<(), StepError> {
        let mut tx = self.store.begin().await?;
        if !task_table::heartbeat(&mut tx, &self.task.id, self.task.fence, self.lease_ms).await? {
            return Err(StepError::lost_lease());
        }
        self.handler.on_checkpoint(&mut tx, self.task).await?;
        Ok(tx.commit().await?)
    }

    /// A transaction for reading the catalogue, such as the ledger before a permit.
    pub async fn read(&self) -> Result<Tx, StoreError> {
        self.store.read().await
    }
}
