//! What a runner knows to run: workflows and task handlers by kind, and sweeps.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use store::{Millis, StoreError, Tx};

use crate::fitness::Fitness;
use crate::outcome::{Outcome, read_state};
use crate::record::{StoredError, WorkflowRecord};
use crate::step::StepTx;
use crate::step_error::StepError;
use crate::task::TaskHandler;
use crate::workflow::{Next, OnFailure, Workflow};

/// Something that any process does from time to time, whoever owns what: settling lapsed offline leases.
#[async_trait]
pub trait Sweep: Send + Sync + 'static {
    /// One pass; returns how much it settled. Errors are logged and the next pass tries again.
    async fn sweep(&self) -> Result<u64, StepError>;
}

/// The kinds that a runner can run.
#[derive(Default, Clone)]
pub struct Registry {
    workflows: BTreeMap<&'static str, Arc<dyn AnyWorkflow>>,
    tasks: BTreeMap<&'static str, Arc<dyn TaskHandler>>,
    pub(crate) sweeps: Vec<Arc<dyn Sweep>>,
    /// `None`: the process lacks nothing, whatever happens.
    pub(crate) fitness: Option<Arc<dyn Fitness>>,
}

impl Registry {
    /// Adds a workflow.
    #[must_use]
    pub fn workflow<W: Workflow>(mut self, workflow: W) -> Self {
        self.workflows.insert(W::KIND, Arc::new(workflow));
        self
    }

    /// Adds a task handler.
    #[must_use]
    pub fn task(mut self, handler: impl TaskHandler) -> Self {
        self.tasks.insert(handler.kind(), Arc::new(handler));
        self
    }

    /// Adds a sweep.
    #[must_use]
    pub fn sweep(mut self, sweep: impl Sweep) -> Self {
        self.sweeps.push(Arc::new(sweep));
        self
    }

    /// Sets what tells whether the process can do the work.
    #[must_use]
    pub fn fitness(mut self, fitness: impl Fitness) -> Self {
        self.fitness = Some(Arc::new(fitness));
        self
    }

    /// The same kinds without any sweep.
    #[must_use]
    pub fn without_sweeps(mut self) -> Self {
        self.sweeps.clear();
        self
    }

    /// The kinds of workflows, in order.
    pub fn workflow_kinds(&self) -> Vec<&'static str> {
        self.workflows.keys().copied().collect()
    }

    /// The kinds of tasks, in order.
    pub fn task_kinds(&self) -> Vec<&'static str> {
        self.tasks.keys().copied().collect()
    }

    /// The states, with the kinds of their workflows, whose steps reach for what is outside the catalogue.
    pub(crate) fn reaching_out(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.workflows.iter().flat_map(|(kind, workflow)| workflow.reaches_out().iter().map(|state| (*kind, *state)))
    }

    /// Whether a step of a workflow of this kind from this state is left to others by a process that lacks something.
    pub fn reaches_out(&self, kind: &str, state: &str) -> bool {
        self.workflows.get(kind).is_some_and(|workflow| workflow.reaches_out().contains(&state))
    }

    /// Why a workflow of this kind with this stored state could not be continued here; `None`: it could.
    pub fn unreadable_state(&self, kind: &str, data: &str) -> Option<String> {
        match self.workflows.get(kind) {
            Some(workflow) => workflow.readable(data).err(),
            None => Some(format!("this version knows no workflow of the kind {kind}")),
        }
    }

    /// Why a task of this kind with this stored input could not be run here; `None`: it could.
    pub fn unreadable_task(&self, kind: &str, input: &str) -> Option<String> {
        let Some(handler) = self.tasks.get(kind) else {
            return Some(format!("this version knows no task of the kind {kind}"));
        };
        let input = serde_json::from_str(input).map_err(|error| error.to_string());
        input.and_then(|input| handler.readable(&input)).err()
    }

    pub(crate) fn find_workflow(&self, kind: &str) -> Option<Arc<dyn AnyWorkflow>> {
        self.workflows.get(kind).cloned()
    }

    pub(crate) fn find_task(&self, kind: &str) -> Option<Arc<dyn TaskHandler>> {
        self.tasks.get(kind).cloned()
    }
}

