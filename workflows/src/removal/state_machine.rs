//! The removal as the engine runs it: `waiting -> comparing -> removing -> done`, and `failed`, from which a replay goes back. From
//! `removing` it goes back to `waiting` when its deletes meet something that was written late.

use async_trait::async_trait;
use catalogue::ledger::{self, EntryState};
use catalogue::location::Location;
use catalogue::{capacity as reservations, workflow_in_use};
use engine::task::NewTask;
use engine::{
    Next, OnFailure, Priority, StepError, StepTx, StoredError, TaskRecord, TaskStatus, Workflow, WorkflowRecord,
};
use store::{Millis, StoreError, Tx};
use workers::late_writes::{LATE_WRITES, LateWrites};
use workers::progress::Tally;

use super::compare::{
    Comparison, erase_evidence, fan_out_compares, fan_out_unread, found, go_on_with_seen, location_now, stopped,
    trust_the_rest,
};
use super::recheck;
use super::state::{Cause, RemovalStage, RemovalState, VerifiedPart};
use crate::actor::Actor;
use crate::amount::Amount;
use crate::audit_entries;
use crate::capacity::{self, LOOK_AGAIN_IN_CASE_MS, LOOK_AGAIN_MS, demands_of_removal};
use crate::clock_checks::{self, CLOCKS_TO_AGREE, Whose};
use crate::data_tasks::{RemoveInput, RemoveTask, read_input, to_value};
use crate::deployment::Deployment;
use crate::in_doubt::{self, InDoubt};
use crate::places::place_of;
use crate::timing::millis;

/// The workflow that empties one `removing` entry.
pub struct Removal {
    deployment: Deployment,
}

impl Removal {
    /// The workflow on this deployment.
    pub fn new(deployment: Deployment) -> Self {
        Self { deployment }
    }
}

/// So often it compares again by itself because of what its deletes have met.
const MOST_COMPARED_AGAIN: u32 = 5;

