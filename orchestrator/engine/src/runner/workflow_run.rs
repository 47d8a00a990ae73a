//! Steps one claimed workflow: observe outside, then one transaction. An unknown commit outcome is read back.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use crate::failpoints::{Failpoint, Moment};
use crate::record::{Failing, WorkflowRecord};
use crate::registry::AnyWorkflow;
use crate::retry::alarm;
use crate::runner::Runner;
use crate::runner::commit_group::{CommitQueue, Ready, Shared};
use crate::runner::lease::while_held;
use crate::step::{Held, StepTx};
use crate::step_error::{StepError, Treatment};
use crate::tables::held_row::Holding;
use crate::tables::workflow_table;

/// What became of a step.
enum Stepped {
    /// Recorded; the lease is kept and the next state can be stepped at once.
    GoOn(Box<WorkflowRecord>),
    /// Recorded; nothing more to do now.
    Parked,
    /// Not ours any more.
    Lost,
}

/// What a step saw outside, without its type.
type Seen = Box<dyn Any + Send>;

/// How many times in a row a step is tried again at once when the database breaks off, before its lease is left to run out.
const READ_BACKS: u32 = 5;

impl Runner {
    /// Steps the workflow until it waits, ends or is lost; told to stop, it gives the lease back between two steps.
    pub(crate) async fn drive(&self, mut record: WorkflowRecord, queue: &CommitQueue, stop: &CancellationToken) {
        let mut broken = 0;
        loop {
            if stop.is_cancelled() || self.leaves_to_others(&record) {
                return self.hand_over(&record.id, record.fence).await;
            }
            match self.step(&record, Some(queue)).await {
                Ok(Stepped::GoOn(next)) => {
                    broken = 0;
                    record = *next;
                }
                Ok(Stepped::Parked) => return,
                Ok(Stepped::Lost) => {
                    debug!(workflow = record.id, "workflow is no longer ours");
                    return;
                }
                Err(error) => {
                    broken += 1;
                    warn!(
                        workflow = record.id,
                        state = record.state,
                        error = error.chain(),
                        "the outcome of a step is unknown; reading the row again"
                    );
                    match self.read_back(&record, broken).await {
                        Some(current) => record = current,
                        None => return,
                    }
                }
            }
        }
    }

    /// A state that this process does not claim while it stands aside, and to which a step has led.
    fn leaves_to_others(&self, record: &WorkflowRecord) -> bool {
        !self.standing.takes_part() && self.registry.reaches_out(&record.kind, &record.state)
    }

    /// One step, for drivers that tick; the lease is given back.
    pub(crate) async fn step_once(&self, record: WorkflowRecord) {
        let stepped = self.step(&record, None).await;
        if let Err(error) = &stepped {
            warn!(
                workflow = record.id,
                state = record.state,
                error = error.chain(),
                "the outcome of a step is unknown"
            );
        }
        let fence = match &stepped {
            Ok(Stepped::GoOn(next)) => next.fence,
            _ => record.fence,
        };
        self.hand_over(&record.id, fence).await;
    }

    /// Gives the lease back, so that nobody needs to wait until it has run out.
    async fn hand_over(&self, id: &str, fence: i64) {
        let released = async {
            let mut tx = self.store.begin().await?;
            workflow_table::release(&mut tx, id, fence).await?;
            tx.commit().await
        };
        if let Err(error) = released.await {
            debug!(workflow = id, error = error.chain(), "the lease could not be given back; it will run out");
        }
    }

    /// Reads the row again after an unknown outcome. Ours still: go on from what is stored, be it the old state or the new.
    async fn read_back(&self, record: &WorkflowRecord, broken: u32) -> Option<WorkflowRecord> {
        if broken > READ_BACKS {
            return None;
        }
        tokio::time::sleep(self.settings.retry.wait(broken, self.ids.chance())).await;
        match self.catch_up(record).await {
            Ok(Stepped::GoOn(current)) => Some(*current),
            Ok(Stepped::Parked | Stepped::Lost) => None,
            // What is known may be older than what is stored: the next step finds that when it has locked the row.
            Err(_) => Some(record.clone()),
        }
    }

