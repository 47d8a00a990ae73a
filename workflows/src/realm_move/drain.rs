//! `drain`: the tenant is offline; waits until every reader has seen it and every request from before has ended, then
//! fans out the copies. No registry of readers exists yet, so the whole context TTL is always waited out.

use catalogue::{ledger, tenants};
use engine::task::NewTask;
use engine::{Next, StepError, StepTx, StoredError, TaskRecord};
use store::Millis;
use workers::clocks::CLOCK_SKEW;

use super::cause::{self, Stopped};
use super::projection::Pace;
use super::state::{MoveState, OfflinePeriod, Stage};
use crate::clocks;
use crate::data_tasks::{CopyInput, CopyTask, to_value};
use crate::deployment::Deployment;
use crate::plan::ServicePlan;
use crate::timing::millis;

pub(super) async fn advance(
    deployment: &Deployment,
    step: &mut StepTx<'_>,
    state: MoveState,
    offline: OfflinePeriod,
    until: Option<Millis>,
) -> Result<Next<MoveState>, StepError> {
    if let Some(retreat) = retreat_if_over(deployment, step, &state, &offline).await? {
        return Ok(retreat);
    }
    // By the database's clock, at the beginning and at the end: if it has been set meanwhile, requests from before may still run.
    if let Some(difference) = clocks::difference(deployment, step, clocks::targets(&state.plan)).await? {
        return Ok(retreat(&state, &offline, CLOCK_SKEW, &difference));
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
    let divided = &state.divided;
    let Some(source) = &service.source else { return Ok(()) };
    for target in service.add.iter().filter(|at| state.sets.filled_by(&service.service, &at.key()).is_none()) {
        let cell = ledger::get(step.tx, &tenant, &service.service, &target.key()).await?;
        let generation = cell.map(|cell| cell.generation).ok_or_else(|| {
            StepError::permanent("cell_missing", format!("the ledger has no cell for {}", target.key()))
        })?;
        for part in 0..divided.parts(&service.service, source) {
            let input = CopyInput {
                tenant: tenant.clone(),
                service: service.service.clone(),
                from: source.clone(),
                to: target.clone(),
                part,
                bounds: divided.bounds(&service.service).to_vec(),
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

/// Renews the offline lease for a step that has got this far. A lapsed lease or a passed deadline leads back online.
pub(super) async fn retreat_if_over(
    deployment: &Deployment,
    step: &mut StepTx<'_>,
    state: &MoveState,
    offline: &OfflinePeriod,
) -> Result<Option<Next<MoveState>>, StepError> {
    let until = (step.now + millis(deployment.timing.offline_lease)).min(offline.deadline);
    let (tenant, id) = (step.record.subject.clone(), step.record.id.clone());
    if let Some(retreat) = past_deadline(step, state, offline, &[]) {
        return Ok(Some(retreat));
    }
    if !tenants::renew(step.tx, &tenant, &id, offline.epoch, until).await? {
        let (code, why) = offline.why_it_lapsed(step.tx.now().await?);
        return Ok(Some(retreat(state, offline, code, why)));
    }
    Ok(None)
}

/// The way back when the deadline or the budget is spent, with these tasks.
pub(super) fn past_deadline(
    step: &StepTx<'_>,
    state: &MoveState,
    offline: &OfflinePeriod,
    tasks: &[TaskRecord],
) -> Option<Next<MoveState>> {
    if step.now < offline.deadline {
        return None;
    }
    let (spent, allowed) = (step.now - offline.since, offline.deadline - offline.since);
    let message = format!("offline for {} s of the {} s allowed", spent / 1_000, allowed / 1_000);
    let ran_out = StoredError { code: "offline_deadline".to_owned(), message };
    let StoredError { code, message } = cause::of(ran_out, Stopped::Perhaps, tasks);
    Some(retreat(state, offline, &code, &message))
}

pub(super) fn retreat(state: &MoveState, offline: &OfflinePeriod, code: &str, message: &str) -> Next<MoveState> {
    let error = StoredError { code: code.to_owned(), message: message.to_owned() };
    let note = format!("{code}: {message}");
    Next::Go(state.clone().at_stage(Stage::ReOnline { offline: offline.clone(), error }), note)
}
