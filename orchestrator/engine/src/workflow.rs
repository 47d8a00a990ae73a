//! What a state machine provides: the names of its states, and for each state what to observe, what to change, and where
//! a failure leads.

use async_trait::async_trait;
use serde::Serialize;
use serde::de::DeserializeOwned;
use store::{Millis, StoreError, Tx};

use crate::priority::Priority;
use crate::record::WorkflowRecord;
use crate::step::StepTx;
use crate::step_error::StepError;

/// A durable state machine.
#[async_trait]
pub trait Workflow: Send + Sync + 'static {
    /// The stored state: a serde enum, or a struct around one.
    type State: Serialize + DeserializeOwned + Clone + Send + Sync + 'static;
    /// What a step saw outside the catalogue.
    type Seen: Send + 'static;

    /// Its kind, as stored. Never renamed.
    const KIND: &'static str;

    /// Which due work goes first, for workflows of this kind that another one starts.
    const PRIORITY: Priority = Priority::Normal;

    /// States whose steps need stores or services: a process that lacks something leaves them to others. None that keeps a tenant
    /// offline.
    const REACHES_OUT: &'static [&'static str] = &[];

    /// The state's name, as stored. Never renamed.
    fn name(state: &Self::State) -> &'static str;

    /// Whether `to` may follow `from`: the only transition table.
    fn may_follow(from: &str, to: &str) -> bool;

    /// Whether nothing follows.
    fn is_final(name: &str) -> bool;

    /// Whether the state keeps its tenant offline: whoever pauses work passes it by.
    fn keeps_offline(_name: &str) -> bool {
        false
    }

    /// Whether `advance` from this state changes nothing but its own workflow: the new state, new tasks, new workflows. It
    /// locks and reads no other row, nor its own tasks. Such steps share a commit with others that end at the same time.
    fn shares_commits(_name: &str) -> bool {
        false
    }

    /// Whether a workflow that ended in this state may be forgotten after a while. `false`: a person may still need it.
    fn may_be_pruned(_name: &str) -> bool {
        true
    }

    /// Whether a row of the catalogue still names this workflow, which has ended: it can't be forgotten then.
    async fn is_named(&self, _tx: &mut Tx, _record: &WorkflowRecord) -> Result<bool, StoreError> {
        Ok(false)
    }

    /// Looks at the outside world. No transaction is open; nothing in the catalogue may be changed.
    async fn observe(&self, record: &WorkflowRecord, state: &Self::State) -> Result<Self::Seen, StepError>;

    /// Decides and changes the catalogue, all in the step's transaction. No I/O outside the database.
    async fn advance(
        &self,
        step: &mut StepTx<'_>,
        state: Self::State,
        seen: Self::Seen,
    ) -> Result<Next<Self::State>, StepError>;

    /// Runs in the transaction of a step that writes a final state, also of a failed one: what must be let go of. (An
    /// external transition lets go itself.)
    async fn ended(&self, step: &mut StepTx<'_>, state: &Self::State) -> Result<(), StepError>;

    /// Where a failure leads. `attempt` counts failures of this state, this one included. Pure.
    fn on_failure(&self, state: &Self::State, error: &StepError, attempt: u32) -> OnFailure<Self::State>;
}

/// The outcome of a step.
#[derive(Debug)]
pub enum Next<S> {
    /// Enter another state, for the reason given (may be empty); it goes on at once, or ends there if the state is final.
    Go(S, String),
    /// Stay, with the state as given, until this time. The end of one of the workflow's tasks wakes it earlier.
    Stay(S, Millis),
}

impl<S> Next<S> {
    /// The state entered or kept.
    pub(crate) fn state(&self) -> &S {
        match self {
            Self::Go(state, _) | Self::Stay(state, _) => state,
        }
    }
}

/// Where a failed step leads.
#[derive(Debug)]
pub enum OnFailure<S> {
    /// Try the same state again after the policy's wait.
    Retry,
    /// Enter another state.
    Go(S),
}