    /// What is stored of a workflow of which the holder may know an older state. One that is held back is given back.
    async fn catch_up(&self, record: &WorkflowRecord) -> Result<Stepped, StepError> {
        self.failpoints.step(point(record, Moment::ReadBack))?;
        let mut tx = self.store.read().await?;
        let stored = workflow_table::get(&mut tx, &record.id).await;
        tx.rollback().await?;
        match stored? {
            Some(stored) if Holding::of(record, &stored) == Holding::Lost => Ok(Stepped::Lost),
            Some(stored) if stored.paused => self.park(&stored).await,
            Some(stored) => Ok(Stepped::GoOn(Box::new(stored))),
            None => Ok(Stepped::Lost),
        }
    }

    /// One step, in a shared transaction if it may and there is a queue for those, else in its own. An error means that the
    /// database broke off and the outcome is unknown.
    async fn step(&self, record: &WorkflowRecord, queue: Option<&CommitQueue>) -> Result<Stepped, StepError> {
        let Some(workflow) = self.registry.find_workflow(&record.kind) else {
            let error =
                StepError::retryable("unknown_kind", "this version of realmctl does not know this kind of workflow");
            return self.failed(record, None, error).await;
        };
        let seen = match self.look(workflow.as_ref(), record).await {
            Ok(seen) => seen,
            Err(error) => return self.failed(record, Some(workflow.as_ref()), error).await,
        };
        let Some(queue) = queue.filter(|_| self.settings.shared_commit > 1 && workflow.shares_commits(&record.state))
        else {
            return self.step_alone(record, workflow.as_ref(), seen).await;
        };
        let ready = Ready { record: record.clone(), workflow: Arc::clone(&workflow), seen };
        match queue.commit(ready).await {
            Shared::Recorded { after, go_on } => Ok(recorded(record, *after, go_on)),
            Shared::NotAsKnown => self.catch_up(record).await,
            Shared::Failed(error) => self.failed(record, Some(workflow.as_ref()), error).await,
            Shared::Undone => match self.look(workflow.as_ref(), record).await {
                Ok(seen) => self.step_alone(record, workflow.as_ref(), seen).await,
                Err(error) => self.failed(record, Some(workflow.as_ref()), error).await,
            },
            Shared::Unknown(error) => Err(error),
        }
    }

    /// Looks at the outside, between its two moments.
    async fn look(&self, workflow: &dyn AnyWorkflow, record: &WorkflowRecord) -> Result<Seen, StepError> {
        self.failpoints.step(point(record, Moment::Before))?;
        let seen = self.observe(workflow, record).await?;
        self.failpoints.step(point(record, Moment::Observed))?;
        Ok(seen)
    }

    async fn step_alone(
        &self,
        record: &WorkflowRecord,
        workflow: &dyn AnyWorkflow,
        seen: Seen,
    ) -> Result<Stepped, StepError> {
        let mut tx = self.store.begin().await?;
        let mut step = match StepTx::lock_held(&mut tx, self.ids.as_ref(), record).await? {
            Held::AsKnown(step) => step,
            Held::Further(stored) => return Ok(Stepped::GoOn(stored)),
            Held::Lost => return Ok(Stepped::Lost),
        };
        if step.record.paused {
            tx.rollback().await?;
            return self.park(record).await;
        }
        let written = async {
            let advance = AssertUnwindSafe(workflow.advance(&mut step, seen, self.settings.lease_ms())).catch_unwind();
            let outcome = advance.await.unwrap_or_else(|_| Err(StepError::panicked()))?;
            let before = step.write(&outcome).await?;
            self.failpoints.step(point(record, Moment::Written))?;
            Ok((before, outcome))
        };
        let (before, outcome) = match written.await {
            Ok(written) => written,
            Err(error) => {
                tx.rollback().await?;
                return self.failed(record, Some(workflow), error).await;
            }
        };
        tx.commit().await?;
        self.failpoints.step(point(record, Moment::Recorded))?;
        let go_on = outcome.go_on;
        Ok(recorded(record, outcome.after(before), go_on))
    }

    /// Gives the lease of a workflow back that an operator holds back.
    async fn park(&self, record: &WorkflowRecord) -> Result<Stepped, StepError> {
        let mut tx = self.store.begin().await?;
        workflow_table::release(&mut tx, &record.id, record.fence).await?;
        tx.commit().await?;
        Ok(Stepped::Parked)
    }

