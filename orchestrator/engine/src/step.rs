//! What a step can do inside its transaction, and how its outcome is written.

use std::marker::PhantomData;

use store::{Millis, StoreError, Tx};

use crate::ids::Ids;
use crate::pause_table;
use crate::record::{StoredError, TaskRecord, WorkflowRecord};
use crate::step_error::StepError;
use crate::step_table::{self, Written};
use crate::task_table::{self, NewTask};
use crate::workflow::{Next, Workflow};
use crate::workflow_table::{self, NewWorkflow, to_json};

/// The transaction of one step (or intervention), with the workflow's row locked.
pub struct StepTx<'a> {
    /// The transaction. The catalogue's functions take it.
    pub tx: &'a mut Tx,
    /// The workflow as it was when the step began.
    pub record: WorkflowRecord,
    /// The time by the database when the row lock was held.
    pub now: Millis,
    /// Source of identifiers.
    pub ids: &'a dyn Ids,
    fence: i64,
}

impl<'a> StepTx<'a> {
    /// Locks the workflow. `None` when there is no such workflow, or its fence is not `fence`.
    pub(crate) async fn lock(
        tx: &'a mut Tx,
        ids: &'a dyn Ids,
        id: &str,
        fence: Option<i64>,
    ) -> Result<Option<Self>, StoreError> {
        let Some((record, now)) = workflow_table::lock_with_time(tx, id).await? else { return Ok(None) };
        if fence.is_some_and(|fence| fence != record.fence) {
            return Ok(None);
        }
        Ok(Some(Self::locked(tx, ids, record, now)))
    }

    /// For a workflow whose row is locked already, under the record's fence.
    pub(crate) fn locked(tx: &'a mut Tx, ids: &'a dyn Ids, record: WorkflowRecord, now: Millis) -> Self {
        Self { tx, fence: record.fence, record, now, ids }
    }

    /// Fans out a task of this workflow.
    pub async fn fan_out(&mut self, task: &NewTask) -> Result<(), StoreError> {
        task_table::insert(self.tx, &self.ids.next(), &self.record, task, self.now).await
    }

    /// The workflow's tasks, whatever their status.
    pub async fn tasks(&mut self) -> Result<Vec<TaskRecord>, StoreError> {
        task_table::of_workflow(self.tx, &self.record.id).await
    }

    /// Erases the workflow's tasks: their results are in the state, or nobody wants them any more.
    pub async fn erase_tasks(&mut self) -> Result<(), StoreError> {
        task_table::erase_all(self.tx, &self.record.id).await
    }

    /// Starts another workflow about the same tenant, due at `wake_at`; returns its id.
    pub async fn start<W: Workflow>(&mut self, state: &W::State, wake_at: Millis) -> Result<String, StoreError> {
        let id = self.ids.next();
        let new = NewWorkflow {
            id: &id,
            kind: W::KIND,
            subject: &self.record.subject,
            start_key: None,
            request: "",
            state: W::name(state),
            data: to_json(state),
            wake_at,
            priority: W::PRIORITY,
        };
        workflow_table::insert(self.tx, new, self.now).await?;
        Ok(id)
    }

    /// Raises the fence and erases every task: whoever still works for this workflow finds that it has lost it.
    /// Do this before any tenant or cell is locked.
    pub async fn fence_off(&mut self) -> Result<(), StoreError> {
        self.fence = self.record.fence + 1;
        self.erase_tasks().await
    }

