//! From the facts to the answer: the first of these that holds is what a workflow waits for. Pure.

use engine::pause_table::{Pause, PauseScope};
use engine::{StoredError, TaskStatus, WorkflowRecord};
use store::Millis;

use super::gather::{Facts, StageFacts, Waits};
use super::tasks;
use super::view::{Explanation, Holder, WaitsFor};
use crate::realm_move;
use crate::removal;
use crate::timestamps::rfc3339;

pub(super) fn explain(facts: &Facts) -> Explanation {
    let record = &facts.record;
    let waits_for = waits_for(facts);
    Explanation {
        id: record.id.clone(),
        kind: record.kind.clone(),
        tenant: record.subject.clone(),
        state: record.state.clone(),
        since: rfc3339(facts.standing.entered_at),
        holder: holder(facts.standing.lease_owner.as_deref(), facts.standing.lease_until, facts.now),
        attempt: record.attempt,
        last_error: record.error.clone().or_else(|| ended_with(&facts.stage).cloned()),
        tasks: facts.tasks.iter().map(|(task, standing)| tasks::explain(task, standing, facts)).collect(),
        can_do: can_do(facts, &waits_for),
        waits_for,
    }
}

/// Who holds the claim, or held it last: a claim that was given back leaves nobody.
pub(super) fn holder(owner: Option<&str>, until: Millis, now: Millis) -> Option<Holder> {
    let owner = owner.filter(|_| until > 0)?.to_owned();
    Some(Holder { owner, until: rfc3339(until), alive: until > now })
}

fn waits_for(facts: &Facts) -> WaitsFor {
    let record = &facts.record;
    let Some(wake_at) = record.wake_at else { return ended(facts) };
    if let StageFacts::Unreadable(why) = &facts.stage {
        let text =
            format!("a process of the version that wrote its state {}: this one can't read it ({why})", record.state);
        return WaitsFor::new("unreadable_state", text);
    }
    if let Some(lapsed) = lapsed(facts) {
        return lapsed;
    }
    if let Some(pause) = &facts.pause {
        return paused(pause);
    }
    if let Some(Holder { owner, alive: true, .. }) =
        holder(facts.standing.lease_owner.as_deref(), facts.standing.lease_until, facts.now)
    {
        return WaitsFor::new("at_work", format!("{owner}, which is at work on it")).until(facts.standing.lease_until);
    }
    if record.state == "scheduled" && wake_at > facts.now {
        return WaitsFor::new("scheduled", format!("its time, {}", rfc3339(wake_at))).until(wake_at);
    }
    if let (Some(error), true) = (&record.error, record.attempt > 0 && wake_at > facts.now) {
        let attempts = attempts(record);
        let text = format!("its next attempt, {} failed{attempts}: {} ({})", record.attempt, error.message, error.code);
        return WaitsFor::new("retry", text).until(wake_at);
    }
    if let Some(waits) = stage_waits(&facts.stage) {
        return waits;
    }
    if facts.tasks.iter().any(|(task, _)| task.status == TaskStatus::Open) {
        return tasks::summary(facts);
    }
    claim(facts, wake_at)
}

/// Why the state itself says that it failed or went back.
fn ended_with(stage: &StageFacts) -> Option<&StoredError> {
    match stage {
        StageFacts::Move { error, .. } | StageFacts::Removal { error, .. } => error.as_ref(),
        _ => None,
    }
}

fn has_late_writes(stage: &StageFacts) -> bool {
    ended_with(stage).is_some_and(|error| error.code == "late_writes")
}

fn ended(facts: &Facts) -> WaitsFor {
    if facts.record.kind != "removal" || facts.record.state != "failed" {
        return WaitsFor::new("ended", "nothing: it has ended");
    }
    let text = if has_late_writes(&facts.stage) {
        "a person: carry over what is missed, then replay it accepting the late writes, which deletes all that is there"
    } else {
        "a person: put the cause right, then replay it, which is safe at any time"
    };
    WaitsFor::new("replay", text)
}

/// The tenant is offline and its lease has run out: any process that is up brings it back.
fn lapsed(facts: &Facts) -> Option<WaitsFor> {
    let StageFacts::Move { offline: Some(offline), .. } = &facts.stage else { return None };
    let tenant = facts.tenant.as_ref().filter(|tenant| tenant.epoch == offline.epoch)?;
    let until = tenant.lease_until.filter(|until| *until <= facts.now)?;
    let text = format!(
        "any process that reaches the catalogue to bring tenant {} back online: its offline lease lapsed {} ago. Is a server \
         or worker running?",
        tenant.id,
        seconds(facts.now - until)
    );
    Some(WaitsFor::new("lapsed", text))
}

fn paused(pause: &Pause) -> WaitsFor {
    let what = match &pause.scope {
        PauseScope::All => "everything is paused".to_owned(),
        PauseScope::Tenant(id) => format!("tenant {id} is paused"),
        PauseScope::Workflow(_) => "it is paused".to_owned(),
    };
    let why = if pause.why.is_empty() { String::new() } else { format!(": {}", pause.why) };
    WaitsFor::new("paused", format!("a person: {what} since {} by {}{why}", rfc3339(pause.at), pause.who))
}

