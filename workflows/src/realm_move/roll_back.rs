//! Where a move that keeps its tenant offline turns back: its lease has lapsed, its deadline has passed, or a state has found a reason.

use catalogue::tenants;
use engine::{Next, StepError, StepTx, StoredError, TaskRecord};

use super::cause::{self, Stopped};
use super::state::{MoveState, OfflinePeriod, Stage};
use crate::deployment::Deployment;
use crate::timestamps::utc;
use crate::timing::millis;

/// Renews the offline lease for a step that has got this far. A lapsed lease or a passed deadline leads back online.
pub(crate) async fn roll_back_if_over(
    deployment: &Deployment,
    step: &mut StepTx<'_>,
    state: &MoveState,
    offline: &OfflinePeriod,
) -> Result<Option<Next<MoveState>>, StepError> {
    let until = (step.now + millis(deployment.timing.offline_lease)).min(offline.deadline);
    let (tenant, id) = (step.record.subject.clone(), step.record.id.clone());
    if let Some(back) = past_deadline(step, state, offline, &[]) {
        return Ok(Some(back));
    }
    if !tenants::renew(step.tx, &tenant, &id, offline.epoch, until).await? {
        let (code, why) = offline.why_it_lapsed(step.tx.now().await?, state.window);
        return Ok(Some(roll_back(state, offline, code, &why)));
    }
    Ok(None)
}

/// The way back when the deadline or the budget is spent, with these tasks.
pub(crate) fn past_deadline(
    step: &StepTx<'_>,
    state: &MoveState,
    offline: &OfflinePeriod,
    tasks: &[TaskRecord],
) -> Option<Next<MoveState>> {
    if step.now < offline.deadline {
        return None;
    }
    let (spent, allowed) = (step.now - offline.since, offline.deadline - offline.since);
    let message = match offline.bounding(state.window) {
        Some(window) => {
            format!("the window of the move ended at {}, after {} s offline", utc(window.to), spent / 1_000)
        }
        None => format!("offline for {} s of the {} s allowed", spent / 1_000, allowed / 1_000),
    };
    let ran_out = StoredError { code: "offline_deadline".to_owned(), message };
    let StoredError { code, message } = cause::of(ran_out, Stopped::Perhaps, tasks);
    Some(roll_back(state, offline, &code, &message))
}

/// The way back online, for this reason.
pub(crate) fn roll_back(state: &MoveState, offline: &OfflinePeriod, code: &str, message: &str) -> Next<MoveState> {
    let error = StoredError { code: code.to_owned(), message: message.to_owned() };
    let note = format!("{code}: {message}");
    Next::Go(state.clone().at_stage(Stage::ReOnline { offline: offline.clone(), error }), note)
}
