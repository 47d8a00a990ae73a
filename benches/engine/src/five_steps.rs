//! The workflow that is measured: five steps, each of which writes a state of some 200 bytes and a row of history.

use async_trait::async_trait;
use engine::{Next, OnFailure, StepError, StepTx, Workflow, WorkflowRecord};
use serde::{Deserialize, Serialize};

/// The states, in order; the last one is final.
pub(crate) const STATES: [&str; 6] = ["first", "second", "third", "fourth", "fifth", "done"];

/// The stored state.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct State {
    /// The place in [`STATES`].
    pub(crate) place: usize,
    payload: String,
}

impl State {
    pub(crate) fn first() -> Self {
        Self { place: 0, payload: "p".repeat(200) }
    }

    pub(crate) fn next(mut self) -> Self {
        self.place += 1;
        self
    }

    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a number and a text serialise")
    }
}

/// The workflow.
pub(crate) struct FiveSteps;

#[async_trait]
impl Workflow for FiveSteps {
    type State = State;
    type Seen = ();

    const KIND: &'static str = "bench_five_steps";

    fn name(state: &State) -> &'static str {
        STATES[state.place.min(STATES.len() - 1)]
    }

    fn may_follow(from: &str, to: &str) -> bool {
        STATES.windows(2).any(|pair| pair == [from, to])
    }

    fn is_final(name: &str) -> bool {
        name == STATES[5]
    }

    fn shares_commits(_: &str) -> bool {
        true
    }

    async fn observe(&self, _: &WorkflowRecord, _: &State) -> Result<(), StepError> {
        Ok(())
    }

    async fn advance(&self, _: &mut StepTx<'_>, state: State, (): ()) -> Result<Next<State>, StepError> {
        Ok(Next::Go(state.next(), String::new()))
    }

    async fn ended(&self, _: &mut StepTx<'_>, _: &State) -> Result<(), StepError> {
        Ok(())
    }

    fn on_failure(&self, _: &State, _: &StepError, _: u32) -> OnFailure<State> {
        OnFailure::Retry
    }
}
