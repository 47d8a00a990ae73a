//! Looks once more at an emptied location, after the longest time that a write may lie in a queue or stream. If data of the
//! tenant has turned up there, the entry is `removing` again and the removal compares what is there with nothing, which stops
//! it with `late_writes` for a person to look, unless the live copy has the same. It deletes nothing itself, and an entry that a
//! move has filled since is none of its business.

use async_trait::async_trait;
use catalogue::ledger::{self, EntryState};
use catalogue::location::Location;
use catalogue::topologies;
use engine::{ExternalTransition, Next, OnFailure, Priority, StepError, StepTx, StoredError, Workflow, WorkflowRecord};
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::{StoreError, Tx};

use super::compare::erase_evidence;
use super::state::{OF_STRAYS, RemovalStage, RemovalState};
use crate::actor::Actor;
use crate::audit_entries;
use crate::deployment::Deployment;
use crate::mover_errors::step_error;
use crate::places::place_of;
use crate::removal::state_machine::Removal;
use crate::timing::millis;
use crate::unit_limits::limited_movers;

/// A recheck as stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RecheckState {
    /// The removal that emptied the location.
    pub removal: String,
    /// Of which service.
    pub service: String,
    /// Where.
    pub location: Location,
    /// The generation that was emptied.
    pub generation: i64,
    /// Where it stands.
    pub stage: RecheckStage,
}

/// Where a recheck stands.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
pub enum RecheckStage {
    /// Until its time.
    Waiting,
    /// Nothing was there, or the location is in use again.
    Done,
    /// Data had turned up: the removal looks at it.
    Found,
    /// The store could not be asked.
    Failed {
        /// Why.
        error: StoredError,
    },
}

/// All states.
pub const STATES: [&str; 4] = ["waiting", "done", "found", "failed"];

/// What there is at an emptied location.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Nothing of the tenant.
    Nothing,
    /// Data of the tenant.
    Data,
    /// It is in use again, and none of the recheck's business.
    InUse,
}

impl Found {
    fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Data => "data",
            Self::InUse => "in_use",
        }
    }
}

/// The second look at an emptied location.
pub struct Recheck {
    deployment: Deployment,
}

impl Recheck {
    /// The workflow on this deployment.
    pub fn new(deployment: Deployment) -> Self {
        Self { deployment }
    }
}

/// Queues the recheck of a location that the step's removal has emptied.
pub(super) async fn queue(
    deployment: &Deployment,
    step: &mut StepTx<'_>,
    removal: &RemovalState,
) -> Result<(), StoreError> {
    let state = RecheckState {
        removal: step.record.id.clone(),
        service: removal.service.clone(),
        location: removal.location.clone(),
        generation: removal.generation,
        stage: RecheckStage::Waiting,
    };
    let at = step.now + millis(deployment.timing.queue_retention);
    step.start::<Recheck>(&state, at).await.map(drop)
}

#[async_trait]
impl Workflow for Recheck {
    type State = RecheckState;
    type Seen = Found;

    const KIND: &'static str = "recheck";

    const PRIORITY: Priority = Priority::Low;