/// A workflow without its type parameters.
#[async_trait]
pub(crate) trait AnyWorkflow: Send + Sync {
    fn shares_commits(&self, state: &str) -> bool;

    fn reaches_out(&self) -> &'static [&'static str];

    /// Whether this version reads the stored state; if not, why.
    fn readable(&self, data: &str) -> Result<(), String>;

    fn may_be_pruned(&self, state: &str) -> bool;

    async fn is_named(&self, tx: &mut Tx, record: &WorkflowRecord) -> Result<bool, StoreError>;

    async fn observe(&self, record: &WorkflowRecord) -> Result<Box<dyn Any + Send>, StepError>;

    async fn advance(
        &self,
        step: &mut StepTx<'_>,
        seen: Box<dyn Any + Send>,
        lease: Millis,
    ) -> Result<Outcome, StepError>;

    /// Applies `on_failure` in the step's transaction. `None`: try the same state again.
    async fn fail(
        &self,
        step: &mut StepTx<'_>,
        error: &StepError,
        stored: &StoredError,
        lease: Millis,
    ) -> Result<Option<Outcome>, StepError>;
}

#[async_trait]
impl<W: Workflow> AnyWorkflow for W {
    fn shares_commits(&self, state: &str) -> bool {
        W::shares_commits(state)
    }

    fn reaches_out(&self) -> &'static [&'static str] {
        W::REACHES_OUT
    }

    fn readable(&self, data: &str) -> Result<(), String> {
        serde_json::from_str::<W::State>(data).map(drop).map_err(|error| error.to_string())
    }

    fn may_be_pruned(&self, state: &str) -> bool {
        W::may_be_pruned(state)
    }

    async fn is_named(&self, tx: &mut Tx, record: &WorkflowRecord) -> Result<bool, StoreError> {
        Workflow::is_named(self, tx, record).await
    }

    async fn observe(&self, record: &WorkflowRecord) -> Result<Box<dyn Any + Send>, StepError> {
        let state = read_state::<W>(record)?;
        Ok(Box::new(Workflow::observe(self, record, &state).await?))
    }

    async fn advance(
        &self,
        step: &mut StepTx<'_>,
        seen: Box<dyn Any + Send>,
        lease: Millis,
    ) -> Result<Outcome, StepError> {
        let seen = seen.downcast::<W::Seen>().expect("observe and advance of one step are of one workflow");
        let state = read_state::<W>(&step.record)?;
        let next = Workflow::advance(self, step, state, *seen).await?;
        let outcome = step.decided::<W>(&next, None, lease).await?;
        end_if_final(self, step, next.state()).await?;
        Ok(outcome)
    }

    async fn fail(
        &self,
        step: &mut StepTx<'_>,
        error: &StepError,
        stored: &StoredError,
        lease: Millis,
    ) -> Result<Option<Outcome>, StepError> {
        let Ok(state) = read_state::<W>(&step.record) else { return Ok(None) };
        match self.on_failure(&state, error, step.record.attempt + 1) {
            OnFailure::Retry => Ok(None),
            OnFailure::Go(state) => {
                let next = Next::Go(state, format!("{}: {}", stored.code, stored.message));
                let outcome = step.decided::<W>(&next, Some(stored), lease).await?;
                end_if_final(self, step, next.state()).await?;
                Ok(Some(outcome))
            }
        }
    }
}

async fn end_if_final<W: Workflow>(workflow: &W, step: &mut StepTx<'_>, state: &W::State) -> Result<(), StepError> {
    if W::is_final(W::name(state)) { workflow.ended(step, state).await } else { Ok(()) }
}