    /// What was decided, ready to be written; and the workflow as it will be then.
    pub(crate) async fn decided<W: Workflow>(
        &mut self,
        next: &Next<W::State>,
        error: Option<&StoredError>,
        lease: Millis,
    ) -> Result<Outcome, StepError> {
        let (state, wake, note) = match next {
            Next::Go(state, note) => (state, None, note.as_str()),
            Next::Stay(state, at) => (state, Some(*at), ""),
        };
        let name = W::name(state);
        // Whoever was passed by a pause is held as soon as it may be: not stepped on under the same claim.
        let held = W::must_go_on(&self.record.state)
            && !W::must_go_on(name)
            && pause_table::over(self.tx, &self.record.subject).await?.is_some();
        let before = &self.record;
        if name != before.state && !W::may_follow(&before.state, name) {
            return Err(StepError::permanent(
                "illegal_transition",
                format!("{} may not go from {} to {name}", W::KIND, before.state),
            ));
        }
        let finished = W::is_final(name);
        let go_on = !finished && wake.is_none() && !held;
        // While it goes on its time stays what it was: an index holds it.
        let wake_on = || wake.unwrap_or(before.wake_at.map_or(self.now, |at| at.min(self.now)));
        let moved = before.state != name;
        let written = Written {
            id: before.id.clone(),
            held: before.fence,
            fence: self.fence,
            state: name,
            data: to_json(state),
            steps: before.steps + i64::from(moved),
            error: error.map(to_json),
            wake_at: (!finished).then(wake_on),
            lease_until: if go_on { self.now + lease } else { 0 },
            must_go_on: W::must_go_on(name),
            now: self.now,
            left: moved.then(|| (before.state.clone(), note.to_owned())),
        };
        Ok(Outcome { written, go_on })
    }
}

impl StepTx<'_> {
    /// Writes what was decided. Returns the workflow as it was before.
    pub(crate) async fn write(self, outcome: &Outcome) -> Result<WorkflowRecord, StepError> {
        step_table::write(self.tx, std::slice::from_ref(&outcome.written)).await?;
        Ok(self.record)
    }
}

/// What a step writes.
pub(crate) struct Outcome {
    pub(crate) written: Written,
    /// Its lease is kept: the next state can be stepped at once.
    pub(crate) go_on: bool,
}

impl Outcome {
    /// The workflow as it is once this is written.
    pub(crate) fn after(self, mut before: WorkflowRecord) -> WorkflowRecord {
        let written = self.written;
        written.state.clone_into(&mut before.state);
        WorkflowRecord {
            data: written.data,
            steps: written.steps,
            attempt: 0,
            error: written.error.and_then(|error| serde_json::from_str(&error).ok()),
            wake_at: written.wake_at,
            fence: written.fence,
            ..before
        }
    }
}

/// A change made to a workflow from outside its runner: a cancel, a lapse, a replay. It raises the fence, so that whoever
/// runs the workflow stops.
pub struct Intervention<'a, W> {
    /// What can be done inside the transaction.
    pub step: StepTx<'a>,
    kind: PhantomData<fn() -> W>,
}

impl<'a, W: Workflow> Intervention<'a, W> {
    /// Locks the workflow, raises its fence and erases its tasks; all of it is undone unless the transaction
    /// commits. `None` when there is no such workflow of this kind.
    pub async fn lock(tx: &'a mut Tx, ids: &'a dyn Ids, id: &str) -> Result<Option<Self>, StoreError> {
        let step = StepTx::lock(tx, ids, id, None).await?;
        let Some(mut step) = step.filter(|step| step.record.kind == W::KIND) else { return Ok(None) };
        step.fence_off().await?;
        Ok(Some(Self { step, kind: PhantomData }))
    }

    /// The stored state.
    pub fn state(&self) -> Result<W::State, StepError> {
        read_state::<W>(&self.step.record)
    }

    /// Writes where the workflow goes from here. `error` is kept with it, for displays.
    pub async fn go(mut self, next: &Next<W::State>, error: Option<&StoredError>) -> Result<(), StepError> {
        let outcome = self.step.decided::<W>(next, error, 0).await?;
        self.step.write(&outcome).await.map(drop)
    }
}

/// Reads the stored state. Unreadable means that another version wrote it.
pub(crate) fn read_state<W: Workflow>(record: &WorkflowRecord) -> Result<W::State, StepError> {
    serde_json::from_str(&record.data).map_err(|error| StepError {
        source: Some(Box::new(error)),
        ..StepError::retryable(
            "unreadable_state",
            format!(
                "the stored state {} of {} {} was written by another version of realmctl: run that version, or upgrade this one",
                record.state, record.kind, record.id
            ),
        )
    })
}
