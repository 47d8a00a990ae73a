//! Runs one claimed task to its end, its failure, or the loss of its lease.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::FusedFuture;
use serde_json::Value;
use store::StoreError;
use tracing::{debug, error, warn};

use crate::failpoints::{Failpoint, Moment};
use crate::record::{Failing, TaskRecord};
use crate::retry::alarm;
use crate::runner::Runner;
use crate::runner::lease::while_held;
use crate::step_error::{StepError, Treatment};
use crate::tables::task_table::TaskEnd;
use crate::tables::{in_doubt_table, task_table};
use crate::task::in_flight::InFlight;
use crate::task::yielding::Yielding;
use crate::task::{HANDED_OVER, TaskContext, TaskHandler};

impl Runner {
    /// Runs the task and records how it ended.
    pub(crate) async fn run_task(&self, task: &TaskRecord, in_flight: &Arc<InFlight>) {
        let Some(handler) = self.registry.find_task(&task.kind) else {
            return self.give_back(task).await;
        };
        let yielding = Arc::new(Yielding::new(Arc::clone(&self.wanted), !task.keeps_offline));
        let outcome = self.work(task, Arc::clone(&handler), in_flight, &yielding).await;
        // Before anything says that the work has ended. If even that fails, the lease runs out, which is as good.
        if !self.note(task, in_flight).await {
            return;
        }
        if yielding.was_asked() && outcome.as_ref().is_err_and(|error| error.code == HANDED_OVER) {
            debug!(task = task.id, "gives its room to work that keeps a tenant offline");
            return self.hand_task_over(task).await;
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
                warn!(
                    task = task.id,
                    error = error.chain(),
                    "the end of a task could not be recorded; it will be run again"
                );
            }
        }
    }

    /// The work has stopped in order: somebody goes on from its last checkpoint.
    pub(crate) async fn hand_task_over(&self, task: &TaskRecord) {
        let released = async {
            let mut tx = self.store.begin().await?;
            task_table::release(&mut tx, &task.id, task.fence).await?;
            tx.commit().await
        };
        let released: Result<(), StoreError> = released.await;
        if let Err(error) = released {
            warn!(task = task.id, error = error.chain(), "a task could not be handed over; its lease will run out");
        }
        self.let_go(task).await;
    }

    /// The work has stopped: nothing more of it will reach a store, and nobody needs to wait in case something might.
    pub(crate) async fn let_go(&self, task: &TaskRecord) {
        let forgotten = async {
            let mut tx = self.store.begin().await?;
            task_table::let_go(&mut tx, &task.id, task.fence).await?;
            tx.commit().await
        };
        if let Err(error) = forgotten.await {
            debug!(
                task = task.id,
                error = error.chain(),
                "it could not be recorded that the work has stopped; what follows waits longer"
            );
        }
    }

    /// Records that requests of the task have no answer: they may still arrive, whoever works on. `false`: it can't be recorded.
    pub(crate) async fn note(&self, task: &TaskRecord, in_flight: &InFlight) -> bool {
        let Some(signed_at) = in_flight.to_note() else { return true };
        let noted = async {
            let mut tx = self.store.begin().await?;
            in_doubt_table::unanswered(&mut tx, task, signed_at).await?;
            tx.commit().await
        };
        let noted: Result<(), StoreError> = noted.await;
        if let Err(error) = &noted {
            warn!(
                task = task.id,
                error = error.chain(),
                "it could not be recorded that requests got no answer; the lease will run out"
            );
        }
        noted.is_ok()
    }

    async fn work(
        &self,
        task: &TaskRecord,
        handler: Arc<dyn TaskHandler>,
        in_flight: &Arc<InFlight>,
        yielding: &Arc<Yielding>,
    ) -> Result<Value, StepError> {
        self.failpoints.task(Failpoint { kind: &task.kind, state: &task.workflow_id, moment: Moment::Before })?;
        let cx = TaskContext {
            task: Arc::new(task.clone()),
            store: self.store.clone(),
            handler: Arc::clone(&handler),
            failpoints: Arc::clone(&self.failpoints),
            lease_ms: self.settings.lease_ms(),
            in_flight: Arc::clone(in_flight),
            yielding: Arc::clone(yielding),
        };
        let run = AssertUnwindSafe(handler.run(&cx)).catch_unwind();
        let run = async { run.await.unwrap_or_else(|_| Err(StepError::panicked())) };
        let mut run = std::pin::pin!(run.fuse());
        let outcome = while_held(run.as_mut(), self.settings.heartbeat, self.settings.lease, || {
            let (store, id, fence, lease) = (self.store.clone(), task.id.clone(), task.fence, self.settings.lease_ms());
            async move {
                let mut tx = store.begin().await?;
                let held = task_table::heartbeat(&mut tx, &id, fence, lease).await?;
                tx.commit().await?;
                Ok(held)
            }
        })
        .await;
        if !run.is_terminated() {
            // Lost: it sends nothing more, and what has been answered need not be waited for.
            in_flight.hold();
            tokio::select! {
                biased;
                _ = run => {}
                () = in_flight.all_ended(self.settings.answers_within()) => {}
            }
        }
        outcome
    }

    async fn end_task(&self, task: &TaskRecord, end: &TaskEnd<'_>) -> Result<(), StepError> {
        let mut tx = self.store.begin().await?;
        task_table::finish(&mut tx, task, end).await?;
        tx.commit().await?;
        self.failpoints.task(Failpoint { kind: &task.kind, state: &task.workflow_id, moment: Moment::Recorded })
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
        if self.stands_aside_after(&error).await {
            return self.leave_to_others(task, &error).await;
        }
        // Progress may have cleared the count since the task was claimed.
        let mut tx = self.store.begin().await?;
        let (failed_before, before) = task_table::attempts(&mut tx, &task.id).await?;
        let attempt = failed_before + 1;
        let most = handler.max_attempts(task);
        // What has a deadline does not wait until somebody is put right: a tenant may be offline meanwhile. What this process itself had
        // lacked it has by now.
        let unfit = error.treatment == Treatment::Unfit && !self.is_own_failure(&error);
        let had_enough = most.is_some_and(|most| attempt >= most || unfit);
        if error.treatment == Treatment::Permanent || had_enough {
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
        let now = tx.now().await?;
        if let Some(failing_ms) = alarm(before, now, self.settings.alarm_after) {
            error!(
                task = task.id,
                workflow = task.workflow_id,
                kind = task.kind,
                target = task.target,
                code = stored.code,
                failing_ms,
                error = error.chain(),
                "a task fails again and again: it is tried until its cause is put right"
            );
        }
        let wake_at = now + i64::try_from(wait.as_millis()).unwrap_or(i64::MAX / 2);
        let failing = Failing::again(before, now);
        task_table::retry_at(&mut tx, task, attempt, (&stored, failing), wake_at).await?;
        Ok(tx.commit().await?)
    }

    /// What failed is this process, and not the task: no attempt is counted, and whoever is fit claims it at once.
    async fn leave_to_others(&self, task: &TaskRecord, error: &StepError) -> Result<(), StepError> {
        let stored = error.stored();
        let mut tx = self.store.begin().await?;
        let (attempts, before) = task_table::attempts(&mut tx, &task.id).await?;
        let now = tx.now().await?;
        task_table::retry_at(&mut tx, task, attempts, (&stored, Failing::again(before, now)), now).await?;
        tx.announce();
        tx.commit().await?;
        debug!(task = task.id, kind = task.kind, code = stored.code, "a task is left to a process that is fit");
        if let Some(failing_ms) = alarm(before, now, self.settings.alarm_after) {
            error!(
                task = task.id,
                kind = task.kind,
                code = stored.code,
                failing_ms,
                error = error.chain(),
                "a task has been given back for a long time, because each process that takes it lacks something: put the processes right"
            );
        }
        Ok(())
    }

    /// A kind that this process does not know: another version's. Leave it to a process that does.
    async fn give_back(&self, task: &TaskRecord) {
        warn!(task = task.id, kind = task.kind, "unknown kind of task: run a version of realmctl that knows it");
        let error =
            StepError::retryable("unknown_kind", "this version of realmctl does not know this kind of task").stored();
        let given_back = async {
            let mut tx = self.store.begin().await?;
            let now = tx.now().await?;
            let failing = Failing::again(task.failing, now);
            task_table::retry_at(&mut tx, task, task.attempt, (&error, failing), now + self.settings.lease_ms())
                .await?;
            Ok::<(), StepError>(tx.commit().await?)
        };
        if let Err(error) = given_back.await {
            debug!(task = task.id, error = error.chain(), "could not give the task back; its lease will run out");
        }
    }
}