fn stage_waits(stage: &StageFacts) -> Option<WaitsFor> {
    let (StageFacts::Move { waits, .. } | StageFacts::Removal { waits, .. }) = stage else { return None };
    Some(match waits.as_ref()? {
        Waits::Capacity(blocked) => WaitsFor::new("capacity", blocked.text()),
        Waits::Target { what, which, .. } => {
            let which = which.as_ref().map(|which| format!("; {which}")).unwrap_or_default();
            WaitsFor::new("target_busy", format!("{what}, to be absent{which}"))
        }
        Waits::Drain(until) => WaitsFor::new("drain", "requests from before to end").until(*until),
        Waits::Unquiet(reason) => WaitsFor::new("unquiet", reason.clone()),
        Waits::Reason(reason) => WaitsFor::new("waiting", reason.clone()),
    })
}

/// Nothing but a process to step it.
fn claim(facts: &Facts, wake_at: Millis) -> WaitsFor {
    if wake_at > facts.now {
        return WaitsFor::new("next_look", "its next look at how things stand").until(wake_at);
    }
    unclaimed((facts.standing.lease_owner.as_deref(), facts.standing.lease_until), wake_at, facts)
}

/// Due, and nobody has it: whose claim ran out, or for how long nobody has come.
pub(super) fn unclaimed((owner, lease_until): (Option<&str>, Millis), wake_at: Millis, facts: &Facts) -> WaitsFor {
    if let Some(Holder { owner, .. }) = holder(owner, lease_until, facts.now) {
        let text = format!(
            "another process to take it over: the claim of {owner} ran out {} ago{}",
            seconds(facts.now - lease_until),
            doubt(facts.now - lease_until, facts.patience)
        );
        return WaitsFor::new("lease_expired", text);
    }
    let due = facts.now - wake_at;
    WaitsFor::new("unclaimed", format!("a process to claim it, for {}{}", seconds(due), doubt(due, facts.patience)))
}

fn doubt(idle: Millis, patience: Millis) -> &'static str {
    if idle > patience { ". Is a server or worker running?" } else { "" }
}

fn attempts(record: &WorkflowRecord) -> String {
    let most = match record.kind.as_str() {
        "move" => realm_move::max_attempts(&record.state),
        "removal" => Some(removal::MAX_ATTEMPTS),
        _ => None,
    };
    most.map(|most| format!(" of {most}")).unwrap_or_default()
}

pub(super) fn seconds(millis: Millis) -> String {
    format!("{} s", millis.max(0) / 1_000)
}

fn can_do(facts: &Facts, waits_for: &WaitsFor) -> Vec<String> {
    let (id, kind) = (&facts.record.id, &facts.record.kind);
    let mut commands = match waits_for.code.as_str() {
        "replay" if has_late_writes(&facts.stage) => {
            vec![format!("realmctl removals replay {id} --accept-late-writes")]
        }
        "replay" => vec![format!("realmctl removals replay {id}")],
        "paused" => facts.pause.as_ref().map(|pause| resume(pause, kind)).into_iter().collect(),
        "capacity" => vec!["realmctl limits list".to_owned(), format!("realmctl limits set {} N", limit(&facts.stage))],
        "target_busy" => vec![format!("realmctl explain {}", in_the_way(&facts.stage))],
        "retry" | "tasks" | "next_look" => vec![format!("realmctl {kind}s retry {id}")],
        "unclaimed" | "lease_expired" | "lapsed" => vec!["realmctl worker --store URL".to_owned()],
        _ => Vec::new(),
    };
    let stage = &facts.stage;
    if let (StageFacts::Move { to, .. }, "failed" | "rolled_back") = (stage, facts.record.state.as_str()) {
        commands.push(format!("realmctl move {} --to {to}", facts.record.subject));
    }
    let past_commit = matches!(facts.record.state.as_str(), "notify" | "completed");
    if facts.record.wake_at.is_some() && kind == "move" && !past_commit {
        commands.push(format!("realmctl moves cancel {id}"));
    }
    commands
}

fn resume(pause: &Pause, kind: &str) -> String {
    match &pause.scope {
        PauseScope::All => "realmctl resume --all".to_owned(),
        PauseScope::Tenant(id) => format!("realmctl tenants resume {id}"),
        PauseScope::Workflow(id) => format!("realmctl {kind}s resume {id}"),
    }
}

fn limit(stage: &StageFacts) -> &str {
    match stage {
        StageFacts::Move { waits: Some(Waits::Capacity(blocked)), .. }
        | StageFacts::Removal { waits: Some(Waits::Capacity(blocked)), .. } => &blocked.scope,
        _ => "SCOPE",
    }
}

fn in_the_way(stage: &StageFacts) -> &str {
    match stage {
        StageFacts::Move { waits: Some(Waits::Target { by: Some(by), .. }), .. } => by,
        _ => "ID",
    }
}
