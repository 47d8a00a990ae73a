//! Tasks: leased, checkpointed units of data work that any process can claim.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use async_trait::async_trait;
use serde_json::Value;
use store::{Store, Tx};
use tokio::task::JoinSet;

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
    async fn run(&self, cx: &TaskContext) -> Result<Value, StepError>;

    /// Runs in the transaction of every checkpoint: what else progress means, such as renewing a tenant's offline lease.
    async fn on_checkpoint(&self, tx: &mut Tx, task: &TaskRecord) -> Result<(), StepError>;

    /// Whether this version reads such an input; if not, why. A handler that reads its input says so here.
    fn readable(&self, _input: &Value) -> Result<(), String> {
        Ok(())
    }

    /// Failed attempts without progress after which the task fails for good.
    fn max_attempts(&self) -> u32;
}

/// A running task's access to its record and its checkpoint.
pub struct TaskContext {
    /// The task as it was claimed.
    pub task: Arc<TaskRecord>,
    pub(crate) store: Store,
    pub(crate) handler: Arc<dyn TaskHandler>,
    pub(crate) probe: Arc<dyn Probe>,
    pub(crate) lease_ms: i64,
    pub(crate) unsettled: Arc<AtomicU32>,
}

impl TaskContext {
    /// Stores where to resume, and what has been done: as shown, and as one number that grows. Fails with `LostLease` when the
    /// task is no longer ours.
    pub async fn save(&self, checkpoint: &Value, progress: &Value, done: u64) -> Result<(), StepError> {
        let done = i64::try_from(done).unwrap_or(i64::MAX);
        let (checkpoint, progress) = (checkpoint.clone(), progress.clone());
        let (store, task, handler, lease_ms) = self.parts();
        driven(async move {
            let mut tx = store.begin().await?;
            task_table::save(&mut tx, &task, &checkpoint, &progress, done, lease_ms).await?;
            handler.on_checkpoint(&mut tx, &task).await?;
            Ok::<_, StepError>(tx.commit().await?)
        })
        .await?;
        self.probe.task(Point { kind: &self.task.kind, state: &self.task.workflow_id, moment: Moment::Written })
    }

    /// Says that work goes on, without a new place to resume from. Fails with `LostLease` when the task is no longer ours.
    pub async fn alive(&self) -> Result<(), StepError> {
        let (store, task, handler, lease_ms) = self.parts();
        driven(async move {
            let mut tx = store.begin().await?;
            if !task_table::heartbeat(&mut tx, &task.id, task.fence, lease_ms).await? {
                return Err(StepError::lost_lease());
            }
            handler.on_checkpoint(&mut tx, &task).await?;
            Ok(tx.commit().await?)
        })
        .await
    }

    /// Where the work counts requests that it has sent and that have no answer. Those left when it ends are waited for.
    pub fn unsettled(&self) -> Arc<AtomicU32> {
        Arc::clone(&self.unsettled)
    }

    /// The store, for reading the catalogue inside [`driven`], such as the ledger before a permit.
    pub fn store(&self) -> Store {
        self.store.clone()
    }

    fn parts(&self) -> (Store, Arc<TaskRecord>, Arc<dyn TaskHandler>, i64) {
        (self.store.clone(), Arc::clone(&self.task), Arc::clone(&self.handler), self.lease_ms)
    }
}

/// Runs a transaction to its end even while the caller is not polled. A mover is one future with many branches: a branch that
/// is not polled for a while must not sit on a connection or a row lock that another branch of it waits for. Dropping the
/// returned future ends the transaction undone.
pub async fn driven<T: Send + 'static>(
    transaction: impl Future<Output = Result<T, StepError>> + Send + 'static,
) -> Result<T, StepError> {
    let mut running = JoinSet::new();
    running.spawn(transaction);
    match running.join_next().await {
        Some(Ok(done)) => done,
        _ => Err(StepError::panicked()),
    }
}
