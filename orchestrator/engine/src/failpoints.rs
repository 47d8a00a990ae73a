//! Named points in a step or task at which a test may strike: kill the process, fail, or lose the reply of a commit.
//! In production [`NoFailpoints`] lets everything pass.

use crate::step_error::StepError;

/// Where the engine is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Claimed; nothing done yet.
    Before,
    /// Looked at the outside; the transaction has not begun.
    Observed,
    /// Everything written; not committed.
    Written,
    /// Committed.
    Recorded,
    /// The outcome of a commit is not known; the row is about to be read again.
    ReadBack,
}

/// What the engine is about to do, or has just done.
#[derive(Debug, Clone, Copy)]
pub struct Failpoint<'a> {
    /// Kind of the workflow or task.
    pub kind: &'a str,
    /// State of the workflow, or the id of the task's workflow.
    pub state: &'a str,
    /// Where in the step.
    pub moment: Moment,
}

/// Decides what happens at a point. An error is treated as if the step itself had failed there; after `Recorded`, as if
/// the reply to the commit had been lost; at `ReadBack`, as if the database could not be reached.
pub trait Failpoints: Send + Sync + 'static {
    /// Called at each point of a workflow's step.
    fn step(&self, point: Failpoint<'_>) -> Result<(), StepError>;

    /// Called when a task begins (`Before`), when it has saved a checkpoint (`Written`) and when it has ended (`Recorded`).
    fn task(&self, point: Failpoint<'_>) -> Result<(), StepError>;
}

/// Lets everything pass.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoFailpoints;

impl Failpoints for NoFailpoints {
    fn step(&self, _: Failpoint<'_>) -> Result<(), StepError> {
        Ok(())
    }

    fn task(&self, _: Failpoint<'_>) -> Result<(), StepError> {
        Ok(())
    }
}
