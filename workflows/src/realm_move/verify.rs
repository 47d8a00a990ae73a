//! `verify`: waits until every added location has been read back and found to hold exactly what the source holds.

use engine::{Next, StepError, StepTx};

use super::add_data::{Tasks, next_look, settle_tasks};
use super::drain::retreat_if_over;
use super::leaving;
use super::on_course;
use super::projection::Pace;
use super::report::report;
use super::state::{CopiedPart, MoveState, OfflinePeriod, Stage};
use crate::deployment::Deployment;

pub(super) async fn advance(
    deployment: &Deployment,
    step: &mut StepTx<'_>,
    state: MoveState,
    (offline, pace): (OfflinePeriod, Pace),
    copied: Vec<CopiedPart>,
) -> Result<Next<MoveState>, StepError> {
    let work = on_course::verify_work(deployment, &copied);
    let verified = match settle_tasks(deployment, step, &state, &offline, (&pace, &work)).await? {
        Tasks::Done(tasks) => tasks,
        Tasks::GoOn(pace) => {
            let wake = next_look(deployment, step, &offline);
            return Ok(Next::Stay(state.at_stage(Stage::Verify { offline, copied, pace: *pace }), wake));
        }
        Tasks::Next(next) => return Ok(*next),
    };
    let (report, compared) = (report(state.verification, &copied, &verified)?, leaving::compared(&verified)?);
    if let Some(retreat) = retreat_if_over(deployment, step, &state, &offline).await? {
        return Ok(retreat);
    }
    Ok(Next::Go(state.at_stage(Stage::Commit { offline: Some(offline), copied, report, compared }), String::new()))
}
