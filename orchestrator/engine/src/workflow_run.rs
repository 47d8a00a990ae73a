//! Steps one claimed workflow: observe outside, then one transaction. An unknown commit outcome is read back.

use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use tracing::{debug, info, warn};

use crate::lease::while_held;
use crate::probe::{Moment, Point};
use crate::record::WorkflowRecord;
use crate::registry::AnyWorkflow;
use crate::runner::Runner;
use crate::step::{Outcome, StepTx};
use crate::step_error::{StepError, Treatment};
use crate::workflow_table;

/// What became of a step.
enum Stepped {
    /// Recorded; the lease is kept and the next state can be stepped at once.
    GoOn(Box<WorkflowRecord>),
    /// Recorded; nothing more to do now.
    Parked,
    /// Not ours any more.
    Lost,
}

/// How many times in a row a step is tried again at once when the database breaks off, before its lease is left to run out.
const READ_BACKS: u32 = 5;

impl Runner {
    /// Steps the workflow until it waits, ends or is lost.
    pub(crate) async fn drive(&self, mut record: WorkflowRecord) {
        let mut broken = 0;
        loop {
            match self.step(&record).await {
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
                    warn!(workflow = record.id, state = record.state, %error, "the outcome of a step is unknown; reading the row again");
                    match self.read_back(&record, broken).await {
                        Some(current) => record = current,
                        None => return,
                    }
                }
            }
        }
    }

    /// One step, for drivers that tick; the lease is given back.
    pub(crate) async fn step_once(&self, record: WorkflowRecord) {
        let stepped = self.step(&record).await;
        if let Err(error) = &stepped {
            warn!(workflow = record.id, state = record.state, %error, "the outcome of a step is unknown");
        }
        let fence = match &stepped {
            Ok(Stepped::GoOn(next)) => next.fence,
            _ => record.fence,
        };
        let released = async {
            let mut tx = self.store.begin().await?;
            workflow_table::release(&mut tx, &record.id, fence).await?;
            tx.commit().await
        };
        if let Err(error) = released.await {
            debug!(workflow = record.id, %error, "the lease could not be given back; it will run out");
        }
    }

    /// Reads the row again after an unknown outcome. Ours still: go on from what is stored, be it the old state or the new.
    async fn read_back(&self, record: &WorkflowRecord, broken: u32) -> Option<WorkflowRecord> {
        if broken > READ_BACKS {
            return None;
        }
        tokio::time::sleep(self.settings.retry.wait(broken, self.ids.chance())).await;
        let read = async {
            let mut tx = self.store.read().await?;
            let current = workflow_table::get(&mut tx, &record.id).await;
            tx.rollback().await?;
            current
        };
        match read.await {
            Ok(Some(current)) if current.fence == record.fence && current.wake_at.is_some() => Some(current),
            Ok(_) => None,
            Err(_) => Some(record.clone()),
        }
    }

    /// An error means that the database broke off and the outcome is unknown.
    async fn step(&self, record: &WorkflowRecord) -> Result<Stepped, StepError> {
        let Some(workflow) = self.registry.find_workflow(&record.kind) else {
            let error =
                StepError::retryable("unknown_kind", "this version of realmctl does not know this kind of workflow");
            return self.failed(record, None, error).await;
        };
        let point = |moment| Point { kind: &record.kind, state: &record.state, moment };
        let seen = async {
            self.probe.step(point(Moment::Before))?;
            let seen = self.observe(workflow.as_ref(), record).await?;
            self.probe.step(point(Moment::Observed))?;
            Ok(seen)
        };
        let seen = match seen.await {
            Ok(seen) => seen,
            Err(error) => return self.failed(record, Some(workflow.as_ref()), error).await,
        };
        let mut tx = self.store.begin().await?;
        let Some(mut step) = StepTx::lock(&mut tx, self.ids.as_ref(), &record.id, Some(record.fence)).await? else {
            return Ok(Stepped::Lost);
        };
        let advance = AssertUnwindSafe(workflow.advance(&mut step, seen, self.settings.lease_ms())).catch_unwind();
        let written = match advance.await.unwrap_or_else(|_| Err(StepError::panicked())) {
            Ok(written) => self.probe.step(point(Moment::Written)).map(|()| written),
            Err(error) => Err(error),
        };
        let written = match written {
            Ok(written) => written,
            Err(error) => {
                tx.rollback().await?;
                return self.failed(record, Some(workflow.as_ref()), error).await;
            }
        };
        tx.commit().await?;
        self.probe.step(point(Moment::Recorded))?;
        Ok(self.recorded(record, written))
    }

    async fn observe(
        &self,
        workflow: &dyn AnyWorkflow,
        record: &WorkflowRecord,
    ) -> Result<Box<dyn std::any::Any + Send>, StepError> {
        let observe = AssertUnwindSafe(workflow.observe(record)).catch_unwind();
        let observe = async { observe.await.unwrap_or_else(|_| Err(StepError::panicked())) };
        while_held(observe, self.settings.heartbeat, self.settings.lease, || async {
            let mut tx = self.store.begin().await?;
            let held = workflow_table::heartbeat(&mut tx, &record.id, record.fence, self.settings.lease_ms()).await?;
            tx.commit().await?;
            Ok(held)
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
        let mut tx = self.store.begin().await?;
        let Some(mut step) = StepTx::lock(&mut tx, self.ids.as_ref(), &record.id, Some(record.fence)).await? else {
            return Ok(Stepped::Lost);
        };
        let led = match workflow {
            Some(workflow) => workflow.fail(&mut step, &error, &stored, self.settings.lease_ms()).await?,
            None => None,
        };
        let attempt = record.attempt + 1;
        let Some(written) = led else {
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
            let wake_at = step.now + i64::try_from(wait.as_millis()).unwrap_or(i64::MAX / 2);
            let locked = step.record.clone();
            workflow_table::retry_at(&mut tx, &locked, attempt, &stored, wake_at).await?;
            tx.commit().await?;
            return Ok(Stepped::Parked);
        };
        tx.commit().await?;
        warn!(
            workflow = record.id,
            kind = record.kind,
            state = record.state,
            next = written.record.state,
            code = stored.code,
            error = error.chain(),
            "step failed"
        );
        Ok(self.recorded(record, written))
    }

    fn recorded(&self, before: &WorkflowRecord, written: Outcome) -> Stepped {
        let after = written.record;
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
        // Tasks may have been fanned out, workflows started or ended.
        self.wake.notify_waiters();
        if written.go_on { Stepped::GoOn(Box::new(after)) } else { Stepped::Parked }
    }
}
