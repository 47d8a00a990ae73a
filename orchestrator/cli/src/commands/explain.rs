//! `realmctl explain`: what a move, a removal or a tenant waits for, and what can be done. Its parts are shown by
//! `moves show` and `removals show` too.

use clap::Args;
use server::api::{Explained, Explanation, TaskExplanation, TenantExplanation, WaitsFor};

use crate::cli::{Globals, parse_id};
use crate::client::Client;
use crate::exit::{Exit, Failure};
use crate::output::{Column, Terminal, facts, table};
use crate::words;

/// Say what a move, a removal or a tenant waits for, and what can be done
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  realmctl explain acme
  realmctl explain 0199f3a1-7c00-7000-8000-000000000001 --output json")]
pub(crate) struct ExplainArgs {
    /// The id of a move or removal, or a tenant
    #[arg(value_parser = parse_id, value_name = "ID|TENANT")]
    id: String,
}

pub(crate) async fn run(args: &ExplainArgs, globals: &Globals, terminal: &Terminal) -> Result<Exit, Failure> {
    let explained = Client::of(globals)?.explain(&args.id).await?;
    terminal.data(&explained, |explained| match explained {
        Explained::Workflow(workflow) => workflow_text(workflow),
        Explained::Tenant(tenant) => tenant_text(tenant),
    })?;
    Ok(Exit::Done)
}

fn workflow_text(about: &Explanation) -> String {
    let error = about.last_error.as_ref().map(|error| format!("{} ({})", error.message, error.code));
    let holder = about.holder.as_ref().map(|holder| {
        let until = words::time(&holder.until);
        if holder.alive {
            format!("{}, until {until}", holder.owner)
        } else {
            format!("{}, ended {until}", holder.owner)
        }
    });
    let mut text = facts([
        ("Id", about.id.clone()),
        ("What", format!("{} of tenant {}", about.kind, about.tenant)),
        ("State", format!("{}, since {}", about.state, words::time(&about.since))),
        ("Waits for", told(&about.waits_for)),
        ("Claimed by", holder.unwrap_or_default()),
        ("Failed attempts", if about.attempt == 0 { String::new() } else { about.attempt.to_string() }),
        ("Last error", error.unwrap_or_default()),
        ("Can do", about.can_do.join("\n")),
    ]);
    if let Some(tasks) = tasks_table(&about.tasks) {
        text.push_str("\n\n");
        text.push_str(&tasks);
    }
    text
}

fn tenant_text(about: &TenantExplanation) -> String {
    let mut text = facts([
        ("Tenant", about.id.clone()),
        ("Status", format!("{}, in realm {}, epoch {}", about.status, about.realm, about.epoch)),
        ("Waits for", told(&about.waits_for)),
        ("Moved by", about.mover.clone().unwrap_or_default()),
        ("Back online if no progress by", about.lease_until.as_deref().map(words::time).unwrap_or_default()),
        ("Can do", about.can_do.join("\n")),
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
    explain.map(|explain| explain.can_do.join("\n")).unwrap_or_default()
}

fn told(waits: &WaitsFor) -> String {
    match &waits.until {
        Some(until) if !waits.text.contains(until.as_str()) => format!("{}, until {}", waits.text, words::time(until)),
        _ => waits.text.clone(),
    }
}

/// The data tasks that are not done, a row each; `None`: there are none.
pub(super) fn tasks_table(tasks: &[TaskExplanation]) -> Option<String> {
    let columns = [Column::whole("TASK"), Column::new("LOCATION"), Column::whole("STATUS"), Column::new("WAITS FOR")];
    let open: Vec<&TaskExplanation> = tasks.iter().filter(|task| task.status != "done").collect();
    if open.is_empty() {
        return None;
    }
    let rows = open.into_iter().map(|task| {
        let error = task.last_error.as_ref().map(|error| format!("{} ({})", error.message, error.code));
        let waits = task.waits_for.as_ref().map(told).or(error).unwrap_or_default();
        [task.kind.clone(), task.target.clone(), task.status.clone(), waits]
    });
    Some(table(&columns, rows))
}

#[cfg(test)]
mod tests {
    use super::*;
    use server::api::Holder;

    #[test]
    fn an_explanation_fits_80_columns_and_says_what_to_do() {
        let id = "0199f3a1-7c00-7000-8000-000000000001";
        let owner = "worker-7.eu-west-1.internal.example/48211";
        let until = "2026-11-21T21:55:03.123Z".to_owned();
        let waits = WaitsFor {
            code: "at_work".to_owned(),
            text: format!("{owner}, which is at work on it"),
            until: Some(until.clone()),
        };
        let task = TaskExplanation {
            id: "t".to_owned(),
            kind: "copy".to_owned(),
            target: "dynamodb|aws:eu-west-1|a-table-with-a-rather-long-name-of-its-own".to_owned(),
            status: "open".to_owned(),
            waits_for: Some(waits.clone()),
            holder: None,
            attempt: 0,
            last_error: None,
            progress: serde_json::json!({}),
            saved_at: until.clone(),
        };
        let about = Explanation {
            id: id.to_owned(),
            kind: "move".to_owned(),
            tenant: "acme".to_owned(),
            state: "add_data".to_owned(),
            since: until.clone(),
            waits_for: waits,
            holder: Some(Holder { owner: owner.to_owned(), until, alive: true }),
            attempt: 2,
            last_error: None,
            tasks: vec![task],
            can_do: vec![format!("realmctl moves cancel {id}")],
        };
        let text = workflow_text(&about);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(text.contains(&format!("realmctl moves cancel {id}")), "commands can be copied: {text}");
        assert!(text.contains("2026-11-21 21:55:03 UTC"), "{text}");
    }
}
