//! What a step can do inside its transaction, and how its outcome is written.

use store::{Millis, StoreError, Tx};

use crate::ids::Ids;
use crate::record::{TaskRecord, WorkflowRecord};
use crate::tables::held_row::Holding;
use crate::tables::task_table::NewTask;
use crate::tables::{task_table, workflow_table};

/// What a holder found when it locked its workflow.
pub(crate) enum Held<'a> {
    /// The row as it knows it.
    AsKnown(Box<StepTx<'a>>),
    /// Its own, but further than it knows.
    Further(Box<WorkflowRecord>),
    /// Not its own any more.
    Lost,
}

/// The transaction of one step (or external transition). The workflow's row is locked, unless the step shares its commit.
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

    /// Raises the fence and erases every task: whoever still works for this workflow finds that it has lost it.
    /// Do this before any tenant or entry is locked.
    pub async fn fence_off(&mut self) -> Result<(), StoreError> {
        self.fence = self.record.fence + 1;
        self.erase_tasks().await
    }
}
