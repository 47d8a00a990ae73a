//! `realmctl explain`: what a move, a removal or a tenant waits for, and what can be done. Its parts are shown by
//! `moves show` and `removals show` too.

use clap::Args;
use engine::host_and_process;
use server::api::{Explained, Explanation, TaskExplanation, TenantExplanation, WaitsFor};
use workflows::error_codes;

use crate::change_args::parse_id;
use crate::client::Client;
use crate::exit::{Exit, Failure};
use crate::format;
use crate::globals::Globals;
use crate::output::Terminal;
use crate::tables::{Column, facts, table};

/// Explain what a move, removal or tenant is waiting for, and what you can do
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  realmctl explain acme
  realmctl explain 0199f3a1-7c00-7000-8000-000000000001 --output json")]
pub(crate) struct ExplainArgs {
    /// The id of a move or removal, or the beginning of it, or a tenant
    #[arg(value_parser = parse_id, value_name = "ID|TENANT")]
    id: String,
}

pub(crate) async fn run(args: &ExplainArgs, globals: &Globals, terminal: &Terminal) -> Result<Exit, Failure> {
    let client = Client::of(globals)?;
    let explained = match client.explain(&args.id).await {
        // A tenant may have the id that another thing's begins with: the tenant comes first.
        Err(unknown) if unknown.code == "unknown_id" => match client.whole_id(&args.id, None).await {
            Ok(whole) if whole != args.id => client.explain(&whole).await,
            Err(several) if several.exit == Exit::Refused => Err(several),
            _ => Err(unknown),
        },
        explained => explained,
    }?;
    terminal.data(&explained, |explained| match explained {
        Explained::Workflow(workflow) => workflow_text(workflow),
        Explained::Tenant(tenant) => tenant_text(tenant),
    })?;
    Ok(Exit::Done)
}

fn workflow_text(about: &Explanation) -> String {
    let error = about.last_error.as_ref().map(|error| format!("{} ({})", error.message, error.code));
    let next_step =
        about.last_error.as_ref().and_then(|error| error_codes::find(&error.code)).map(|code| code.next_step);
    let holder = about.holder.as_ref().map(|holder| {
        let until = format::time(&holder.until);
        if holder.alive {
            format!("{}, until {until}", host_and_process(&holder.owner))
        } else {
            format!("{}, ended {until}", host_and_process(&holder.owner))
        }
    });
    let mut text = facts([
        ("Id", about.id.clone()),
        ("What", what(about)),
        ("State", format!("{}, since {}", about.state, format::time(&about.since))),
        ("Waits for", told(&about.waits_for)),
        ("Claimed by", holder.unwrap_or_default()),
        ("Failed attempts", if about.attempt == 0 { String::new() } else { about.attempt.to_string() }),
        ("Last error", error.unwrap_or_default()),
        ("What to do", next_step.unwrap_or_default()),
        ("Can do", commands(&about.can_do)),
    ]);
    if let Some(tasks) = tasks_table(&about.tasks) {
        text.push_str("\n\n");
        text.push_str(&tasks);
    }
    text
}

fn what(about: &Explanation) -> String {
    let Explanation { kind, tenant, .. } = about;
    match about.place.as_deref().and_then(|place| place.split_once(" at ")) {
        Some((service, location)) => format!("{kind} of {tenant}'s {service} data at {location}"),
        None => format!("{kind} of tenant {tenant}"),
    }
}

fn tenant_text(about: &TenantExplanation) -> String {
    let mut text = facts([
        ("Tenant", about.id.clone()),
        ("Status", format!("{}, in realm {}, epoch {}", about.status, about.realm, about.epoch)),
        ("Waits for", told(&about.waits_for)),
        ("Active move", about.active_move.clone().unwrap_or_default()),
        ("Back online if no progress by", about.lease_until.as_deref().map(format::time).unwrap_or_default()),
        ("Can do", commands(&about.can_do)),
    ]);
    for workflow in &about.workflows {
        text.push_str("\n\n");
        text.push_str(&workflow_text(workflow));
    }
    text
}

/// What it waits for, in words; or else `otherwise`.
pub(super) fn waits_for(explain: Option<&Explanation>, otherwise: Option<&str>) -> String {
    match explain {
        Some(explain) if explain.waits_for.code == "ended" => String::new(),
        Some(explain) => told(&explain.waits_for),
        None => otherwise.unwrap_or_default().to_owned(),
    }
}

/// The commands that a person may give, a line each.
pub(super) fn can_do(explain: Option<&Explanation>) -> String {
    explain.map(|explain| commands(&explain.can_do)).unwrap_or_default()
}

