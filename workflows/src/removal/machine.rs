//! The removal as the engine runs it: `waiting -> removing -> done`, and `failed`, from which a replay goes back.

use async_trait::async_trait;
use catalogue::ledger::{self, CellState};
use catalogue::{capacity as reservations, references, topologies};
use engine::task::NewTask;
use engine::{
    Next, OnFailure, Priority, StepError, StepTx, StoredError, TaskRecord, TaskStatus, Treatment, Workflow,
    WorkflowRecord,
};
use store::{Millis, StoreError, Tx};
use workers::progress::Tally;

use super::state::{RemovalStage, RemovalState};
use crate::capacity::{self, LOOK_AGAIN_MS, wants_of_removal};
use crate::data_tasks::{Amount, RemoveInput, RemoveTask, place_of, read_input, to_value};
use crate::deployment::Deployment;
use crate::timing::millis;

/// The workflow that empties one `removing` cell.
pub struct Removal {
    deployment: Deployment,
}

impl Removal {
    /// The workflow on this deployment.
    pub fn new(deployment: Deployment) -> Self {
        Self { deployment }
    }
}

/// All states.
pub const STATES: [&str; 4] = ["waiting", "removing", "done", "failed"];

/// Attempts at a step before the removal fails and waits for a person. The data work's own attempts are its tasks'.
pub(crate) const MAX_ATTEMPTS: u32 = 6;

#[async_trait]
impl Workflow for Removal {
    type State = RemovalState;
    type Seen = ();

    const KIND: &'static str = "removal";

    const PRIORITY: Priority = Priority::Low;

    fn name(state: &RemovalState) -> &'static str {
        state.stage.name()
    }

    fn may_follow(from: &str, to: &str) -> bool {
        matches!(
            (from, to),
            ("waiting" | "failed", "removing")
                | ("failed", "waiting")
                | ("waiting" | "removing", "failed")
                | ("waiting" | "removing" | "failed", "done")
        )
    }

    fn is_final(name: &str) -> bool {
        matches!(name, "done" | "failed")
    }

    /// A failed one waits for a replay.
    fn may_be_pruned(name: &str) -> bool {
        name == "done"
    }

    async fn is_named(&self, tx: &mut Tx, record: &WorkflowRecord) -> Result<bool, StoreError> {
        references::names_workflow(tx, &record.id).await
    }

    async fn observe(&self, _: &WorkflowRecord, _: &RemovalState) -> Result<(), StepError> {
        Ok(())
    }

    async fn advance(
        &self,
        step: &mut StepTx<'_>,
        state: RemovalState,
        (): (),
    ) -> Result<Next<RemovalState>, StepError> {
        match state.stage {
            RemovalStage::Waiting { until } => wait(&self.deployment, step, state, until).await,
            RemovalStage::Removing => settle(&self.deployment, step, state).await,
            RemovalStage::Done { .. } | RemovalStage::Failed { .. } => {
                Err(StepError::permanent("no_such_step", "a removal that has ended has no next step"))
            }
        }
    }

    async fn ended(&self, step: &mut StepTx<'_>, _: &RemovalState) -> Result<(), StepError> {
        reservations::release(step.tx, &step.record.id).await?;
        Ok(step.erase_tasks().await?)
    }

    fn on_failure(&self, state: &RemovalState, error: &StepError, attempt: u32) -> OnFailure<RemovalState> {
        if error.treatment == Treatment::Retryable && attempt < MAX_ATTEMPTS {
            return OnFailure::Retry;
        }
        OnFailure::Go(state.clone().at_stage(RemovalStage::Failed { error: error.stored() }))
    }
}

