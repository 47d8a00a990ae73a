//! Moves and plans as tables.

use jiff::Timestamp;
use server::api::{MoveView, Page, PlanView, Priority, Verification, WindowView};

use super::super::explain::{can_do, tasks_table, waits_for};
use crate::follow::is_final;
use crate::format;
use crate::tables::{Column, facts, table};

pub(super) fn list_table(page: &Page<MoveView>) -> String {
    let now = Timestamp::now();
    let columns = [
        Column::id("ID"),
        Column::new("TENANT"),
        Column::whole("FROM"),
        Column::whole("TO"),
        Column::new("STATE"),
        Column::figure("AGE"),
    ];
    let rows = page.items.iter().map(|view| {
        let age = format::age(&view.started_at, now);
        [view.id.clone(), view.tenant.clone(), view.from.clone(), view.to.clone(), state(view), age]
    });
    table(&columns, rows)
}

/// The state, with why it ended so, what it waits for if it has not begun, and whether it is held back.
fn state(view: &MoveView) -> String {
    match &view.waiting_for {
        _ if view.paused => format!("{}, paused", view.state),
        Some(waits) if view.state == "scheduled" => format!("scheduled: {waits}"),
        _ => format::state(&view.state, view.error.as_ref()),
    }
}

/// What a move does, a row a service.
pub(super) fn plan_table(plan: &[PlanView]) -> String {
    let columns = [
        Column::whole("SERVICE"),
        Column::whole("SHARD"),
        Column::new("ADD"),
        Column::new("KEEP"),
        Column::new("REMOVE"),
    ];
    let rows = plan.iter().map(|service| {
        let shard = match &service.from_shard {
            Some(from) if *from != service.to_shard => format!("{from}\n-> {}", service.to_shard),
            _ => service.to_shard.clone(),
        };
        let names = |locations: &[String]| if locations.is_empty() { "-".to_owned() } else { locations.join("\n") };
        [service.service.clone(), shard, names(&service.add), names(&service.keep), names(&service.remove)]
    });
    table(&columns, rows)
}

/// One move in full.
pub(crate) fn show_table(view: &MoveView) -> String {
    let copied = format::amount(view.copied.items, view.copied.objects, view.copied.bytes);
    let settled = view.copied.items + view.copied.objects > 0;
    let verified = match (view.verified, view.verification.mode) {
        (false, _) => "no",
        (true, Verification::Sampled) => "yes, counted and a sample read back from the targets",
        (true, _) => "yes, read back from the targets",
    };
    let error = view.error.as_ref().map(|error| format!("{} ({})", error.message, error.code));
    let mut text = facts([
        ("Move", view.id.clone()),
        ("Tenant", view.tenant.clone()),
        ("From, to", format!("{} -> {}", view.from, view.to)),
        ("State", view.state.clone()),
        ("Waits for", waits_for(view.explain.as_deref(), view.waiting_for.as_deref())),
        ("Can do", can_do(view.explain.as_deref())),
        ("Progress", progress(view)),
        ("Runs into", view.task_errors.iter().map(format::task_error).collect::<Vec<_>>().join("\n")),
        ("Error", error.unwrap_or_default()),
        ("Offline", offline(view)),
        ("Projected", projected(view)),
        ("Offline budget", view.budget_ms.map(format::millis).unwrap_or_default()),
        ("Window", window(view)),
        ("Priority", priority(view)),
        ("Campaign", view.campaign.clone().unwrap_or_default()),
        ("Verification", view.verification.mode.name().to_owned()),
        ("Copied", if settled { copied } else { String::new() }),
        ("Verified", if settled { verified.to_owned() } else { String::new() }),
        ("Warnings", view.warnings.join("\n")),
        ("Requested", format!("{} by {}", format::time(&view.started_at), view.requested_by)),
        ("Ended", view.finished_at.as_deref().map(format::time).unwrap_or_default()),
        ("Reason", view.reason.clone()),
        ("Plan", view.plan_hash.clone()),
    ]);
    text.push_str("\n\n");
    text.push_str(&plan_table(&view.plan));
    if let Some(timeline) = timeline_table(view) {
        text.push_str("\n\n");
        text.push_str(&timeline);
    }
    if let Some(tasks) = view.explain.as_ref().and_then(|explain| tasks_table(&explain.tasks)) {
        text.push_str("\n\n");
        text.push_str(&tasks);
    }
    if !view.removals.is_empty() {
        let columns = [Column::id("REMOVAL"), Column::new("SERVICE AND LOCATION"), Column::whole("STATE")];
        let rows = view.removals.iter().map(|removal| {
            [removal.id.clone(), format!("{} {}", removal.service, removal.location), removal.state.clone()]
        });
        text.push_str("\n\n");
        text.push_str(&table(&columns, rows));
    }
    text
}

