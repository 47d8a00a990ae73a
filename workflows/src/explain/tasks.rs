//! What data tasks wait for, one by one and together. Pure.

use engine::tables::status_queries::TaskLease;
use engine::{StoredError, TaskRecord, TaskStatus, host_and_process};

use super::claims::{holder, since, unclaimed};
use super::facts::Facts;
use crate::data_tasks::max_attempts;
use crate::explanation::{TaskExplanation, WaitsFor};
use crate::timestamps::rfc3339;
use crate::worker_there::{runs, standing_aside};

pub(super) fn explain(task: &TaskRecord, standing: &TaskLease, facts: &Facts) -> TaskExplanation {
    TaskExplanation {
        id: task.id.clone(),
        kind: task.kind.clone(),
        target: task.target.clone(),
        status: status(task.status).to_owned(),
        waits_for: waits_for(task, standing, facts),
        holder: holder(standing.lease_owner.as_deref(), standing.lease_until, facts.now),
        attempt: task.attempt,
        last_error: task.failure().cloned(),
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
        ("no_worker", "waiting for a process that can run it"),
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
    let text = format!("its data tasks: {done} of {all} done, {}{}", parts.join(", "), failing_longest(facts));
    let unfit = facts.tasks.iter().filter(|(task, _)| task.status == TaskStatus::Open);
    let unfit =
        unfit.filter(|_| codes.iter().any(|code| code == "no_worker")).find_map(|(task, _)| aside(&task.kind, facts));
    let text = unfit.map_or(text.clone(), |who| format!("{text}; {who}"));
    // Nothing goes on but attempts that fail.
    let only_retries = codes.iter().any(|code| code == "retry") && !codes.iter().any(|code| code == "at_work");
    WaitsFor::new(if only_retries { "retry" } else { "tasks" }, text)
}

/// Who is there and can't take a task of this kind, if nobody is who can.
fn aside(kind: &str, facts: &Facts) -> Option<String> {
    standing_aside(&facts.runners).filter(|_| !runs(&facts.runners, kind))
}

/// What the task that fails for longest runs into.
fn failing_longest(facts: &Facts) -> String {
    let open = facts.tasks.iter().map(|(task, _)| task).filter(|task| task.status == TaskStatus::Open);
    let longest = open.filter_map(|task| Some((task.failing?, task.error.as_ref()?))).min_by_key(|(by, _)| by.since);
    longest
        .map(|(by, error)| format!("; attempts fail{}: {} ({})", since(Some(by)), error.message, error.code))
        .unwrap_or_default()
}

fn waits_for(task: &TaskRecord, standing: &TaskLease, facts: &Facts) -> Option<WaitsFor> {
    let wake_at = standing.wake_at.filter(|_| task.status == TaskStatus::Open)?;
    if standing.paused {
        return Some(WaitsFor::new("paused", "a person: it is held back with its workflow"));
    }
    if let Some(holder) = holder(standing.lease_owner.as_deref(), standing.lease_until, facts.now)
        && holder.alive
    {
        let so_far = task.failure().map(|error| format!("; {}", failed(task, error))).unwrap_or_default();
        let text = format!("{}, which is at work on it{so_far}", host_and_process(&holder.owner));
        return Some(WaitsFor::new("at_work", text).until(standing.lease_until));
    }
    if let (Some(error), true) = (&task.error, wake_at > facts.now) {
        return Some(WaitsFor::new("retry", format!("its next attempt, {}", failed(task, error))).until(wake_at));
    }
    Some(unclaimed((standing.lease_owner.as_deref(), standing.lease_until), wake_at, facts, aside(&task.kind, facts)))
}

fn failed(task: &TaskRecord, error: &StoredError) -> String {
    let (failed, since) = (task.attempt, since(task.failing));
    let of = max_attempts(task).map(|most| format!(" of {most}")).unwrap_or_default();
    format!("{failed}{of} failed{since}: {} ({})", error.message, error.code)
}

fn status(status: TaskStatus) -> &'static str {
    match status {
        TaskStatus::Open => "open",
        TaskStatus::Done => "done",
        TaskStatus::Failed => "failed",
    }
}
