//! `realmctl audit`: who did what, why, before and after. Nothing in it is ever changed, and no key of a tenant's data is in it.

pub(crate) mod chain;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::Value;
use server::api::{AuditView, Page};

use crate::change_args::parse_id;
use crate::client::Client;
use crate::exit::{Exit, Failure};
use crate::format;
use crate::globals::Globals;
use crate::listing::LimitArgs;
use crate::output::Terminal;
use crate::tables::{Column, table};

/// Read, export and check the audit trail: who did what, why, before and after
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:
  realmctl audit list --tenant acme
  realmctl audit export > audit.jsonl
  realmctl audit verify")]
pub(crate) enum AuditCommand {
    List(ListArgs),
    Export(chain::ExportArgs),
    Verify(chain::VerifyArgs),
    Head(chain::HeadArgs),
}

/// List entries, newest first; every change of the ledger has one (ledger.adding, ledger.live, ledger.removing, ledger.absent)
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  realmctl audit list --tenant acme
  realmctl audit list --limit 500 --output json")]
pub(crate) struct ListArgs {
    /// Only this tenant's
    #[arg(long, value_parser = parse_id)]
    tenant: Option<String>,
    #[command(flatten)]
    limit: LimitArgs,
}

pub(crate) async fn run(command: &AuditCommand, globals: &Globals, terminal: &Terminal) -> Result<Exit, Failure> {
    if let AuditCommand::Verify(args) = command {
        // An export is checked without a server.
        let client = if args.needs_a_server() { Some(Client::of(globals)?) } else { None };
        chain::verify(args, client.as_ref(), terminal).await?;
        return Ok(Exit::Done);
    }
    let client = Client::of(globals)?;
    match command {
        AuditCommand::List(args) => list(args, &client, terminal).await?,
        AuditCommand::Export(args) => chain::export(args, &client, terminal).await?,
        AuditCommand::Head(_) => terminal.data(&client.audit_head().await?, chain::head_in_words)?,
        AuditCommand::Verify(_) => {}
    }
    Ok(Exit::Done)
}

async fn list(args: &ListArgs, client: &Client, terminal: &Terminal) -> Result<(), Failure> {
    client.is_known(args.tenant.as_deref()).await?;
    let page = args.limit.fetch("audit entries", terminal, async |cursor, limit| {
        client.audit(&[("tenant", args.tenant.clone()), ("cursor", cursor), ("limit", Some(limit))]).await
    });
    let page = page.await?;
    terminal.data(&page, list_table)
}

fn list_table(page: &Page<AuditView>) -> String {
    let columns = [
        Column::whole("TIME (UTC)"),
        Column::new("TENANT"),
        Column::whole("ACTION"),
        Column::new("WHO"),
        Column::new("WHAT"),
    ];
    let rows = page.items.iter().map(|entry| {
        let time = format::time(&entry.at);
        let time = time.trim_end_matches(" UTC").to_owned();
        [time, entry.tenant.clone().unwrap_or_default(), entry.action.clone(), entry.who.clone(), what(entry)]
    });
    table(&columns, rows)
}

/// What entries that are about no location tell of: the names in their JSON, and the words for them.
const NAMED: [(&str, &str); 14] = [
    ("summary", "to"),
    ("to", "to"),
    ("realm", "realm"),
    ("move", "move"),
    ("removal", "removal"),
    ("campaign", "campaign"),
    ("name", "token"),
    ("role", "with role"),
    ("path", "at"),
    ("scope", "of"),
    ("slots", "limit"),
    ("writeUnits", "write units"),
    ("readUnits", "read units"),
    ("code", "because of"),
];

/// Where and what has changed, and why. The rest is in the JSON.
fn what(entry: &AuditView) -> String {
    let text = |value: &Value, name: &str| value[name].as_str().map(str::to_owned);
    let place = text(&entry.after, "service").map(|service| match text(&entry.after, "location") {
        Some(location) => format!("{service}/{location}"),
        None => service,
    });
    let states = match (text(&entry.before, "state"), text(&entry.after, "state")) {
        (Some(before), Some(after)) => Some(format!("{before} -> {after}")),
        _ => None,
    };
    let named = NAMED.iter().filter(|_| place.is_none()).filter_map(|(name, word)| {
        let value = entry.after.get(name).filter(|value| !value.is_null() && !value.is_object())?;
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        Some(format!("{word} {}", if *name == "scope" { paused(&value) } else { value }))
    });
    let named: Vec<String> = named.collect();
    let named = Some(named.join(", ")).filter(|named| !named.is_empty());
    let accepted = ["acceptLateWrites", "acceptTable"].into_iter().find_map(|name| text(&entry.after, name));
    let accepted = accepted.map(|what| format!("accepting {what}"));
    let why = Some(entry.why.clone()).filter(|why| !why.is_empty());
    let parts: Vec<String> = [place, named, when(entry), states, accepted, why].into_iter().flatten().collect();
    parts.join(", ")
}