/// The states that the move has entered, and how long it was in each; `None`: it has not left the first.
fn timeline_table(view: &MoveView) -> Option<String> {
    let columns = [Column::whole("TIME (UTC)"), Column::whole("STATE"), Column::figure("LASTED"), Column::new("WHY")];
    let next = view.timeline.iter().skip(1).map(|passage| Some(passage.at.as_str())).chain([None]);
    let rows = view.timeline.iter().zip(next).map(|(passage, next)| {
        let lasted = next.and_then(|next| format::between(&passage.at, next)).map(format::duration);
        let time = format::time(&passage.at);
        let time = time.trim_end_matches(" UTC").to_owned();
        [time, passage.state.clone(), lasted.unwrap_or_default(), passage.note.clone()]
    });
    (!view.timeline.is_empty()).then(|| table(&columns, rows.collect::<Vec<_>>()))
}

fn progress(view: &MoveView) -> String {
    let Some(progress) = &view.progress else { return String::new() };
    let kinds = [
        ("item", progress.done.items, progress.expected.items),
        ("object", progress.done.objects, progress.expected.objects),
    ];
    let present = kinds.into_iter().filter(|(_, _, expected)| *expected > 0);
    let words =
        present.map(|(noun, done, expected)| format!("{} of {}", format::count(done), format::counted(expected, noun)));
    words.collect::<Vec<_>>().join(", ")
}

/// What the offline period is forecast to come to, while it lasts.
fn projected(view: &MoveView) -> String {
    let (Some(offline), Some(eta)) = (view.projected_offline_ms, view.eta_ms) else { return String::new() };
    let allowed = view.offline_allowed_ms.map(|allowed| format!(" of the {} allowed", format::millis(allowed)));
    let between = view
        .eta_low_ms
        .zip(view.eta_high_ms)
        .map(|(low, high)| format!(" (nine times in ten, in {} to {})", format::millis(low), format::millis(high)));
    let (offline, eta, allowed) = (format::millis(offline), format::millis(eta), allowed.unwrap_or_default());
    format!("{offline}{allowed}, online again in {eta}{}", between.unwrap_or_default())
}

fn window(view: &MoveView) -> String {
    let words = |window: &WindowView| format!("{} to {}", format::time(&window.from), format::time(&window.to));
    view.window.as_ref().map(words).unwrap_or_default()
}

fn priority(view: &MoveView) -> String {
    match view.priority {
        Priority::Low => "low".to_owned(),
        Priority::Normal => String::new(),
        Priority::High => "high".to_owned(),
    }
}

fn offline(view: &MoveView) -> String {
    let lasted = match (view.offline_ms, is_final(&view.state)) {
        (0, false) => "not yet".to_owned(),
        (0, true) => "never".to_owned(),
        (ms, false) if view.offline_until.is_none() => format!("{} so far", format::millis(ms)),
        (ms, _) => format::millis(ms),
    };
    match (&view.offline_from, &view.offline_until) {
        (Some(from), Some(until)) => format!("{lasted}, from {} to {}", format::time(from), format::time(until)),
        (Some(from), None) => format!("{lasted}, since {}", format::time(from)),
        _ => lasted,
    }
}
