//! `verify`: waits until every added location has been read back and found to hold exactly what the source holds.

use engine::{Next, StepError, StepTx};

use crate::deployment::Deployment;
use crate::realm_move::forecast::budget_check::Pace;
use crate::realm_move::forecast::budget_watch;
use crate::realm_move::parts::CopiedPart;
use crate::realm_move::report::report;
use crate::realm_move::roll_back::roll_back_if_over;
use crate::realm_move::state::{MoveState, OfflinePeriod, Stage};
use crate::realm_move::states::add_data::{Tasks, next_look, settle_tasks};
use crate::realm_move::states::comparing;

pub(crate) async fn advance(
    deployment: &Deployment,
    step: &mut StepTx<'_>,
    state: MoveState,
    (offline, pace): (OfflinePeriod, Pace),
    copied: Vec<CopiedPart>,
) -> Result<Next<MoveState>, StepError> {
    let work = budget_watch::verify_work(deployment, &copied);
    let verified = match settle_tasks(deployment, step, &state, &offline, (&pace, &work)).await? {
        Tasks::Done(tasks) => tasks,
        Tasks::GoOn(pace) => {
            let wake = next_look(deployment, step, &offline);
            return Ok(Next::Stay(state.at_stage(Stage::Verify { offline, copied, pace: *pace }), wake));
        }
        Tasks::Next(next) => return Ok(*next),
    };
    let (report, compared) = (report(state.verification, &copied, &verified)?, comparing::compared(&verified)?);
    if let Some(back) = roll_back_if_over(deployment, step, &state, &offline).await? {
        return Ok(back);
    }
    Ok(Next::Go(state.at_stage(Stage::Commit { offline: Some(offline), copied, report, compared }), String::new()))
}
