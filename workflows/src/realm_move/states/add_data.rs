//! `add_data`: waits for the copies, bounded by the offline budget; then fans out the verification. What was copied is kept in
//! the state, and the copy tasks are erased.

use catalogue::location::Location;
use engine::task::NewTask;
use engine::{Next, StepError, StepTx, TaskRecord, TaskStatus};
use store::Millis;
use workers::Verification;
use workers::progress::Tally;

use crate::data_tasks::{CopyInput, VerifyInput, VerifyTask, read_input, to_value};
use crate::deployment::Deployment;
use crate::in_doubt::{self, InDoubt};
use crate::plan::ServicePlan;
use crate::realm_move::forecast::budget_check::Pace;
use crate::realm_move::forecast::budget_watch;
use crate::realm_move::forecast::work::Work;
use crate::realm_move::parts::CopiedPart;
use crate::realm_move::roll_back::{past_deadline, roll_back, roll_back_if_over};
use crate::realm_move::state::{MoveState, OfflinePeriod, Stage};
use crate::realm_move::states::comparing;
use crate::timing::millis;

pub(crate) async fn advance(
    deployment: &Deployment,
    step: &mut StepTx<'_>,
    state: MoveState,
    offline: OfflinePeriod,
    pace: Pace,
) -> Result<Next<MoveState>, StepError> {
    let work = budget_watch::copy_work(deployment, &state);
    let tasks = match settle_tasks(deployment, step, &state, &offline, (&pace, &work)).await? {
        Tasks::Done(tasks) => tasks,
        Tasks::GoOn(pace) => {
            let wake = next_look(deployment, step, &offline);
            return Ok(Next::Stay(state.at_stage(Stage::AddData { offline, pace: *pace }), wake));
        }
        Tasks::Next(next) => return Ok(*next),
    };
    let copied = tasks.iter().map(copied_part).collect::<Result<Vec<_>, _>>()?;
    if let Some(back) = roll_back_if_over(deployment, step, &state, &offline).await? {
        return Ok(back);
    }
    let of_replicas = comparing::comparisons(deployment, &step.record.subject, &state, Some(&offline));
    let verifications = verifications(&step.record.subject, &state, &copied, &offline);
    for verify in verifications.into_iter().chain(of_replicas) {
        let target = verify.at.key();
        step.fan_out(&NewTask { kind: VerifyTask::KIND, target, input: to_value(&verify) }).await?;
    }
    let pace = Pace::begin(step.now, Some(&pace));
    Ok(Next::Go(state.at_stage(Stage::Verify { offline, copied, pace }), String::new()))
}

/// What the tasks of a stage have come to.
pub(crate) enum Tasks {
    /// All done; erased from the store.
    Done(Vec<TaskRecord>),
    /// Some are open, and the offline budget can be kept, as far as can be told.
    GoOn(Box<Pace>),
    /// One has failed, or the budget is or will be spent: where the move goes.
    Next(Box<Next<MoveState>>),
}

/// Looks at the stage's tasks. The end of each wakes the move; looks in between serve the offline budget.
pub(crate) async fn settle_tasks(
    deployment: &Deployment,
    step: &mut StepTx<'_>,
    state: &MoveState,
    offline: &OfflinePeriod,
    (pace, work): (&Pace, &Work),
) -> Result<Tasks, StepError> {
    let tasks = step.tasks().await?;
    if let Some(failed) = tasks.iter().find(|task| task.status == TaskStatus::Failed) {
        let (code, message) = match &failed.error {
            Some(error) => (error.code.as_str(), error.message.as_str()),
            None => ("task_failed", "a task failed"),
        };
        return Ok(Tasks::Next(Box::new(roll_back(state, offline, code, message))));
    }
    if tasks.iter().any(|task| task.status != TaskStatus::Done) {
        if let Some(over) = past_deadline(step, state, offline, &tasks) {
            return Ok(Tasks::Next(Box::new(over)));
        }
        return Ok(match budget_watch::look(deployment, step, state, offline, (pace, work), &tasks)? {
            Ok(pace) => Tasks::GoOn(Box::new(pace)),
            Err(hopeless) => Tasks::Next(Box::new(hopeless)),
        });
    }
    if let Some(in_doubt) = in_doubt::in_doubt_target(deployment, step, &state.plan).await? {
        return Ok(Tasks::Next(Box::new(until_quiet(deployment, step, state, offline, in_doubt).await?)));
    }
    step.erase_tasks().await?;
    Ok(Tasks::Done(tasks))
}

