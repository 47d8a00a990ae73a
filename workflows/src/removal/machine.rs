//! The removal as the engine runs it: `waiting -> comparing -> removing -> done`, and `failed`, from which a replay goes back.

use async_trait::async_trait;
use catalogue::ledger::{self, CellState};
use catalogue::location::Location;
use catalogue::{capacity as reservations, references};
use engine::task::NewTask;
use engine::{
    Next, OnFailure, Priority, StepError, StepTx, StoredError, TaskRecord, TaskStatus, Treatment, Workflow,
    WorkflowRecord,
};
use store::{Millis, StoreError, Tx};
use workers::progress::Tally;

use super::compare::{fan_out_compares, location_now};
use super::recheck;
use super::state::{Cause, RemovalStage, RemovalState};
use crate::capacity::{self, LOOK_AGAIN_MS, wants_of_removal};
use crate::data_tasks::{Amount, RemoveInput, RemoveTask, place_of, read_input, to_value};
use crate::deployment::Deployment;
use crate::quiet::{self, Unquiet};
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
pub const STATES: [&str; 5] = ["waiting", "comparing", "removing", "done", "failed"];

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
            ("waiting" | "failed", "comparing" | "removing")
                | ("comparing", "removing")
                // From `done`: data turned up afterwards.
                | ("waiting" | "comparing" | "removing" | "done", "failed")
                | ("failed", "waiting")
                | ("waiting" | "comparing" | "removing" | "failed", "done")
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
            RemovalStage::Comparing => compared(&self.deployment, step, state).await,
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
    begin(deployment, step, state).await
}

/// Fans out one task a part, if the cell still is this removal's to empty and there is room for its tasks; waits for room
/// without bound. Also what a replay does. A write that may still arrive is waited for first, so that the proof that the
/// location is empty is final.
pub(super) async fn begin(
    deployment: &Deployment,
    step: &mut StepTx<'_>,
    state: RemovalState,
) -> Result<Next<RemovalState>, StepError> {
    if let Some(done) = superseded(step, &state).await? {
        return Ok(done);
    }
    if let Some(unquiet) = quiet::unquiet(deployment, step, &state.service, &state.location).await? {
        let waiting = state.at_stage(RemovalStage::Waiting { until: Some(step.now) });
        return Ok(until_quiet(deployment, step, waiting, unquiet));
    }
    let location = location_now(step, &state).await?;
    if capacity::take(step, &wants_of_removal(&location)).await?.is_some() {
        let wake = step.now + LOOK_AGAIN_MS;
        return Ok(Next::Stay(state.at_stage(RemovalStage::Waiting { until: Some(step.now) }), wake));
    }
    match &state.verified {
        Some(verified) if !state.accept_late_writes => {
            fan_out_compares(step, &state, &location, verified).await?;
            Ok(Next::Go(state.at_stage(RemovalStage::Comparing), String::new()))
        }
        _ => remove(step, state, &location).await,
    }
}

/// Every part still is as it was verified: deletes.
async fn compared(
    deployment: &Deployment,
    step: &mut StepTx<'_>,
    state: RemovalState,
) -> Result<Next<RemovalState>, StepError> {
    match finished(deployment, step, &state).await? {
        Tasks::Next(next) => Ok(*next),
        Tasks::Done(_) => match superseded(step, &state).await? {
            Some(done) => Ok(done),
            None => {
                step.erase_tasks().await?;
                let location = location_now(step, &state).await?;
                // From here on the location changes by the removal's own deletes: a replay must not compare again.
                remove(step, RemovalState { verified: None, ..state }, &location).await
            }
        },
    }
}

async fn remove(
    step: &mut StepTx<'_>,
    state: RemovalState,
    location: &Location,
) -> Result<Next<RemovalState>, StepError> {
    let tenant = step.record.subject.clone();
    for part in 0..place_of(location).parts() {
        let input = RemoveInput {
            tenant: tenant.clone(),
            service: state.service.clone(),
            at: location.clone(),
            part,
            generation: state.generation,
            rolled_back: matches!(state.cause, Cause::RolledBack { .. }),
        };
        step.fan_out(&NewTask { kind: RemoveTask::KIND, target: location.key(), input: to_value(&input) }).await?;
    }
    Ok(Next::Go(state.at_stage(RemovalStage::Removing), String::new()))
}

fn until_quiet(
    deployment: &Deployment,
    step: &StepTx<'_>,
    state: RemovalState,
    unquiet: Unquiet,
) -> Next<RemovalState> {
    let look_again = unquiet.until.min(step.now + millis(deployment.timing.heartbeat));
    Next::Stay(RemovalState { waits_for: Some(unquiet.reason), ..state }, look_again)
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

/// What the tasks of a stage have come to.
enum Tasks {
    Done(Vec<TaskRecord>),
    /// Some are open, or one has failed: where the removal goes.
    Next(Box<Next<RemovalState>>),
}

async fn finished(deployment: &Deployment, step: &mut StepTx<'_>, state: &RemovalState) -> Result<Tasks, StepError> {
    let tasks = step.tasks().await?;
    if let Some(failed) = tasks.iter().find(|task| task.status == TaskStatus::Failed) {
        let error = failed
            .error
            .clone()
            .unwrap_or_else(|| StoredError { code: "task_failed".to_owned(), message: "a task failed".to_owned() });
        let note = format!("{}: {}", error.code, error.message);
        let failed = state.clone().at_stage(RemovalStage::Failed { error });
        return Ok(Tasks::Next(Box::new(Next::Go(failed, note))));
    }
    if tasks.iter().any(|task| task.status != TaskStatus::Done) {
        let look_again = step.now + millis(deployment.timing.lease);
        return Ok(Tasks::Next(Box::new(Next::Stay(state.clone(), look_again))));
    }
    Ok(Tasks::Done(tasks))
}

async fn settle(
    deployment: &Deployment,
    step: &mut StepTx<'_>,
    state: RemovalState,
) -> Result<Next<RemovalState>, StepError> {
    let tasks = match finished(deployment, step, &state).await? {
        Tasks::Done(tasks) => tasks,
        Tasks::Next(next) => return Ok(*next),
    };
    // A delete that may still arrive must not meet what a later move writes here: the cell is absent only after it.
    if let Some(unquiet) = quiet::unquiet(deployment, step, &state.service, &state.location).await? {
        return Ok(until_quiet(deployment, step, state, unquiet));
    }
    let removed = tasks.iter().map(removed_by).sum::<Result<Amount, _>>()?;
    let tenant = step.record.subject.clone();
    let key = state.location.key();
    if !ledger::become_absent(step.tx, &tenant, &state.service, &key, state.generation).await? {
        return Err(StepError::permanent("ledger_mismatch", format!("the ledger's cell of {key} is not removing")));
    }
    recheck::queue(deployment, step, &state).await?;
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
