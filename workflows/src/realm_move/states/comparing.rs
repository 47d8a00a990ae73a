//! Replicas that are left and that no copy reads: what is compared before the switch, and what that found. A
//! move with an offline window does it there, beside the verification; any other in the state `comparing`,
//! while the tenant is online.

use engine::task::NewTask;
use engine::{Next, StepError, StepTx, StoredError, TaskRecord, TaskStatus};
use workers::Verification;

use crate::data_tasks::{LeftReplica, VerifyInput, VerifyResult, VerifyTask, read_input, to_value};
use crate::deployment::Deployment;
use crate::realm_move::parts::ComparedPart;
use crate::realm_move::report::report;
use crate::realm_move::state::{MoveState, OfflinePeriod, Stage};
use crate::timing::millis;

/// One comparison for each part of each replica that is left.
pub(crate) fn comparisons(
    deployment: &Deployment,
    tenant: &str,
    state: &MoveState,
    offline: Option<&OfflinePeriod>,
) -> Vec<VerifyInput> {
    let timing = &deployment.timing;
    // While the tenant is online, what one replica has and the other has not may be on its way.
    let on_its_way = if offline.is_some() { 0 } else { millis(timing.drained_after()) };
    let left = LeftReplica {
        again_after_ms: millis(timing.index_settle) + on_its_way,
        offline: offline.is_some(),
        switched: false,
        known: None,
    };
    let (epoch, deadline) = offline.map_or((state.plan.epoch, 0), |offline| (offline.epoch, offline.deadline));
    let mut inputs = Vec::new();
    for service in &state.plan.services {
        let Some(staying) = service.staying() else { continue };
        for replica in service.left_replicas() {
            let bounds = state.partitioning.bounds(&service.service);
            inputs.extend((0..state.partitioning.parts(&service.service, replica)).map(|part| VerifyInput {
                tenant: tenant.to_owned(),
                service: service.service.clone(),
                source: staying.clone(),
                at: replica.clone(),
                part,
                bounds: bounds.to_vec(),
                expected: None,
                epoch,
                deadline,
                verification: Verification::Full,
                left: Some(left),
                replicated: false,
            }));
        }
    }
    inputs
}

/// Fans them out for a move that stays online.
pub(crate) async fn begin(deployment: &Deployment, step: &mut StepTx<'_>, state: &MoveState) -> Result<(), StepError> {
    for compare in comparisons(deployment, &step.record.subject, state, None) {
        let target = compare.at.key();
        step.fan_out(&NewTask { kind: VerifyTask::KIND, target, input: to_value(&compare) }).await?;
    }
    Ok(())
}

/// `comparing`: waits until every replica that is left has been compared. A difference ends the move, before
/// anything has changed.
pub(crate) async fn advance(
    deployment: &Deployment,
    step: &mut StepTx<'_>,
    state: MoveState,
) -> Result<Next<MoveState>, StepError> {
    let tasks = step.tasks().await?;
    if let Some(failed) = tasks.iter().find(|task| task.status == TaskStatus::Failed) {
        let unknown = || StoredError { code: "task_failed".to_owned(), message: "a task failed".to_owned() };
        let error = failed.error.clone().unwrap_or_else(unknown);
        let note = format!("{}: {}", error.code, error.message);
        return Ok(Next::Go(state.at_stage(Stage::Failed { error }), note));
    }
    if tasks.iter().any(|task| task.status != TaskStatus::Done) {
        let look_again = step.now + millis(deployment.timing.lease);
        return Ok(Next::Stay(state, look_again));
    }
    step.erase_tasks().await?;
    let (report, compared) = (report(state.verification, &[], &tasks)?, compared(&tasks)?);
    let commit = Stage::Commit { offline: None, copied: Vec::new(), report, compared };
    Ok(Next::Go(state.at_stage(commit), String::new()))
}

/// What the tasks have found at locations that are left.
pub(crate) fn compared(tasks: &[TaskRecord]) -> Result<Vec<ComparedPart>, StepError> {
    let mut parts = Vec::new();
    for task in tasks {
        let input: VerifyInput = read_input(&task.input)?;
        let found: VerifyResult = read_input(task.result.as_ref().unwrap_or(&serde_json::Value::Null))?;
        let Some(tally) = found.compared else { continue };
        // A kept location was found to be equal to the source, which may be left.
        let at = if input.left.is_some() { input.at } else { input.source };
        parts.push(ComparedPart {
            service: input.service,
            at: at.key(),
            part: input.part,
            bounds: input.bounds,
            tally,
        });
    }
    Ok(parts)
}