/// Waits until requests from before the switch have ended, counted from a transaction that began after its commit.
async fn wait(
    deployment: &Deployment,
    step: &mut StepTx<'_>,
    state: RemovalState,
    until: Option<Millis>,
) -> Result<Next<RemovalState>, StepError> {
    let until = until.unwrap_or(step.now + millis(deployment.timing.drained_after()));
    if step.now < until {
        return Ok(Next::Stay(state.at_stage(RemovalStage::Waiting { until: Some(until) }), until));
    }
    begin(step, state).await
}

/// Fans out one task a part, if the cell still is this removal's to empty and there is room for its tasks; waits for room
/// without bound. Also what a replay does.
pub(super) async fn begin(step: &mut StepTx<'_>, state: RemovalState) -> Result<Next<RemovalState>, StepError> {
    if let Some(done) = superseded(step, &state).await? {
        return Ok(done);
    }
    let tenant = step.record.subject.clone();
    // The service may have grown index shards since the cell was written: those parts are the tenant's data too.
    let location = match topologies::current(step.tx).await? {
        Some(stored) => stored.topology.refresh(&state.service, &state.location),
        None => state.location.clone(),
    };
    if capacity::take(step, &wants_of_removal(&location)).await?.is_some() {
        let wake = step.now + LOOK_AGAIN_MS;
        return Ok(Next::Stay(state.at_stage(RemovalStage::Waiting { until: Some(step.now) }), wake));
    }
    for part in 0..place_of(&location).parts() {
        let input = RemoveInput {
            tenant: tenant.clone(),
            service: state.service.clone(),
            at: location.clone(),
            part,
            generation: state.generation,
        };
        step.fan_out(&NewTask { kind: RemoveTask::KIND, target: location.key(), input: to_value(&input) }).await?;
    }
    Ok(Next::Go(state.at_stage(RemovalStage::Removing), String::new()))
}

/// Another removal has emptied the cell, or a move has filled it again since: nothing is left for this one to do.
async fn superseded(step: &mut StepTx<'_>, state: &RemovalState) -> Result<Option<Next<RemovalState>>, StepError> {
    let cell = ledger::get(step.tx, &step.record.subject, &state.service, &state.location.key()).await?;
    let ours = cell.is_some_and(|cell| cell.state == CellState::Removing && cell.generation == state.generation);
    if ours {
        return Ok(None);
    }
    let done = RemovalStage::Done { removed: Amount::default() };
    Ok(Some(Next::Go(state.clone().at_stage(done), "superseded: the cell is not this removal's any more".to_owned())))
}

async fn settle(
    deployment: &Deployment,
    step: &mut StepTx<'_>,
    state: RemovalState,
) -> Result<Next<RemovalState>, StepError> {
    let tasks = step.tasks().await?;
    if let Some(failed) = tasks.iter().find(|task| task.status == TaskStatus::Failed) {
        let error = failed
            .error
            .clone()
            .unwrap_or_else(|| StoredError { code: "task_failed".to_owned(), message: "a task failed".to_owned() });
        let note = format!("{}: {}", error.code, error.message);
        return Ok(Next::Go(state.at_stage(RemovalStage::Failed { error }), note));
    }
    if tasks.iter().any(|task| task.status != TaskStatus::Done) {
        return Ok(Next::Stay(state, step.now + millis(deployment.timing.lease)));
    }
    let removed = tasks.iter().map(removed_by).sum::<Result<Amount, _>>()?;
    let tenant = step.record.subject.clone();
    let key = state.location.key();
    if !ledger::become_absent(step.tx, &tenant, &state.service, &key, state.generation).await? {
        return Err(StepError::permanent("ledger_mismatch", format!("the ledger's cell of {key} is not removing")));
    }
    Ok(Next::Go(state.at_stage(RemovalStage::Done { removed }), String::new()))
}

fn removed_by(task: &TaskRecord) -> Result<Amount, StepError> {
    let tally: Tally = read_input(task.result.as_ref().unwrap_or(&serde_json::Value::Null))?;
    Ok(tally.into())
}

impl std::iter::Sum for Amount {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::default(), Self::plus)
    }
}
