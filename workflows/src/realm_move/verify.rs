//! `verify`: waits until every added location has been read back and found to hold exactly what the source holds.

use engine::{Next, StepError, StepTx};

use super::add_data::{Tasks, settle_tasks};
use super::drain::retreat_if_over;
use super::state::{CopiedPart, MoveState, OfflinePeriod, Stage};
use crate::deployment::Deployment;

pub(super) async fn advance(
    deployment: &Deployment,
    step: &mut StepTx<'_>,
    state: MoveState,
    offline: OfflinePeriod,
    copied: Vec<CopiedPart>,
) -> Result<Next<MoveState>, StepError> {
    if let Tasks::Next(next) = settle_tasks(deployment, step, &state, &offline).await? {
        return Ok(*next);
    }
    if let Some(retreat) = retreat_if_over(deployment, step, &state, &offline).await? {
        return Ok(retreat);
    }
    Ok(Next::Go(state.at_stage(Stage::Commit { offline: Some(offline), copied }), String::new()))
}
