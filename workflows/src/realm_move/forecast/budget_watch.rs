//! Looks whether an offline move still keeps its offline budget: reads its tasks' progress and asks the budget check.

use catalogue::location::{Address, Location};
use engine::{Next, StepError, StepTx, StoredError, TaskRecord, TaskStatus};
use serde::Deserialize;
use store::Millis;

use crate::amount::Amount;
use crate::data_tasks::{CopyInput, CopyTask, VerifyInput, VerifyTask, read_input};
use crate::deployment::Deployment;
use crate::realm_move::cause::{self, Stopped};
use crate::realm_move::forecast::budget_check::{Budget, Pace};
use crate::realm_move::forecast::work::{Measure, Work};
use crate::realm_move::parts::CopiedPart;
use crate::realm_move::roll_back::roll_back;
use crate::realm_move::state::{MoveState, OfflinePeriod};
use crate::timestamps::utc;
use crate::timing::millis;

/// The most looks that an offline period gets, whatever its length: a short budget is looked at more often.
const LOOKS: Millis = 50;

/// How long until the next look.
pub(crate) fn look_every(deployment: &Deployment, offline: &OfflinePeriod) -> Millis {
    let allowed = offline.deadline - offline.since;
    millis(deployment.timing.look_again()).min(allowed / LOOKS).max(1)
}

/// What copying has to do.
pub(crate) fn copy_work(deployment: &Deployment, state: &MoveState) -> Work {
    // Tables are counted in items before the move goes offline, buckets in bytes too.
    let Amount { items, objects, bytes } = state.expected.unwrap_or_default();
    let expected = Measure { items, objects, bytes };
    let settle_ms = millis(deployment.timing.index_settle);
    Work { expected, copying: true, settle_ms, told_every_ms: told_every(deployment) }
}

/// What reading back has to do.
pub(crate) fn verify_work(deployment: &Deployment, copied: &[CopiedPart]) -> Work {
    let parts = copied.iter().map(|part| measured(&part.to, Amount::from(part.tally)));
    let expected = parts.fold(Measure::default(), plus);
    Work { expected, copying: false, settle_ms: 0, told_every_ms: told_every(deployment) }
}

/// Tasks tell of their work at their checkpoints.
fn told_every(deployment: &Deployment) -> Millis {
    millis(deployment.movers.settings().checkpoint_every)
}

/// Looks at the tasks. `Err`: the way back, because the move can't end within its budget.
pub(crate) fn look(
    deployment: &Deployment,
    step: &StepTx<'_>,
    state: &MoveState,
    offline: &OfflinePeriod,
    (pace, work): (&Pace, &Work),
    tasks: &[TaskRecord],
) -> Result<Result<Pace, Next<MoveState>>, StepError> {
    let mut done = Measure::default();
    for task in tasks {
        done = plus(done, done_by(task)?);
    }
    let budget = Budget { since: offline.since, deadline: offline.deadline };
    let pace = pace.look(step.now, done, work, budget, look_every(deployment, offline));
    if !pace.is_hopeless() {
        return Ok(Ok(pace));
    }
    let projected = pace.projected_end().map_or(0, |end| end - offline.since);
    let verb = if work.copying { "copied" } else { "read back" };
    let (what, next_step) = match offline.bounding(state.window) {
        Some(window) => (
            format!("before the window of the move ends at {}", utc(window.to)),
            "give it a longer window, or one in which less is written to the target",
        ),
        None => (
            "before the offline budget was spent".to_owned(),
            "allow more with --budget (and --offline-deadline), or move when less is written to the target",
        ),
    };
    let message = format!(
        "stopped {what}: projected {} s offline of the {} s allowed, after {} s {verb} {}; {next_step}",
        projected / 1_000,
        (offline.deadline - offline.since) / 1_000,
        (step.now - offline.since) / 1_000,
        pace.words(done, work),
    );
    let ran_out = StoredError { code: "offline_budget".to_owned(), message };
    let StoredError { code, message } = cause::of(ran_out, Stopped::Perhaps, tasks);
    Ok(Err(roll_back(state, offline, &code, &message)))
}

fn done_by(task: &TaskRecord) -> Result<Measure, StepError> {
    let counted = if task.status == TaskStatus::Done { task.result.as_ref() } else { Some(&task.progress) };
    let amount = counted.and_then(|value| Amount::deserialize(value).ok()).unwrap_or_default();
    match task.kind.as_str() {
        CopyTask::KIND => Ok(measured(&read_input::<CopyInput>(&task.input)?.to, amount)),
        VerifyTask::KIND => {
            let input: VerifyInput = read_input(&task.input)?;
            // A kept location is compared with its source; how much there is was not counted.
            Ok(if input.expected.is_some() { measured(&input.at, amount) } else { Measure::default() })
        }
        _ => Ok(Measure::default()),
    }
}

fn measured(at: &Location, amount: Amount) -> Measure {
    match at.address {
        Address::Dynamodb { .. } | Address::Hooks { .. } => Measure { items: amount.items, ..Measure::default() },
        Address::S3 { .. } => Measure { objects: amount.objects, bytes: amount.bytes, ..Measure::default() },
    }
}

fn plus(left: Measure, right: Measure) -> Measure {
    Measure { items: left.items + right.items, objects: left.objects + right.objects, bytes: left.bytes + right.bytes }
}