    async fn observe(&self, workflow: &dyn AnyWorkflow, record: &WorkflowRecord) -> Result<Seen, StepError> {
        let observe = AssertUnwindSafe(workflow.observe(record)).catch_unwind();
        let observe = async { observe.await.unwrap_or_else(|_| Err(StepError::panicked())) };
        while_held(observe, self.settings.heartbeat, self.settings.lease, || {
            let (store, lease) = (self.store.clone(), self.settings.lease_ms());
            let (id, fence) = (record.id.clone(), record.fence);
            async move {
                let mut tx = store.begin().await?;
                let held = workflow_table::heartbeat(&mut tx, &id, fence, lease).await?;
                tx.commit().await?;
                Ok(held)
            }
        })
        .await
    }

    /// Records a failed attempt: where it leads is the workflow's decision.
    async fn failed(
        &self,
        record: &WorkflowRecord,
        workflow: Option<&dyn AnyWorkflow>,
        error: StepError,
    ) -> Result<Stepped, StepError> {
        if error.treatment == Treatment::LostLease {
            return Ok(Stepped::Lost);
        }
        let stored = error.stored();
        // What keeps a tenant offline rolls back without it, and does not wait for this process to be put right.
        let unharmed = !record.keeps_offline && self.stands_aside_after(&error).await;
        let mut tx = self.store.begin().await?;
        let mut step = match StepTx::lock_held(&mut tx, self.ids.as_ref(), record).await? {
            Held::AsKnown(step) => step,
            // It was not this state that failed.
            Held::Further(stored) => return Ok(Stepped::GoOn(stored)),
            Held::Lost => return Ok(Stepped::Lost),
        };
        if unharmed {
            let (locked, now) = (step.record.clone(), step.now);
            let wake_at = now + i64::try_from(self.settings.heartbeat.as_millis()).unwrap_or(i64::MAX / 2);
            let failing = Failing::again(locked.failing, now);
            workflow_table::retry_at(&mut tx, &locked, locked.attempt, (&stored, failing), wake_at).await?;
            tx.commit().await?;
            debug!(
                workflow = record.id,
                state = record.state,
                code = stored.code,
                "a step is left to a process that is fit"
            );
            if let Some(failing_ms) = alarm(locked.failing, now, self.settings.alarm_after) {
                error!(
                    workflow = record.id,
                    state = record.state,
                    code = stored.code,
                    failing_ms,
                    error = error.chain(),
                    "a step has been given back for a long time, because each process that takes it lacks something: put the processes right"
                );
            }
            return Ok(Stepped::Parked);
        }
        let led = match workflow {
            Some(workflow) => workflow.fail(&mut step, &error, &stored, self.settings.lease_ms()).await?,
            None => None,
        };
        let attempt = record.attempt + 1;
        let Some(outcome) = led else {
            let wait = self.settings.retry.wait(attempt, self.ids.chance());
            warn!(
                workflow = record.id,
                kind = record.kind,
                state = record.state,
                code = stored.code,
                attempt,
                wait_ms = wait.as_millis(),
                error = error.chain(),
                "step will be tried again"
            );
            let (now, locked) = (step.now, step.record.clone());
            if let Some(failing_ms) = alarm(locked.failing, now, self.settings.alarm_after) {
                error!(
                    workflow = record.id,
                    kind = record.kind,
                    state = record.state,
                    tenant = record.subject,
                    code = stored.code,
                    failing_ms,
                    error = error.chain(),
                    "a step fails again and again: it is tried until its cause is put right"
                );
            }
            let wake_at = now + i64::try_from(wait.as_millis()).unwrap_or(i64::MAX / 2);
            let failing = Failing::again(locked.failing, now);
            workflow_table::retry_at(&mut tx, &locked, attempt, (&stored, failing), wake_at).await?;
            tx.commit().await?;
            return Ok(Stepped::Parked);
        };
        let before = step.write(&outcome).await?;
        tx.commit().await?;
        warn!(
            workflow = record.id,
            kind = record.kind,
            state = record.state,
            next = outcome.written.state,
            code = stored.code,
            error = error.chain(),
            "step failed"
        );
        let go_on = outcome.go_on;
        Ok(recorded(record, outcome.after(before), go_on))
    }
}

fn recorded(before: &WorkflowRecord, after: WorkflowRecord, go_on: bool) -> Stepped {
    if before.state != after.state {
        info!(
            workflow = after.id,
            kind = after.kind,
            tenant = after.subject,
            from = before.state,
            to = after.state,
            "state"
        );
    }
    if go_on { Stepped::GoOn(Box::new(after)) } else { Stepped::Parked }
}

fn point(record: &WorkflowRecord, moment: Moment) -> Failpoint<'_> {
    Failpoint { kind: &record.kind, state: &record.state, moment }
}
