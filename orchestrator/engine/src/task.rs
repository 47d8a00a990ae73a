//! Tasks: leased, checkpointed units of data work that any process can claim.

pub(crate) mod in_flight;
pub(crate) mod yielding;

use std::sync::Arc;

use async_trait::async_trait;
use futures::future::BoxFuture;
use serde_json::Value;
use store::{Store, Tx};
use tokio::task::JoinSet;

use crate::failpoints::{Failpoint, Failpoints, Moment};
use crate::record::TaskRecord;
use crate::step_error::StepError;
use crate::tables::{in_doubt_table, task_table};
use crate::task::in_flight::InFlight;
use crate::task::yielding::Yielding;

pub use crate::tables::task_table::NewTask;

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

    /// Failed attempts without progress after which the task fails for good; `None`: it is tried again for as long as the cause
    /// may pass, because nothing presses.
    fn max_attempts(&self, task: &TaskRecord) -> Option<u32>;
}

/// What is written along with a checkpoint.
pub type Along = Box<dyn for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<(), StepError>> + Send>;

/// A running task's access to its record and its checkpoint.
pub struct TaskContext {
    /// The task as it was claimed.
    pub task: Arc<TaskRecord>,
    pub(crate) store: Store,
    pub(crate) handler: Arc<dyn TaskHandler>,
    pub(crate) failpoints: Arc<dyn Failpoints>,
    pub(crate) lease_ms: i64,
    pub(crate) in_flight: Arc<InFlight>,
    pub(crate) yielding: Arc<Yielding>,
}

/// The code of the error with which work ends that was wanted back and has saved where it stands.
pub const HANDED_OVER: &str = "handed_over";

impl TaskContext {
    /// Stores where to resume, and what has been done: as shown, and as one number that grows. Fails with `LostLease` when the
    /// task is no longer ours.
    pub async fn save(&self, checkpoint: &Value, progress: &Value, done: u64) -> Result<(), StepError> {
        self.save_along(checkpoint, progress, done, Box::new(|_| Box::pin(async { Ok(()) }))).await
    }

    /// The same, with more to be written in the transaction of the checkpoint.
    pub async fn save_along(
        &self,
        checkpoint: &Value,
        progress: &Value,
        done: u64,
        along: Along,
    ) -> Result<(), StepError> {
        let done = i64::try_from(done).unwrap_or(i64::MAX);
        let (checkpoint, progress) = (checkpoint.clone(), progress.clone());
        let (store, task, handler, lease_ms) = self.parts();
        let unanswered = self.in_flight.to_note();
        driven(async move {
            let mut tx = store.begin().await?;
            task_table::save(&mut tx, &task, &checkpoint, &progress, done, lease_ms).await?;
            along(&mut tx).await?;
            handler.on_checkpoint(&mut tx, &task).await?;
            if let Some(signed_at) = unanswered {
                in_doubt_table::unanswered(&mut tx, &task, signed_at).await?;
            }
            Ok::<_, StepError>(tx.commit().await?)
        })
        .await?;
        unanswered.into_iter().for_each(|signed_at| self.in_flight.note(signed_at));
        self.failpoints.task(Failpoint {
            kind: &self.task.kind,
            state: &self.task.workflow_id,
            moment: Moment::Written,
        })
    }

    /// Writes something besides checkpoints, if the task is still ours.
    pub async fn write(&self, what: Along) -> Result<(), StepError> {
        let (store, task, handler, lease_ms) = self.parts();
        driven(async move {
            let mut tx = store.begin().await?;
            if !task_table::heartbeat(&mut tx, &task.id, task.fence, lease_ms).await? {
                return Err(StepError::lost_lease());
            }
            what(&mut tx).await?;
            handler.on_checkpoint(&mut tx, &task).await?;
            Ok(tx.commit().await?)
        })
        .await
    }

    /// Says that work goes on, without a new place to resume from. Fails with `LostLease` when the task is no longer ours.
    pub async fn alive(&self) -> Result<(), StepError> {
        self.write(Box::new(|_| Box::pin(async { Ok(()) }))).await
    }

    /// Whether work that keeps a tenant offline needs this one's room: then it stops when no request of its is on its way, saves,
    /// and ends with an error of the code [`HANDED_OVER`]. Whoever claims it next goes on from there.
    pub fn is_wanted_back(&self) -> bool {
        self.yielding.is_asked()
    }

    /// Where the work tells of the requests that it sends. What got no answer is waited for by whoever relies on the target.
    pub fn in_flight(&self) -> Arc<InFlight> {
        Arc::clone(&self.in_flight)
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
