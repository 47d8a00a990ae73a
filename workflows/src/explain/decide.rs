//! From the facts to the answer: the first of these that holds is what a workflow waits for. Pure.

use engine::tables::pause_table::{Pause, PauseScope};
use engine::{StoredError, TaskStatus, WorkflowRecord, host_and_process};
use store::Millis;
use workers::late_writes::LATE_WRITES;

use super::claims::{holder, nobody_comes, seconds, since, unclaimed};
use super::facts::{Facts, StageFacts, Waits};
use super::tasks;
use crate::clock_checks::{CLOCK_SKEW, CLOCKS_TO_AGREE};
use crate::explanation::{Explanation, Holder, WaitsFor};
use crate::timestamps::{rfc3339, utc};
use crate::worker_there::standing_aside;
use crate::{pauses, realm_move};

pub(super) fn explain(facts: &Facts) -> Explanation {
    let record = &facts.record;
    let waits_for = waits_for(facts);
    Explanation {
        id: record.id.clone(),
        kind: record.kind.clone(),
        tenant: record.subject.clone(),
        place: match &facts.stage {
            StageFacts::Removal { place, .. } | StageFacts::Recheck { place } => Some(place.clone()),
            _ => None,
        },
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

fn waits_for(facts: &Facts) -> WaitsFor {
    let record = &facts.record;
    let Some(wake_at) = record.wake_at else { return ended(facts) };
    if let Some(lapsed) = lapsed(facts) {
        return lapsed;
    }
    if let StageFacts::Unreadable(why) = &facts.stage {
        let text =
            format!("a process of the version that wrote its state {}: this one can't read it ({why})", record.state);
        return WaitsFor::new("unreadable_state", text);
    }
    if let Some(pause) = &facts.pause {
        return WaitsFor::new("paused", format!("a person: {}", paused(pause)));
    }
    if let Some(Holder { owner, alive: true, .. }) =
        holder(facts.standing.lease_owner.as_deref(), facts.standing.lease_until, facts.now)
    {
        return WaitsFor::new("at_work", format!("{}, which is at work on it", host_and_process(&owner)))
            .until(facts.standing.lease_until);
    }
    if record.state == "scheduled" && wake_at > facts.now {
        let text = match &facts.stage {
            StageFacts::Move { window_ends: Some(end), .. } => {
                format!("its window, from {} to {}", utc(wake_at), utc(*end))
            }
            _ => format!("its start time, {}", utc(wake_at)),
        };
        return WaitsFor::new("scheduled", text).until(wake_at);
    }
    if let (Some(error), true) = (&record.error, record.attempt > 0 && wake_at > facts.now) {
        let attempts = attempts(record);
        let since = since(record.failing);
        let text =
            format!("its next attempt, {} failed{attempts}{since}: {} ({})", record.attempt, error.message, error.code);
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

/// Why the state itself says that it failed or rolled back.
fn ended_with(stage: &StageFacts) -> Option<&StoredError> {
    match stage {
        StageFacts::Move { error, .. } | StageFacts::Removal { error, .. } => error.as_ref(),
        _ => None,
    }
}

fn has_late_writes(stage: &StageFacts) -> bool {
    ended_with(stage).is_some_and(|error| [LATE_WRITES, "replica_diverged"].contains(&error.code.as_str()))
}

fn ended(facts: &Facts) -> WaitsFor {
    if facts.record.kind != "removal" || facts.record.state != "failed" {
        return WaitsFor::new("ended", "nothing: it has finished");
    }
    let text = if has_late_writes(&facts.stage) {
        "a person: repeat the late writes that are needed where the tenant lives now and replay it; only if none of them is needed, \
         replay it accepting exactly these, which are then deleted"
    } else {
        "a person: put the cause right, then replay it, which is safe at any time"
    };
    WaitsFor::new("replay", text)
}

/// The tenant is offline and its lease has run out: any process that is up brings it back.
fn lapsed(facts: &Facts) -> Option<WaitsFor> {
    let tenant = facts.tenant.as_ref().filter(|tenant| match &facts.stage {
        StageFacts::Move { offline: Some(offline), .. } => tenant.epoch == offline.epoch,
        StageFacts::Unreadable(_) => tenant.active_move.as_ref() == Some(&facts.record.id),
        _ => false,
    })?;
    let until = tenant.lease_until.filter(|until| *until <= facts.now)?;
    let text = format!(
        "any process that reaches the catalogue to bring tenant {} back online: its offline lease lapsed {} ago. Is a server \
         or worker running?",
        tenant.id,
        seconds(facts.now - until)
    );
    Some(WaitsFor::new("lapsed", text))
}

/// A pause, in words.
pub fn paused(pause: &Pause) -> String {
    pauses::in_words(pause)
}

fn stage_waits(stage: &StageFacts) -> Option<WaitsFor> {
    let (StageFacts::Move { waits, .. } | StageFacts::Removal { waits, .. }) = stage else { return None };
    Some(match waits.as_ref()? {
        Waits::Capacity(blocked) => WaitsFor::new("capacity", blocked.text()),
        Waits::Target { what, which, .. } => {
            let which = which.as_ref().map(|which| format!("; {which}")).unwrap_or_default();
            WaitsFor::new("target_busy", format!("{what}{which}"))
        }
        Waits::Drain(until) => WaitsFor::new("drain", "earlier requests to end").until(*until),
        Waits::InDoubt(reason) | Waits::Reason(reason) if reason.starts_with(CLOCKS_TO_AGREE) => {
            WaitsFor::new(CLOCK_SKEW, reason.clone())
        }
        Waits::InDoubt(reason) => WaitsFor::new("in_doubt", reason.clone()),
        Waits::Worker(missing) => WaitsFor::new("no_worker", missing.clone()),
        Waits::Reason(reason) => WaitsFor::new("waiting", reason.clone()),
    })
}

/// Nothing but a process to step it.
fn claim(facts: &Facts, wake_at: Millis) -> WaitsFor {
    if wake_at > facts.now {
        return WaitsFor::new("next_look", "its next check").until(wake_at);
    }
    let nobody_can = facts.reaches_out && facts.runners.iter().all(|runner| runner.unfit.is_some());
    let aside = standing_aside(&facts.runners).filter(|_| nobody_can);
    unclaimed((facts.standing.lease_owner.as_deref(), facts.standing.lease_until), wake_at, facts, aside)
}

fn attempts(record: &WorkflowRecord) -> String {
    let most = match record.kind.as_str() {
        "move" => realm_move::max_attempts(&record.state),
        _ => None,
    };
    most.map(|most| format!(" of {most}")).unwrap_or_default()
}

fn can_do(facts: &Facts, waits_for: &WaitsFor) -> Vec<String> {
    let (id, kind) = (&facts.record.id, &facts.record.kind);
    if kind == "campaign" && facts.pause.is_none() {
        return vec![format!("realmctl campaigns show {id}")];
    }
    let mut commands = match waits_for.code.as_str() {
        "replay" if has_late_writes(&facts.stage) => {
            let replay = format!("realmctl removals replay {id}");
            let mut commands = vec![format!("realmctl removals show {id} --keys FILE"), replay.clone()];
            if let StageFacts::Removal { late: Some(hash), .. } = &facts.stage {
                commands.push(format!("{replay} --accept-late-writes {hash}"));
            }
            commands
        }
        "replay" => vec![format!("realmctl removals replay {id}")],
        "paused" => facts.pause.as_ref().and_then(|pause| resume(&pause.scope, kind)).into_iter().collect(),
        "capacity" => vec!["realmctl limits list".to_owned(), format!("realmctl limits set {} N", limit(&facts.stage))],
        "target_busy" => vec![format!("realmctl explain {}", in_the_way(&facts.stage))],
        "tasks" if !facts.tasks.iter().any(|(task, _)| task.attempt > 0) => Vec::new(),
        "retry" | "tasks" | "next_look" | CLOCK_SKEW => retry(kind, id).into_iter().collect(),
        "unclaimed" | "lease_expired" if !nobody_comes(facts) => Vec::new(),
        // Where one stands aside, another would lack the same.
        "no_worker" if standing_aside(&facts.runners).is_some() => vec!["realmctl workers list".to_owned()],
        "unclaimed" | "lease_expired" | "lapsed" | "no_worker" => {
            vec!["realmctl workers list".to_owned(), "realmctl worker --store URL".to_owned()]
        }
        _ => Vec::new(),
    };
    let stage = &facts.stage;
    let called_off = ended_with(stage).is_some_and(|error| error.code == realm_move::CANCELLED);
    if let (StageFacts::Move { to, .. }, "failed" | "rolled_back", false) =
        (stage, facts.record.state.as_str(), called_off)
    {
        commands.push(format!("realmctl move {} --to {to}", facts.record.subject));
    }
    if facts.record.wake_at.is_some() && facts.record.state == "scheduled" {
        commands.push(match stage {
            StageFacts::Move { window_ends: Some(_), .. } => {
                format!("realmctl moves reschedule {id} --window START/END")
            }
            _ => format!("realmctl moves reschedule {id} --at TIME"),
        });
    }
    let past_commit = matches!(facts.record.state.as_str(), "notify" | "completed");
    if facts.record.wake_at.is_some() && kind == "move" && !past_commit {
        commands.push(format!("realmctl moves cancel {id}"));
    }
    commands
}

/// The command that ends a pause of workflows of this kind. Rechecks and the creation of tenants have none of their own: they go on by
/// themselves.
pub(crate) fn resume(scope: &PauseScope, kind: &str) -> Option<String> {
    match (scope, kind) {
        (PauseScope::All, _) => Some("realmctl resume --all".to_owned()),
        (PauseScope::Tenant(id), _) => Some(format!("realmctl tenants resume {id}")),
        (PauseScope::Workflow(id), "move") => Some(format!("realmctl moves resume {id}")),
        (PauseScope::Workflow(id), "removal") => Some(format!("realmctl removals resume {id}")),
        (PauseScope::Workflow(id), "campaign") => Some(format!("realmctl campaigns resume {id}")),
        (PauseScope::Workflow(_), _) => None,
    }
}

fn retry(kind: &str, id: &str) -> Option<String> {
    match kind {
        "move" => Some(format!("realmctl moves retry {id}")),
        "removal" => Some(format!("realmctl removals retry {id}")),
        _ => None,
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
