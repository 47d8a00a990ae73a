//! `drain`: the tenant is offline; waits until every reader has seen it and every request from before has ended, then
//! fans out the copies. No registry of readers exists yet, so the whole context TTL is always waited out.

use catalogue::ledger;
use engine::task::NewTask;
use engine::{Next, StepError, StepTx};
use store::Millis;
use workers::store_clocks::CLOCK_SKEW;

use crate::clock_checks;
use crate::data_tasks::{CopyInput, CopyTask, to_value};
use crate::deployment::Deployment;
use crate::plan::ServicePlan;
use crate::realm_move::forecast::budget_check::Pace;
use crate::realm_move::roll_back::{roll_back, roll_back_if_over};
use crate::realm_move::state::{MoveState, OfflinePeriod, Stage};
use crate::timing::millis;

pub(crate) async fn advance(
    deployment: &Deployment,
    step: &mut StepTx<'_>,
    state: MoveState,
    offline: OfflinePeriod,
    until: Option<Millis>,
) -> Result<Next<MoveState>, StepError> {
    if let Some(back) = roll_back_if_over(deployment, step, &state, &offline).await? {
        return Ok(back);
    }
    // By the database's clock, at the beginning and at the end: if it has been set meanwhile, requests from before may still run.
    if let Some(difference) = clock_checks::difference(deployment, step, clock_checks::targets(&state.plan)).await? {
        return Ok(roll_back(&state, &offline, CLOCK_SKEW, &difference));
    }
    // Counted from a transaction that began after the one that took the tenant offline had committed.
    let until = until.unwrap_or(step.now + millis(deployment.timing.drained_after()));
    if step.now < until {
        let wake = until.min(offline.deadline).min(step.now + millis(deployment.timing.lease));
        return Ok(Next::Stay(state.at_stage(Stage::Drain { offline, until: Some(until) }), wake));
    }
    for service in &state.plan.services {
        fan_out_copies(step, service, &state, &offline).await?;
    }
    Ok(Next::Go(state.at_stage(Stage::AddData { offline, pace: Pace::begin(step.now, None) }), String::new()))
}

async fn fan_out_copies(
    step: &mut StepTx<'_>,
    service: &ServicePlan,
    state: &MoveState,
    offline: &OfflinePeriod,
) -> Result<(), StepError> {
    let tenant = step.record.subject.clone();
    let partitioning = &state.partitioning;
    let Some(source) = &service.source else { return Ok(()) };
    for target in service.add.iter().filter(|at| state.sets.filled_by(&service.service, &at.key()).is_none()) {
        let entry = ledger::get(step.tx, &tenant, &service.service, &target.key()).await?;
        let generation = entry.map(|entry| entry.generation).ok_or_else(|| {
            StepError::permanent("ledger_entry_missing", format!("the ledger has no entry for {}", target.key()))
        })?;
        for part in 0..partitioning.parts(&service.service, source) {
            let input = CopyInput {
                tenant: tenant.clone(),
                service: service.service.clone(),
                from: source.clone(),
                to: target.clone(),
                part,
                bounds: partitioning.bounds(&service.service).to_vec(),
                generation,
                epoch: offline.epoch,
                deadline: offline.deadline,
                verification: state.verification,
                key_prefix: service.key_prefix.clone(),
            };
            step.fan_out(&NewTask { kind: CopyTask::KIND, target: target.key(), input: to_value(&input) }).await?;
        }
    }
    Ok(())
}
