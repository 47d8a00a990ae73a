//! What a step can do inside its transaction, and how its outcome is written.

use store::{Millis, StoreError, Tx};

use crate::ids::Ids;
use crate::record::{StoredError, TaskRecord, WorkflowRecord};
use crate::step_error::StepError;
use crate::tables::held_row::Holding;
use crate::tables::step_table::Written;
use crate::tables::task_table::NewTask;
use crate::tables::workflow_table::{NewWorkflow, to_json};
use crate::tables::{pause_table, step_table, task_table, workflow_table};
use crate::workflow::{Next, Workflow};

/// What a holder found when it locked its workflow.
pub(crate) enum Held<'a> {
    /// The row as it knows it.
    AsKnown(Box<StepTx<'a>>),
    /// Its own, but further than it knows.
    Further(Box<WorkflowRecord>),
    /// Not its own any more.
    Lost,
}

/// The transaction of one step (or intervention). The workflow's row is locked, unless the step shares its commit.
pub struct StepTx<'a> {
    /// The transaction. The catalogue's functions take it.
    pub tx: &'a mut Tx,
    /// The workflow as it was when the step began.
    pub record: WorkflowRecord,
    /// The time by the database when the row lock was held, or when the transaction began; never before the workflow was last written.
    pub now: Millis,
    /// Source of identifiers.
    pub ids: &'a dyn Ids,
    pub(crate) fence: i64,
    /// Nothing is locked: the step shares its commit.
    shared: bool,
}

impl<'a> StepTx<'a> {
    /// Locks the workflow. `None` when there is no such workflow.
    pub(crate) async fn lock(tx: &'a mut Tx, ids: &'a dyn Ids, id: &str) -> Result<Option<Self>, StoreError> {
        let Some((record, now)) = workflow_table::lock_with_time(tx, id).await? else { return Ok(None) };
        Ok(Some(Self { tx, fence: record.fence, record, now, ids, shared: false }))
    }

    /// Locks the workflow for the holder of its lease, who knows it as `known`.
    pub(crate) async fn lock_held(
        tx: &'a mut Tx,
        ids: &'a dyn Ids,
        known: &WorkflowRecord,
    ) -> Result<Held<'a>, StoreError> {
        let Some(step) = Self::lock(tx, ids, &known.id).await? else { return Ok(Held::Lost) };
        Ok(match Holding::of(known, &step.record) {
            Holding::AsKnown => Held::AsKnown(Box::new(step)),
            Holding::Further => Held::Further(Box::new(step.record)),
            Holding::Lost => Held::Lost,
        })
    }

    /// For a step that shares its commit: its workflow is written only where it is still as the record says.
    pub(crate) fn shared(tx: &'a mut Tx, ids: &'a dyn Ids, record: WorkflowRecord, now: Millis) -> Self {
        Self { tx, fence: record.fence, record, now, ids, shared: true }
    }

    /// Fans out a task of this workflow.
    pub async fn fan_out(&mut self, task: &NewTask) -> Result<(), StoreError> {
        task_table::insert(self.tx, &self.ids.next(), &self.record, task, self.now).await
    }

    /// The workflow's tasks, whatever their status. Not for a step that shares its commit: a task could end after it was read, and its
    /// wake-up be written over.
    pub async fn tasks(&mut self) -> Result<Vec<TaskRecord>, StoreError> {
        debug_assert!(!self.shared, "a step that shares its commit reads no tasks");
        task_table::of_workflow(self.tx, &self.record.id).await
    }

    /// Erases the workflow's tasks: their results are in the state, or nobody wants them any more.
    pub async fn erase_tasks(&mut self) -> Result<(), StoreError> {
        task_table::erase_all(self.tx, &self.record.id).await
    }

    /// Starts another workflow about the same tenant, due at `wake_at`; returns its id.
    pub async fn start<W: Workflow>(&mut self, state: &W::State, wake_at: Millis) -> Result<String, StoreError> {
        self.start_stored::<W>(W::name(state), to_json(state), wake_at).await
    }

    /// The same with a state that is given as it is to be stored: this version need not be able to read it.
    pub async fn start_stored<W: Workflow>(
        &mut self,
        state: &'static str,
        data: String,
        wake_at: Millis,
    ) -> Result<String, StoreError> {
        let id = self.ids.next();
        let new = NewWorkflow {
            id: &id,
            kind: W::KIND,
            subject: &self.record.subject,
            start_key: None,
            request: "",
            state,
            data,
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
            known: before.steps,
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
            failing: None,
            wake_at: written.wake_at,
            fence: written.fence,
            must_go_on: written.must_go_on,
            updated_at: written.now,
            ..before
        }
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
