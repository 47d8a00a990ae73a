//! Looks once more at an emptied location, after the longest time that a write may lie in a queue or stream. If data of the
//! tenant has turned up there, the cell is `removing` again and the removal fails with `late_writes`, for a person to look. It
//! deletes nothing itself, and a cell that a move has filled since is none of its business.

use async_trait::async_trait;
use catalogue::ledger::{self, CellState};
use catalogue::location::Location;
use catalogue::topologies;
use engine::{
    Intervention, Next, OnFailure, Priority, StepError, StepTx, StoredError, Treatment, Workflow, WorkflowRecord,
};
use serde::{Deserialize, Serialize};
use store::{StoreError, Tx};

use super::machine::Removal;
use super::state::{RemovalStage, RemovalState};
use crate::data_tasks::{place_of, step_error};
use crate::deployment::Deployment;
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
    /// Data had turned up: the removal failed, and can be replayed.
    Found,
    /// The store could not be asked.
    Failed {
        /// Why.
        error: StoredError,
    },
}

/// All states.
pub const STATES: [&str; 4] = ["waiting", "done", "found", "failed"];

/// Attempts at asking the store before it is given up.
const MAX_ATTEMPTS: u32 = 100;

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
    /// Whether data of the tenant is there.
    type Seen = bool;

    const KIND: &'static str = "recheck";

    const PRIORITY: Priority = Priority::Low;

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

    async fn observe(&self, record: &WorkflowRecord, state: &RecheckState) -> Result<bool, StepError> {
        let mut tx = self.deployment.store.read().await?;
        let ours = is_empty_cell(&mut tx, &record.subject, state).await?;
        let topology = topologies::current(&mut tx).await?;
        tx.rollback().await?;
        if !ours {
            return Ok(false);
        }
        let location = match topology {
            Some(stored) => stored.topology.refresh(&state.service, &state.location),
            None => state.location.clone(),
        };
        let found = limited_movers(&self.deployment).await?.inspect(&place_of(&location), &record.subject).await;
        match found {
            Ok(found) => Ok(!found.empty),
            // It has gone, and everything in it.
            Err(gone) if ["table_not_found", "bucket_not_found"].contains(&gone.code) => Ok(false),
            Err(error) => Err(step_error(error)),
        }
    }

    async fn advance(
        &self,
        step: &mut StepTx<'_>,
        state: RecheckState,
        found: bool,
    ) -> Result<Next<RecheckState>, StepError> {
        let tenant = step.record.subject.clone();
        if !found || !is_empty_cell(step.tx, &tenant, &state).await? {
            return Ok(Next::Go(RecheckState { stage: RecheckStage::Done, ..state }, String::new()));
        }
        reopen(step, &tenant, &state).await?;
        let note = format!("data of the tenant turned up: see removal {}", state.removal);
        Ok(Next::Go(RecheckState { stage: RecheckStage::Found, ..state }, note))
    }

    async fn ended(&self, _: &mut StepTx<'_>, _: &RecheckState) -> Result<(), StepError> {
        Ok(())
    }

    fn on_failure(&self, state: &RecheckState, error: &StepError, attempt: u32) -> OnFailure<RecheckState> {
        if error.treatment == Treatment::Retryable && attempt < MAX_ATTEMPTS {
            return OnFailure::Retry;
        }
        OnFailure::Go(RecheckState { stage: RecheckStage::Failed { error: error.stored() }, ..state.clone() })
    }
}

/// Whether the cell still is as the removal left it.
async fn is_empty_cell(tx: &mut Tx, tenant: &str, state: &RecheckState) -> Result<bool, StoreError> {
    let cell = ledger::get(tx, tenant, &state.service, &state.location.key()).await?;
    Ok(cell.is_some_and(|cell| cell.state == CellState::Absent && cell.generation == state.generation))
}

/// The cell is `removing` again, and the removal failed: in one transaction, or not at all.
async fn reopen(step: &mut StepTx<'_>, tenant: &str, state: &RecheckState) -> Result<(), StepError> {
    let (key, id) = (state.location.key(), &state.removal);
    let held = Intervention::<Removal>::lock(step.tx, step.ids, id).await?;
    let held = held.ok_or_else(|| StepError::permanent("unknown_removal", format!("there is no removal {id}")))?;
    if !ledger::reopen_removing(held.step.tx, tenant, &state.service, &key, state.generation, id).await? {
        return Err(StepError::retryable("ledger_mismatch", format!("the ledger's cell of {key} has changed")));
    }
    let message = format!(
        "data of the tenant turned up at {} of {} after it had been emptied: something still writes there. Find the writer, carry \
         over what is missed, then replay the removal, accepting late writes",
        state.location.name, state.service
    );
    let error = StoredError { code: "late_writes".to_owned(), message };
    let note = format!("{}: {}", error.code, error.message);
    // Whoever accepted late writes before has not seen these.
    let removal = RemovalState { accept_late_writes: false, ..held.state()? };
    let failed = removal.at_stage(RemovalStage::Failed { error: error.clone() });
    held.go(&Next::Go(failed, note), Some(&error)).await
}