/// Commands, a line each; one that deletes what somebody wrote says above it when to give it.
fn commands(can_do: &[String]) -> String {
    let line = |command: &String| {
        let accepts = command.contains(" --accept-late-writes ");
        let label = if accepts { "only if none of these writes is needed:\n" } else { "" };
        format!("{label}{command}")
    };
    can_do.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// What it waits for, until when, and the code of that; what waits for nothing has none.
fn told(waits: &WaitsFor) -> String {
    if waits.text.starts_with("nothing: ") {
        return waits.text.clone();
    }
    match &waits.until {
        Some(until) if !waits.text.contains(&format::time(until)) => {
            format!("{}, until {} ({})", waits.text, format::time(until), waits.code)
        }
        _ => format!("{} ({})", waits.text, waits.code),
    }
}

/// The data tasks that are not done; those of one location that wait for the same share a row, in which the words are of the one that
/// has been tried most. `None`: there are none.
pub(super) fn tasks_table(tasks: &[TaskExplanation]) -> Option<String> {
    let columns = [
        Column::figure("TASKS"),
        Column::whole("KIND"),
        Column::new("LOCATION"),
        Column::whole("STATUS"),
        Column::new("WAITS FOR"),
    ];
    let mut groups: Vec<Vec<&TaskExplanation>> = Vec::new();
    for task in tasks.iter().filter(|task| task.status != "done") {
        match groups.iter_mut().find(|group| alike(group[0], task)) {
            Some(group) => group.push(task),
            None => groups.push(vec![task]),
        }
    }
    let rows = groups.iter().filter_map(|group| {
        let task = group.iter().rev().max_by_key(|task| task.attempt)?;
        let error = task.last_error.as_ref().map(|error| format!("{} ({})", error.message, error.code));
        let waits = task.waits_for.as_ref().map(told).or(error).unwrap_or_default();
        Some([group.len().to_string(), task.kind.clone(), task.target.clone(), task.status.clone(), waits])
    });
    (!groups.is_empty()).then(|| table(&columns, rows.collect::<Vec<_>>()))
}

fn alike(one: &TaskExplanation, other: &TaskExplanation) -> bool {
    fn shown(task: &TaskExplanation) -> [&str; 5] {
        let code = task.last_error.as_ref().map_or("", |error| &error.code);
        let waits = task.waits_for.as_ref().map_or("", |waits| &waits.code);
        [&task.kind, &task.target, &task.status, waits, code]
    }
    shown(one) == shown(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(target: &str, attempt: u32, code: &str) -> TaskExplanation {
        let at = "2026-11-21T21:55:03.123Z".to_owned();
        let error = engine::StoredError { code: code.to_owned(), message: "no answer".to_owned() };
        TaskExplanation {
            id: "t".to_owned(),
            kind: "copy".to_owned(),
            target: target.to_owned(),
            status: "open".to_owned(),
            waits_for: Some(WaitsFor {
                code: "retry".to_owned(),
                text: format!("its next attempt, {attempt} failed: no answer ({code})"),
                until: Some(at.clone()),
            }),
            holder: None,
            attempt,
            last_error: Some(error),
            progress: serde_json::json!({}),
            saved_at: at,
        }
    }

    #[test]
    fn what_ten_tasks_of_a_location_run_into_is_told_once() {
        let mut tasks: Vec<TaskExplanation> = (1..=10).map(|attempt| task("issues", attempt, "unreachable")).collect();
        tasks.push(task("issues", 3, "throttled"));
        tasks.push(task("media", 1, "unreachable"));
        let text = tasks_table(&tasks).expect("there are tasks");
        assert_eq!(text.lines().count(), 4, "{text}");
        assert!(text.contains("10 failed: no answer (unreachable), until 2026-11-21 21:55:03 UTC (retry)"), "{text}");
    }

    #[test]
    fn what_is_waited_for_is_told_with_its_code() {
        let waits = |code: &str, text: &str| WaitsFor { code: code.to_owned(), text: text.to_owned(), until: None };
        let its_time = waits("scheduled", "its start time, 2126-01-01 00:00:00 UTC");
        let until = Some("2126-01-01T00:00:00.000Z".to_owned());
        assert_eq!(told(&WaitsFor { until, ..its_time }), "its start time, 2126-01-01 00:00:00 UTC (scheduled)");
        assert_eq!(told(&waits("online", "nothing: it is online")), "nothing: it is online");
    }

    #[test]
    fn the_command_that_deletes_late_writes_says_when_to_give_it() {
        let accept = "realmctl removals replay r-1 --accept-late-writes 0123456789abcdef";
        let can_do = ["realmctl removals show r-1 --keys FILE", "realmctl removals replay r-1", accept];
        let told = commands(&can_do.map(str::to_owned));
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(lines[2..], ["only if none of these writes is needed:", accept]);
    }
}
