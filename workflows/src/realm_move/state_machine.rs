//! The move as the engine runs it: which file handles which state, and where failures lead.

use async_trait::async_trait;
use catalogue::{capacity, fingerprints, tenants, workflow_in_use};
use engine::{Next, OnFailure, StepError, StepTx, Treatment, Workflow, WorkflowRecord};
use store::{StoreError, Tx};
use workers::fitness::is_own_failure;

use super::state::{MoveState, Stage};
use crate::audit_entries;
use crate::clock_checks::{self, Whose};
use crate::deployment::Deployment;
use crate::realm_move::states::preflight::Preflight;
use crate::realm_move::states::{
    add_data, commit, comparing, drain, notify, offline, preflight, re_online, scheduled, verify, waiting,
};
use crate::realm_move::transitions;

/// The move of a tenant to another realm.
pub struct RealmMove {
    deployment: Deployment,
}

impl RealmMove {
    /// The workflow on this deployment.
    pub fn new(deployment: Deployment) -> Self {
        Self { deployment }
    }
}

/// What a step of a move saw outside the catalogue.
#[derive(Debug)]
pub enum Seen {
    /// The state looks at nothing.
    Nothing,
    /// What preflight found.
    Preflight(Preflight),
    /// What could not be told to whom.
    Told(Vec<String>),
}

/// Attempts at a state's step before the move gives up, while giving up is safe.
const MAX_ATTEMPTS: u32 = 6;

/// Attempts at telling the world before the move completes with a warning.
const MAX_NOTIFY_ATTEMPTS: u32 = 3;

/// Attempts at a state before the move goes elsewhere; `None`: it is tried without end.
pub(crate) fn max_attempts(state: &str) -> Option<u32> {
    match state {
        "re_online" => None,
        "notify" => Some(MAX_NOTIFY_ATTEMPTS),
        _ => Some(MAX_ATTEMPTS),
    }
}

#[async_trait]
impl Workflow for RealmMove {
    type State = MoveState;
    type Seen = Seen;

    const KIND: &'static str = "move";

    const REACHES_OUT: &'static [&'static str] = &["preflight", "notify"];

    fn name(state: &MoveState) -> &'static str {
        state.stage.name()
    }

    fn may_follow(from: &str, to: &str) -> bool {
        transitions::may_follow(from, to)
    }

    fn is_final(name: &str) -> bool {
        transitions::is_final(name)
    }

    fn keeps_offline(name: &str) -> bool {
        transitions::keeps_offline(name)
    }

    /// Only the first state: every other one reads or locks the tenant, or the entries.
    fn shares_commits(name: &str) -> bool {
        name == "scheduled"
    }

    async fn is_named(&self, tx: &mut Tx, record: &WorkflowRecord) -> Result<bool, StoreError> {
        workflow_in_use::names_workflow(tx, &record.id).await
    }

    async fn observe(&self, record: &WorkflowRecord, state: &MoveState) -> Result<Seen, StepError> {
        match state.stage {
            Stage::Preflight => preflight::observe(&self.deployment, &record.subject, state).await.map(Seen::Preflight),
            Stage::Notify { .. } => notify::observe(&self.deployment, &record.subject, state).await.map(Seen::Told),
            // Before the tenant goes offline, and before the drain ends.
            Stage::Waiting { .. } | Stage::Drain { .. } => {
                clock_checks::hear_targets(&self.deployment, Whose::All, &state.plan).await.map(|()| Seen::Nothing)
            }
            Stage::AddData { .. } | Stage::Verify { .. } => {
                clock_checks::hear_targets(&self.deployment, Whose::InDoubt, &state.plan).await.map(|()| Seen::Nothing)
            }
            _ => Ok(Seen::Nothing),
        }
    }

    async fn advance(&self, step: &mut StepTx<'_>, state: MoveState, seen: Seen) -> Result<Next<MoveState>, StepError> {
        let deployment = &self.deployment;
        if let Some(missed) = scheduled::missed(&deployment.timing, &state, step.now) {
            return Err(missed);
        }
        match (state.stage.clone(), seen) {
            (Stage::Scheduled, _) => Ok(Next::Go(state.at_stage(Stage::Preflight), String::new())),
            (Stage::Preflight, Seen::Preflight(found)) => preflight::advance(deployment, step, state, found).await,
            (Stage::Waiting { since, looked_at, .. }, _) => {
                waiting::advance(deployment, step, state, since, looked_at).await
            }
            (Stage::Comparing, _) => comparing::advance(deployment, step, state).await,
            (Stage::Offline, _) => offline::advance(deployment, step, state).await,
            (Stage::Drain { offline, until }, _) => drain::advance(deployment, step, state, offline, until).await,
            (Stage::AddData { offline, pace }, _) => add_data::advance(deployment, step, state, offline, pace).await,
            (Stage::Verify { offline, copied, pace }, _) => {
                verify::advance(deployment, step, state, (offline, pace), copied).await
            }
            (Stage::Commit { offline, copied, report, compared }, _) => {
                commit::advance(deployment, step, state, offline, (copied, report, compared)).await
            }
            (Stage::Notify { committed }, Seen::Told(warnings)) => Ok(notify::advance(state, committed, warnings)),
            (Stage::ReOnline { offline, error }, _) => re_online::advance(step, state, offline, error).await,
            (stage, _) => {
                Err(StepError::permanent("no_such_step", format!("a move that is {} has no next step", stage.name())))
            }
        }
    }

    async fn ended(&self, step: &mut StepTx<'_>, state: &MoveState) -> Result<(), StepError> {
        // One that rolled back has its entry by `bring_back`.
        if let Stage::Failed { error } = &state.stage {
            audit_entries::failed(step, "move", error).await?;
        }
        step.erase_tasks().await?;
        fingerprints::erase_all(step.tx, &step.record.id).await?;
        capacity::release(step.tx, &step.record.id).await?;
        // A commit and a `re_online` have let go already; a failed move does here.
        let (tenant, id) = (step.record.subject.clone(), step.record.id.clone());
        tenants::release(step.tx, &tenant, &id).await?;
        Ok(())
    }

    fn on_failure(&self, state: &MoveState, error: &StepError, attempt: u32) -> OnFailure<MoveState> {
        // What the process itself had lacked it has by now: it would have left the step to others.
        let may_pass = error.treatment == Treatment::Retryable || is_own_failure(&error.code);
        let error = error.stored();
        let next = match &state.stage {
            // Tried without end: the tenant is offline and must come back.
            Stage::ReOnline { .. } => return OnFailure::Retry,
            Stage::Notify { .. } if may_pass && attempt < MAX_NOTIFY_ATTEMPTS => return OnFailure::Retry,
            Stage::Notify { committed } => {
                let warnings = vec![format!("{}: {}", error.code, error.message)];
                Stage::Completed { committed: committed.clone(), warnings }
            }
            _ if may_pass && attempt < MAX_ATTEMPTS => return OnFailure::Retry,
            Stage::Drain { offline, .. }
            | Stage::AddData { offline, .. }
            | Stage::Verify { offline, .. }
            | Stage::Commit { offline: Some(offline), .. } => Stage::ReOnline { offline: offline.clone(), error },
            _ => Stage::Failed { error },
        };
        OnFailure::Go(state.clone().at_stage(next))
    }
}