/// What a pause is of, in words: `tenant:acme` is tenant acme. Scopes of limits stay as commands take them.
fn paused(scope: &str) -> String {
    let of = |kind: &str| Some(format!("{kind} {}", scope.strip_prefix(kind)?.strip_prefix(':')?));
    of("workflow").or_else(|| of("tenant")).unwrap_or_else(|| scope.to_owned())
}

/// When a move begins that was started or rescheduled, if a time or a window was given.
fn when(entry: &AuditView) -> Option<String> {
    if !["move.start", "move.reschedule"].contains(&entry.action.as_str()) {
        return None;
    }
    let time = |value: &Value| Some(format::time(&Timestamp::from_millisecond(value.as_i64()?).ok()?.to_string()));
    let window = &entry.after["window"];
    let at = time(&entry.after["at"]).map(|at| format!("at {at}"));
    let window = time(&window["from"]).zip(time(&window["to"])).map(|(from, to)| format!("window {from} to {to}"));
    let told: Vec<String> = at.into_iter().chain(window).collect();
    Some(told.join(", ")).filter(|told| !told.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_entry_names_the_place_the_change_and_the_reason() {
        let cell = |state: &str| json!({ "service": "activity-service-with-a-long-name", "location": "eu-west-1/activity", "state": state });
        let entry = AuditView {
            id: "0199f3a1-7c00-7000-8000-000000000001".to_owned(),
            at: "2026-11-21T21:55:03.123Z".to_owned(),
            who: "Ada Lovelace <ada@example.com>".to_owned(),
            origin: String::new(),
            action: "removal.recheck".to_owned(),
            tenant: Some("a-tenant-with-a-rather-long-name".to_owned()),
            why: "the customer asked for it in ticket 4711".to_owned(),
            before: cell("removing"),
            after: cell("absent"),
        };
        let text = list_table(&Page { items: vec![entry], next_cursor: None });
        let words: String = text.split_whitespace().collect();
        assert!(words.contains("2026-11-21") && words.contains("removal.recheck"), "{text}");
        let entry = AuditView {
            id: String::new(),
            at: String::new(),
            who: "realmctl".to_owned(),
            origin: String::new(),
            action: "ledger.absent".to_owned(),
            tenant: None,
            why: "proved empty".to_owned(),
            before: cell("removing"),
            after: cell("absent"),
        };
        assert_eq!(
            what(&entry),
            "activity-service-with-a-long-name/eu-west-1/activity, removing -> absent, proved empty"
        );
    }

    #[test]
    fn new_times_are_told_and_pauses_name_what_is_paused() {
        let entry = |action: &str, after: Value| AuditView {
            id: String::new(),
            at: String::new(),
            who: "sam".to_owned(),
            origin: String::new(),
            action: action.to_owned(),
            tenant: None,
            why: String::new(),
            before: Value::Null,
            after,
        };
        let at = 1_700_000_000_000_i64;
        let rescheduled = json!({ "move": "m-1", "at": at, "window": null });
        assert_eq!(what(&entry("move.reschedule", rescheduled)), "move m-1, at 2023-11-14 22:13:20 UTC");
        let window = json!({ "move": "m-1", "at": null, "window": { "from": at, "to": at + 60_000 } });
        let told = "move m-1, window 2023-11-14 22:13:20 UTC to 2023-11-14 22:14:20 UTC";
        assert_eq!(what(&entry("move.reschedule", window)), told);
        for (scope, words) in [
            ("workflow:m-1", "of workflow m-1"),
            ("tenant:t1", "of tenant t1"),
            ("all", "of all"),
            ("region:eu-west-1", "of region:eu-west-1"),
        ] {
            assert_eq!(what(&entry("any", json!({ "scope": scope, "at": at }))), words);
        }
    }
}
