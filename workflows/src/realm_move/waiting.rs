//! `waiting`: online and bounded, until every target's cell is absent: an earlier removal may still be emptying one.

use catalogue::ledger::{self, CellState};
use engine::{Next, StepError, StepTx};
use store::{Millis, StoreError};

use super::state::{MoveState, Stage};
use crate::deployment::Deployment;
use crate::plan::Plan;
use crate::timing::millis;

/// How often the targets are looked at again, in milliseconds.
const LOOK_AGAIN_MS: Millis = 1_000;

pub(super) async fn advance(
    deployment: &Deployment,
    step: &mut StepTx<'_>,
    state: MoveState,
    since: Millis,
) -> Result<Next<MoveState>, StepError> {
    let Some(reason) = busy_target(step, &state.plan).await? else {
        let stage = if state.plan.needs_offline() {
            Stage::Offline
        } else {
            Stage::Commit { offline: None, copied: Vec::new() }
        };
        return Ok(Next::Go(state.at_stage(stage), String::new()));
    };
    let until = since + millis(deployment.timing.wait_limit);
    if step.now >= until {
        let message = format!("waited too long for {reason}: see `realmctl removals list`, then start the move again");
        return Err(StepError::permanent("target_busy", message));
    }
    let wake = until.min(step.now + LOOK_AGAIN_MS);
    Ok(Next::Stay(state.at_stage(Stage::Waiting { since, reason }), wake))
}

/// The first target that is not free, in words; `None` when all are.
pub(super) async fn busy_target(step: &mut StepTx<'_>, plan: &Plan) -> Result<Option<String>, StoreError> {
    for service in &plan.services {
        for target in &service.add {
            let cell = ledger::get(step.tx, &step.record.subject, &service.service, &target.key()).await?;
            let Some(cell) = cell.filter(|cell| cell.state != CellState::Absent) else { continue };
            let by = cell.workflow.as_deref().unwrap_or("nobody");
            let (service, state) = (&service.service, cell.state.as_str());
            return Ok(Some(format!("{service} at {} to be absent: it is {state}, by {by}", target.name)));
        }
    }
    Ok(None)
}