    const REACHES_OUT: &'static [&'static str] = &["waiting"];

    fn name(state: &RecheckState) -> &'static str {
        match state.stage {
            RecheckStage::Waiting => "waiting",
            RecheckStage::Done => "done",
            RecheckStage::Found => "found",
            RecheckStage::Failed { .. } => "failed",
        }
    }

    fn may_follow(from: &str, to: &str) -> bool {
        from == "waiting" && to != "waiting"
    }

    fn is_final(name: &str) -> bool {
        name != "waiting"
    }

    /// One that could not look waits for a person to.
    fn may_be_pruned(name: &str) -> bool {
        name != "failed"
    }

    async fn observe(&self, record: &WorkflowRecord, state: &RecheckState) -> Result<Found, StepError> {
        let mut tx = self.deployment.store.read().await?;
        let ours = is_empty_entry(&mut tx, &record.subject, state).await?;
        let topology = topologies::current(&mut tx).await?;
        tx.rollback().await?;
        if !ours {
            return Ok(Found::InUse);
        }
        let location = match topology {
            Some(stored) => stored.topology.refresh(&state.service, &state.location),
            None => state.location.clone(),
        };
        let found = limited_movers(&self.deployment).await?.inspect(&place_of(&location), &record.subject).await;
        match found {
            Ok(found) if found.empty => Ok(Found::Nothing),
            Ok(_) => Ok(Found::Data),
            // Under index values that no part has.
            Err(strays) if OF_STRAYS.contains(&strays.code) => Ok(Found::Data),
            // It has gone, and everything in it.
            Err(gone) if ["table_not_found", "bucket_not_found"].contains(&gone.code) => Ok(Found::Nothing),
            Err(error) => Err(step_error(error)),
        }
    }

    async fn advance(
        &self,
        step: &mut StepTx<'_>,
        state: RecheckState,
        found: Found,
    ) -> Result<Next<RecheckState>, StepError> {
        let tenant = step.record.subject.clone();
        let still_ours = is_empty_entry(step.tx, &tenant, &state).await?;
        let found = if still_ours { found } else { Found::InUse };
        let what = json!({
            "removal": state.removal, "service": state.service, "location": state.location.name,
            "locationKey": state.location.key(), "found": found.name(),
        });
        audit_entries::found(step, "removal.recheck", found.name(), what).await?;
        if found != Found::Data {
            return Ok(Next::Go(RecheckState { stage: RecheckStage::Done, ..state }, String::new()));
        }
        reopen(step, &tenant, &state).await?;
        let note = format!("data of the tenant turned up: see removal {}", state.removal);
        Ok(Next::Go(RecheckState { stage: RecheckStage::Found, ..state }, note))
    }

    async fn ended(&self, step: &mut StepTx<'_>, state: &RecheckState) -> Result<(), StepError> {
        if let RecheckStage::Failed { error } = &state.stage {
            audit_entries::failed(step, Self::KIND, error).await?;
        }
        Ok(())
    }

    /// A store that can't be asked just now is asked later.
    fn on_failure(&self, state: &RecheckState, error: &StepError, _: u32) -> OnFailure<RecheckState> {
        if error.may_pass() {
            return OnFailure::Retry;
        }
        OnFailure::Go(RecheckState { stage: RecheckStage::Failed { error: error.stored() }, ..state.clone() })
    }
}

/// Whether the entry still is as the removal left it.
async fn is_empty_entry(tx: &mut Tx, tenant: &str, state: &RecheckState) -> Result<bool, StoreError> {
    let entry = ledger::get(tx, tenant, &state.service, &state.location.key()).await?;
    Ok(entry.is_some_and(|entry| entry.state == EntryState::Absent && entry.generation == state.generation))
}

/// The entry is `removing` again, and the removal compares what is there with nothing: in one transaction, or not at all.
async fn reopen(step: &mut StepTx<'_>, tenant: &str, state: &RecheckState) -> Result<(), StepError> {
    let (key, id, recheck) = (state.location.key(), &state.removal, step.record.id.clone());
    let held = ExternalTransition::<Removal>::lock(step.tx, step.ids, id).await?;
    let mut held = held.ok_or_else(|| StepError::permanent("unknown_removal", format!("there is no removal {id}")))?;
    let by = Actor::realmctl("late_writes").changes(held.step.ids, Some(&recheck));
    if !ledger::reopen_removing(held.step.tx, tenant, &state.service, &key, state.generation, (id, by)).await? {
        return Err(StepError::retryable("ledger_mismatch", format!("the ledger's entry of {key} has changed")));
    }
    erase_evidence(&mut held.step).await?;
    let note =
        "data of the tenant turned up at a location that had been emptied: something still writes there".to_owned();
    // Whoever accepted late writes before has not seen these.
    let removal = RemovalState {
        verified: Some(Vec::new()),
        accept_late_writes: false,
        accepted: None,
        late: None,
        unread: false,
        compared_again: 0,
        left_behind: true,
        begun: false,
        ..held.state()?
    };
    let waiting = RemovalStage::Waiting { until: Some(held.step.now) };
    held.go(&Next::Go(removal.at_stage(waiting), note), None).await
}
