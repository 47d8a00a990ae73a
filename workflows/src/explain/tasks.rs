//! What data tasks wait for, one by one and together. Pure.

use engine::survey_table::TaskStanding;
use engine::{TaskRecord, TaskStatus};

use super::decide::{holder, unclaimed};
use super::gather::Facts;
use super::view::{TaskExplanation, WaitsFor};
use crate::data_tasks::MAX_ATTEMPTS;
use crate::timestamps::rfc3339;

pub(super) fn explain(task: &TaskRecord, standing: &TaskStanding, facts: &Facts) -> TaskExplanation {
    TaskExplanation {
        id: task.id.clone(),
        kind: task.kind.clone(),
        target: task.target.clone(),
        status: status(task.status).to_owned(),
        waits_for: waits_for(task, standing, facts),
        holder: holder(standing.lease_owner.as_deref(), standing.lease_until, facts.now),
        attempt: task.attempt,
        last_error: task.error.clone(),
        progress: task.progress.clone(),
        saved_at: rfc3339(standing.updated_at),
    }
}

/// The tasks of a workflow that waits for them, in one sentence.
pub(super) fn summary(facts: &Facts) -> WaitsFor {
    let count = |status| facts.tasks.iter().filter(|(task, _)| task.status == status).count();
    let waiting = facts.tasks.iter().filter_map(|(task, standing)| waits_for(task, standing, facts));
    let codes: Vec<String> = waiting.map(|waits| waits.code).collect();
    let mut parts = Vec::new();
    for (code, words) in [
        ("at_work", "at work"),
        ("retry", "waiting for their next attempt"),
        ("unclaimed", "waiting to be claimed"),
        ("lease_expired", "whose holder is lost"),
        ("paused", "held back"),
    ] {
        let number = codes.iter().filter(|found| *found == code).count();
        if number > 0 {
            parts.push(format!("{number} {words}"));
        }
    }
    let failed = count(TaskStatus::Failed);
    if failed > 0 {
        parts.push(format!("{failed} failed"));
    }
    let (done, all) = (count(TaskStatus::Done), facts.tasks.len());
    WaitsFor::new("tasks", format!("its data tasks: {done} of {all} done, {}", parts.join(", ")))
}

fn waits_for(task: &TaskRecord, standing: &TaskStanding, facts: &Facts) -> Option<WaitsFor> {
    let wake_at = standing.wake_at.filter(|_| task.status == TaskStatus::Open)?;
    if standing.paused {
        return Some(WaitsFor::new("paused", "a person: it is held back with its workflow"));
    }
    if let Some(holder) = holder(standing.lease_owner.as_deref(), standing.lease_until, facts.now)
        && holder.alive
    {
        let text = format!("{}, which is at work on it", holder.owner);
        return Some(WaitsFor::new("at_work", text).until(standing.lease_until));
    }
    if let (Some(error), true) = (&task.error, wake_at > facts.now) {
        let failed = task.attempt;
        let text = format!("its next attempt, {failed} of {MAX_ATTEMPTS} failed: {} ({})", error.message, error.code);
        return Some(WaitsFor::new("retry", text).until(wake_at));
    }
    Some(unclaimed((standing.lease_owner.as_deref(), standing.lease_until), wake_at, facts))
}

fn status(status: TaskStatus) -> &'static str {
    match status {
        TaskStatus::Open => "open",
        TaskStatus::Done => "done",
        TaskStatus::Failed => "failed",
    }
}