/// All states.
pub const STATES: [&str; 5] = ["waiting", "comparing", "removing", "done", "failed"];

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
                // Something was written late while it was being deleted.
                | ("removing", "waiting")
                // From `done`: data turned up afterwards.
                | ("waiting" | "comparing" | "removing" | "done", "failed")
                | ("failed" | "done", "waiting")
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
        workflow_in_use::names_workflow(tx, &record.id).await
    }

    async fn observe(&self, record: &WorkflowRecord, state: &RemovalState) -> Result<(), StepError> {
        let whose = if matches!(state.stage, RemovalStage::Waiting { .. }) { Whose::All } else { Whose::InDoubt };
        clock_checks::hear(&self.deployment, &record.subject, whose, std::iter::once(&state.location)).await
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

    async fn ended(&self, step: &mut StepTx<'_>, state: &RemovalState) -> Result<(), StepError> {
        if let RemovalStage::Failed { error } = &state.stage {
            audit_entries::failed(step, "removal", error).await?;
        }
        reservations::release(step.tx, &step.record.id).await?;
        if matches!(state.stage, RemovalStage::Done { .. }) {
            erase_evidence(step).await?;
        }
        Ok(step.erase_tasks().await?)
    }

    /// Nothing presses: what may pass is tried again for as long as it lasts, and so are its tasks.
    fn on_failure(&self, state: &RemovalState, error: &StepError, _: u32) -> OnFailure<RemovalState> {
        if error.may_pass() {
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
    // By the database's clock, at the beginning and at the end: if it has been set meanwhile, requests from before may still run.
    if let Some(difference) = clock_checks::difference(deployment, step, std::iter::once(&state.location)).await? {
        let look_again = step.now + millis(deployment.timing.heartbeat);
        let (stage, why) = (RemovalStage::Waiting { until }, Some(format!("{CLOCKS_TO_AGREE}{difference}")));
        return Ok(Next::Stay(RemovalState { waits_for: why, ..state.at_stage(stage) }, look_again));
    }
    let until = until.unwrap_or(step.now + millis(deployment.timing.drained_after()));
    if step.now < until {
        return Ok(Next::Stay(state.at_stage(RemovalStage::Waiting { until: Some(until) }), until));
    }
    begin(deployment, step, state).await
}

/// Fans out one task a part, if the entry still is this removal's to empty and there is room for its tasks; waits for room
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
    if let Some(in_doubt) = in_doubt::in_doubt(deployment, step, &state.service, &state.location).await? {
        let waiting = state.at_stage(RemovalStage::Waiting { until: Some(step.now) });
        return Ok(until_quiet(deployment, step, waiting, in_doubt));
    }
    if let Some(next) = follow(deployment, step, &state).await? {
        return Ok(next);
    }
    let location = location_now(step, &state).await?;
    if capacity::take(step, &demands_of_removal(&location)).await?.is_some() {
        let wake = step.now + LOOK_AGAIN_IN_CASE_MS;
        return Ok(Next::Stay(state.at_stage(RemovalStage::Waiting { until: Some(step.now) }), wake));
    }
    match &state.verified {
        _ if state.only_proves() => remove(step, state, &location, false).await,
        Some(verified) => {
            fan_out_compares(step, &state, &location, verified).await?;
            Ok(Next::Go(state.at_stage(RemovalStage::Comparing), String::new()))
        }
        None if fan_out_unread(deployment, step, &state, &location).await? => {
            Ok(Next::Go(state.at_stage(RemovalStage::Comparing), String::new()))
        }
        None => remove(step, state, &location, false).await,
    }
}

/// Waits for the set's first location to be emptied: until that has been compared and deleted from, a delete
/// here would be brought there unseen. What was written there late may still be on its way here then, as
/// requests from before may: that is waited for as well.
async fn follow(
    deployment: &Deployment,
    step: &mut StepTx<'_>,
    state: &RemovalState,
) -> Result<Option<Next<RemovalState>>, StepError> {
    let Some(first) = state.follows.as_ref().filter(|_| !state.first_is_empty) else {
        return Ok(None);
    };
    let entry = ledger::get(step.tx, &step.record.subject, &state.service, first).await?;
    let busy = entry.filter(|entry| entry.state == EntryState::Removing);
    let until = if busy.is_some() { step.now } else { step.now + millis(deployment.timing.drained_after()) };
    let waits_for = busy
        .as_ref()
        .map(|entry| format!("{} to be emptied first: its store brings the deletes here", entry.location.name));
    let first_is_empty = busy.is_none();
    let waiting = state.clone().at_stage(RemovalStage::Waiting { until: Some(until) });
    let wake = until.max(step.now + if first_is_empty { 0 } else { LOOK_AGAIN_MS });
    Ok(Some(Next::Stay(RemovalState { waits_for, first_is_empty, ..waiting }, wake)))
}

/// All parts have been compared. If each still is as it was verified, or somebody has accepted exactly what differs, deletes.
async fn compared(
    deployment: &Deployment,
    step: &mut StepTx<'_>,
    state: RemovalState,
) -> Result<Next<RemovalState>, StepError> {
    match finished(deployment, step, &state).await? {
        Tasks::Next(next) => Ok(*next),
        Tasks::Done(tasks) => {
            if let Some(done) = superseded(step, &state).await? {
                return Ok(done);
            }
            let Comparison { parts, late, location } = found(&tasks)?;
            if late != LateWrites::default() && state.accepted.as_ref() != Some(&late.hash()) {
                return stop(step, state, parts, late).await;
            }
            step.erase_tasks().await?;
            go_on_with_seen(step).await?;
            // What was compared, and nothing else: the service may have grown index shards since.
            let location = match location {
                Some(location) => location,
                None => location_now(step, &state).await?,
            };
            let state = RemovalState { verified: Some(parts), unread: false, late: None, begun: true, ..state };
            remove(step, state, &location, late.strays > 0).await
        }
    }
}

/// Something was written late, and nobody has accepted exactly that.
async fn stop(
    step: &mut StepTx<'_>,
    state: RemovalState,
    parts: Vec<VerifiedPart>,
    late: LateWrites,
) -> Result<Next<RemovalState>, StepError> {
    let error = stopped(&step.record.id, &state, &late);
    let note = format!("{}: {}", error.code, error.message);
    let unread = state.is_unread();
    let mut state = RemovalState { late: Some(late), accepted: None, ..state };
    if trust_the_rest(step, parts.len()).await? {
        (state.verified, state.unread) = (Some(parts), unread);
    }
    Ok(Next::Go(state.at_stage(RemovalStage::Failed { error }), note))
}

/// With `strays`, somebody has accepted to delete items that stand where no part is.
async fn remove(
    step: &mut StepTx<'_>,
    state: RemovalState,
    location: &Location,
    strays: bool,
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
            noted: state.verified.is_some(),
            only_prove: state.only_proves(),
            strays: strays && part == 0,
        };
        step.fan_out(&NewTask { kind: RemoveTask::KIND, target: location.key(), input: to_value(&input) }).await?;
    }
    Ok(Next::Go(state.at_stage(RemovalStage::Removing), String::new()))
}