/// When a stage with open tasks is looked at again.
pub(crate) fn next_look(deployment: &Deployment, step: &StepTx<'_>, offline: &OfflinePeriod) -> Millis {
    offline.deadline.min(step.now + budget_watch::look_every(deployment, offline))
}

/// A process was lost while it wrote to a target: what it may have sent must arrive, or be refused, before the target is read
/// back. Waits for that, unless it takes longer than the tenant may be offline.
async fn until_quiet(
    deployment: &Deployment,
    step: &mut StepTx<'_>,
    state: &MoveState,
    offline: &OfflinePeriod,
    in_doubt: InDoubt,
) -> Result<Next<MoveState>, StepError> {
    // A process that still runs says within a lease that it has stopped; then there is nothing to wait for.
    let silent = step.now >= in_doubt.since + 2 * millis(deployment.timing.lease);
    if silent && in_doubt.until >= offline.deadline {
        let message = format!("waiting for {} would take longer than the tenant may be offline", in_doubt.reason);
        return Ok(roll_back(state, offline, "target_in_doubt", &message));
    }
    if let Some(back) = roll_back_if_over(deployment, step, state, offline).await? {
        return Ok(back);
    }
    let wake = in_doubt.until.min(step.now + millis(deployment.timing.heartbeat));
    Ok(Next::Stay(MoveState { waits_for: Some(in_doubt.reason), ..state.clone() }, wake))
}

fn copied_part(task: &TaskRecord) -> Result<CopiedPart, StepError> {
    let input: CopyInput = read_input(&task.input)?;
    let tally: Tally = read_input(task.result.as_ref().unwrap_or(&serde_json::Value::Null))?;
    Ok(CopiedPart { service: input.service, to: input.to, part: input.part, bounds: input.bounds, tally })
}

/// Locations to which the store itself brings what was copied, with each part of it.
fn replicated<'a>(
    service: &'a ServicePlan,
    state: &'a MoveState,
    copied: &'a [CopiedPart],
) -> impl Iterator<Item = (&'a Location, &'a CopiedPart)> {
    let filled = service.add.iter().filter_map(|at| Some((at, state.sets.filled_by(&service.service, &at.key())?)));
    filled.flat_map(move |(at, by)| {
        let parts = copied.iter().filter(move |part| part.service == service.service && part.to.key() == by);
        parts.map(move |part| (at, part))
    })
}

/// Every copied part is read back where it was copied to, and where the store brings it; for lagging replicas
/// every kept location is compared too.
fn verifications(tenant: &str, state: &MoveState, copied: &[CopiedPart], offline: &OfflinePeriod) -> Vec<VerifyInput> {
    let mut inputs = Vec::new();
    for service in &state.plan.services {
        let Some(source) = &service.source else { continue };
        let input = |at: &Location, part, bounds: &[String], expected: Option<Tally>| VerifyInput {
            tenant: tenant.to_owned(),
            service: service.service.clone(),
            source: source.clone(),
            at: at.clone(),
            part,
            bounds: bounds.to_vec(),
            expected,
            epoch: offline.epoch,
            deadline: offline.deadline,
            // What nothing was copied to is compared whole: it is about to become the only copy.
            verification: if expected.is_some() { state.verification } else { Verification::Full },
            left: None,
            replicated: false,
        };
        let read_back = state.verification != Verification::Off;
        let parts = copied.iter().filter(|part| read_back && part.service == service.service);
        inputs.extend(parts.map(|part| input(&part.to, part.part, &part.bounds, Some(part.tally))));
        inputs.extend(replicated(service, state, copied).map(|(at, part)| VerifyInput {
            // Nothing was copied there: that it has arrived is seen by reading it.
            verification: Verification::Full,
            replicated: true,
            ..input(at, part.part, &part.bounds, Some(part.tally))
        }));
        if service.compare_keep {
            let others = service.keep.iter().filter(|kept| kept.key() != source.key());
            let (count, bounds) =
                (state.partitioning.parts(&service.service, source), state.partitioning.bounds(&service.service));
            inputs.extend(
                others
                    .flat_map(|kept| (0..count).map(move |part| (kept, part)))
                    .map(|(kept, part)| input(kept, part, bounds, None)),
            );
        }
    }
    inputs
}
