//! Runs one claimed task to its end, its failure, or the loss of its lease.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures::FutureExt;
use serde_json::Value;
use store::StoreError;
use tracing::{debug, warn};

use crate::lease::while_held;
use crate::probe::{Moment, Point};
use crate::record::TaskRecord;
use crate::runner::Runner;
use crate::step_error::{StepError, Treatment};
use crate::straggler_table;
use crate::task::{TaskContext, TaskHandler};
use crate::task_table::{self, TaskEnd};

impl Runner {
    /// Runs the task and records how it ended.
    pub(crate) async fn run_task(&self, task: &TaskRecord, unsettled: &Arc<AtomicU32>) {
        let Some(handler) = self.registry.find_task(&task.kind) else {
            return self.give_back(task).await;
        };
        let outcome = self.work(task, Arc::clone(&handler), unsettled).await;
        // Before anything says that the work has ended. If even that fails, the lease runs out, which is as good.
        if !self.note_unsettled(task, unsettled).await {
            return;
        }
        let recorded = match outcome {
            Ok(result) => self.end_task(task, &TaskEnd::Done(&result)).await,
            Err(error) => self.task_failed(task, handler.as_ref(), error).await,
        };
        match recorded {
            Ok(()) => {}
            Err(error) if error.treatment == Treatment::LostLease => {
                debug!(task = task.id, "task is no longer ours");
                self.let_go(task).await;
            }
            // Nothing is lost: the lease runs out and the task is claimed again from its checkpoint.
            Err(error) => {
                warn!(task = task.id, %error, "the end of a task could not be recorded; it will be run again");
            }
        }
    }

    /// The work has stopped: nothing more of it will reach a store, and nobody needs to wait in case something might.
    pub(crate) async fn let_go(&self, task: &TaskRecord) {
        let forgotten = async {
            let mut tx = self.store.begin().await?;
            task_table::let_go(&mut tx, &task.id, task.fence).await?;
            tx.commit().await
        };
        if let Err(error) = forgotten.await {
            debug!(task = task.id, %error, "it could not be recorded that the work has stopped; what follows waits longer");
        }
    }

    /// Records that requests of the task have no answer: they may still arrive, whoever works on. `false`: it can't be recorded.
    pub(crate) async fn note_unsettled(&self, task: &TaskRecord, unsettled: &AtomicU32) -> bool {
        if unsettled.load(Ordering::SeqCst) == 0 {
            return true;
        }
        let noted = async {
            let mut tx = self.store.begin().await?;
            straggler_table::unanswered(&mut tx, task).await?;
            tx.commit().await
        };
        let noted: Result<(), StoreError> = noted.await;
        if let Err(error) = &noted {
            warn!(task = task.id, %error, "it could not be recorded that requests got no answer; the lease will run out");
        }
        noted.is_ok()
    }

    async fn work(
        &self,
        task: &TaskRecord,
        handler: Arc<dyn TaskHandler>,
        unsettled: &Arc<AtomicU32>,
    ) -> Result<Value, StepError> {
        self.probe.task(Point { kind: &task.kind, state: &task.workflow_id, moment: Moment::Before })?;
        let cx = TaskContext {
            task: Arc::new(task.clone()),
            store: self.store.clone(),
            handler: Arc::clone(&handler),
            probe: Arc::clone(&self.probe),
            lease_ms: self.settings.lease_ms(),
            unsettled: Arc::clone(unsettled),
        };
        let run = AssertUnwindSafe(handler.run(&cx)).catch_unwind();
        let run = async { run.await.unwrap_or_else(|_| Err(StepError::panicked())) };
        while_held(run, self.settings.heartbeat, self.settings.lease, || async {
            let mut tx = self.store.begin().await?;
            let held = task_table::heartbeat(&mut tx, &task.id, task.fence, self.settings.lease_ms()).await?;
            tx.commit().await?;
            Ok(held)
        })
        .await
    }

    async fn end_task(&self, task: &TaskRecord, end: &TaskEnd<'_>) -> Result<(), StepError> {
        let mut tx = self.store.begin().await?;
        task_table::finish(&mut tx, task, end).await?;
        tx.commit().await?;
        self.probe.task(Point { kind: &task.kind, state: &task.workflow_id, moment: Moment::Recorded })
    }

    async fn task_failed(
        &self,
        task: &TaskRecord,
        handler: &dyn TaskHandler,
        error: StepError,
    ) -> Result<(), StepError> {
        let stored = error.stored();
        if error.treatment == Treatment::LostLease {
            return Err(error);
        }
        // Progress may have cleared the count since the task was claimed.
        let mut tx = self.store.begin().await?;
        let failed_before = task_table::attempts(&mut tx, &task.id).await?;
        let attempt = failed_before + 1;
        if error.treatment == Treatment::Permanent || attempt >= handler.max_attempts() {
            tx.rollback().await?;
            warn!(task = task.id, kind = task.kind, code = stored.code, error = error.chain(), "task failed for good");
            return self.end_task(task, &TaskEnd::Failed(&stored)).await;
        }
        let wait = self.settings.retry.wait(attempt, self.ids.chance());
        warn!(
            task = task.id,
            kind = task.kind,
            code = stored.code,
            attempt,
            wait_ms = wait.as_millis(),
            error = error.chain(),
            "task will be tried again"
        );
        let wake_at = tx.now().await? + i64::try_from(wait.as_millis()).unwrap_or(i64::MAX / 2);
        task_table::retry_at(&mut tx, task, attempt, &stored, wake_at).await?;
        Ok(tx.commit().await?)
    }

    /// A kind that this process does not know: another version's. Leave it to a process that does.
    async fn give_back(&self, task: &TaskRecord) {
        warn!(task = task.id, kind = task.kind, "unknown kind of task: run a version of realmctl that knows it");
        let error =
            StepError::retryable("unknown_kind", "this version of realmctl does not know this kind of task").stored();
        let given_back = async {
            let mut tx = self.store.begin().await?;
            let later = tx.now().await? + self.settings.lease_ms();
            task_table::retry_at(&mut tx, task, task.attempt, &error, later).await?;
            Ok::<(), StepError>(tx.commit().await?)
        };
        if let Err(error) = given_back.await {
            debug!(task = task.id, %error, "could not give the task back; its lease will run out");
        }
    }
}