fn until_quiet(
    deployment: &Deployment,
    step: &StepTx<'_>,
    state: RemovalState,
    in_doubt: InDoubt,
) -> Next<RemovalState> {
    let look_again = in_doubt.until.min(step.now + millis(deployment.timing.heartbeat));
    Next::Stay(RemovalState { waits_for: Some(in_doubt.reason), ..state }, look_again)
}

/// Another removal has emptied the entry, or a move has filled it again since: nothing is left for this one to do.
async fn superseded(step: &mut StepTx<'_>, state: &RemovalState) -> Result<Option<Next<RemovalState>>, StepError> {
    let entry = ledger::get(step.tx, &step.record.subject, &state.service, &state.location.key()).await?;
    let ours = entry.is_some_and(|entry| entry.state == EntryState::Removing && entry.generation == state.generation);
    if ours {
        return Ok(None);
    }
    erase_evidence(step).await?;
    let done = RemovalStage::Done { removed: Amount::default() };
    Ok(Some(Next::Go(state.clone().at_stage(done), "superseded: the entry is not this removal's any more".to_owned())))
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
    if let Some(again) = compare_again(deployment, step, &state).await? {
        return Ok(again);
    }
    let tasks = match finished(deployment, step, &state).await? {
        Tasks::Done(tasks) => tasks,
        Tasks::Next(next) => return Ok(*next),
    };
    // A delete that may still arrive must not meet what a later move writes here: the entry is absent only after it.
    if let Some(in_doubt) = in_doubt::in_doubt(deployment, step, &state.service, &state.location).await? {
        return Ok(until_quiet(deployment, step, state, in_doubt));
    }
    let removed = tasks.iter().map(removed_by).sum::<Result<Amount, _>>()?;
    let tenant = step.record.subject.clone();
    let key = state.location.key();
    let by = Actor::realmctl("proved empty").changes(step.ids, Some(&step.record.id));
    if !ledger::become_absent(step.tx, &tenant, &state.service, &key, (state.generation, by)).await? {
        return Err(StepError::permanent("ledger_mismatch", format!("the ledger's entry of {key} is not removing")));
    }
    recheck::queue(deployment, step, &state).await?;
    Ok(Next::Go(state.at_stage(RemovalStage::Done { removed }), String::new()))
}

/// The deletes have met something that was not there when it was compared: it is left where it is, and all is compared again, a few times.
/// Then a person is needed, though nothing has been found: somebody writes there and at the live copy.
async fn compare_again(
    deployment: &Deployment,
    step: &mut StepTx<'_>,
    state: &RemovalState,
) -> Result<Option<Next<RemovalState>>, StepError> {
    let tasks = step.tasks().await?;
    let mut errors =
        tasks.iter().filter(|task| task.status == TaskStatus::Failed).filter_map(|task| task.error.as_ref());
    let Some(late) = errors.find(|error| error.code == LATE_WRITES) else { return Ok(None) };
    if state.compared_again >= MOST_COMPARED_AGAIN {
        return Ok(None);
    }
    let note = format!("{}: {}", late.code, late.message);
    step.erase_tasks().await?;
    let compared_again = state.compared_again + 1;
    let until = Some(step.now + millis(deployment.timing.lease) * i64::from(compared_again - 1));
    let state = RemovalState { accepted: None, compared_again, ..state.clone() };
    Ok(Some(Next::Go(state.at_stage(RemovalStage::Waiting { until }), note)))
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
