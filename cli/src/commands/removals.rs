//! `realmctl removals`: find removals, understand them, and replay failed ones. A replay is safe at any time.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args, Subcommand};
use jiff::Timestamp;
use server::api::{
    Explanation, LateWritesDetail, Outcome, Page, RecheckView, RemovalDetail, Replay, ReplayAll, ReplayedAll,
};

use super::explain::{can_do, tasks_table, waits_for};
use super::pauses::control;
use crate::change_args::{ChangeArgs, parse_id};
use crate::client::Client;
use crate::exit::{Exit, Failure};
use crate::format;
use crate::globals::Globals;
use crate::listing::LimitArgs;
use crate::output::Terminal;
use crate::tables::{Column, facts, table};

/// List, show, replay and pause removals: the deletion of data that moves left behind
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:
  realmctl removals list --failed
  realmctl removals show 0199f3a1-7c00-7000-8000-000000000001
  realmctl removals replay 0199f3a1-7c00-7000-8000-000000000001
  realmctl removals replay --failed --tenant acme")]
pub(crate) enum RemovalsCommand {
    List(ListArgs),
    Show(ShowArgs),
    Replay(ReplayArgs),
    Pause(PauseArgs),
    Resume(ResumeArgs),
    Retry(RetryArgs),
}

/// List removals, newest first
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  realmctl removals list --failed
  realmctl removals list --tenant acme --output json")]
pub(crate) struct ListArgs {
    /// Only failed ones: they need a person
    #[arg(long, conflicts_with = "state")]
    failed: bool,
    /// Only those in this state
    #[arg(long, value_parser = ["waiting", "comparing", "removing", "done", "failed"])]
    state: Option<String>,
    /// Only this tenant's
    #[arg(long)]
    tenant: Option<String>,
    #[command(flatten)]
    limit: LimitArgs,
}

/// Show a removal, and why it failed
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  realmctl removals show 0199f3a1-7c00-7000-8000-000000000001
  realmctl removals show 0199f3a1-7c00-7000-8000-000000000001 --keys late.jsonl")]
pub(crate) struct ShowArgs {
    /// Its id, or the beginning of it
    #[arg(value_parser = parse_id)]
    id: String,
    /// Write all keys that were written late to this new file, one JSON object a line; `-` is stdout, instead of the removal
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
}

/// Run failed removals again; safe at any time, even twice
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true).args(["id", "failed"]))]
#[command(after_help = "Examples:
  realmctl removals replay 0199f3a1-7c00-7000-8000-000000000001
  realmctl removals replay --failed --reason \"bucket policy repaired\"
  realmctl removals replay --failed --tenant acme")]
pub(crate) struct ReplayArgs {
    /// The removal to replay: its id, or the beginning of it
    #[arg(value_parser = parse_id)]
    id: Option<String>,
    /// Replay every failed removal
    #[arg(long)]
    failed: bool,
    /// With --failed: only this tenant's
    #[arg(long, conflicts_with = "id")]
    tenant: Option<String>,
    /// Delete also what was written there after the move, if it is exactly what this hash of `removals show` stands for; only after
    /// somebody has looked at it
    #[arg(long, value_name = "HASH", requires = "id", conflicts_with = "failed")]
    accept_late_writes: Option<String>,
    /// After `another_table`: delete what this table holds, which was found in the place of the one that the move worked with; `removals
    /// show` names its id. Only after somebody has looked at it
    #[arg(long, value_name = "TABLE-ID", requires = "id", conflicts_with = "failed")]
    accept_table: Option<String>,
    /// Why; kept in the audit trail
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// Pause a removal; deleted data stays deleted
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  realmctl removals pause 0199f3a1-7c00-7000-8000-000000000001 --reason \"audit\"")]
pub(crate) struct PauseArgs {
    #[command(flatten)]
    change: ChangeArgs,
}

/// Resume a paused removal
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  realmctl removals resume 0199f3a1-7c00-7000-8000-000000000001")]
pub(crate) struct ResumeArgs {
    #[command(flatten)]
    change: ChangeArgs,
}

/// Retry now instead of waiting for the next attempt; nothing else changes
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  realmctl removals retry 0199f3a1-7c00-7000-8000-000000000001")]
pub(crate) struct RetryArgs {
    #[command(flatten)]
    change: ChangeArgs,
}

pub(crate) async fn run(command: &RemovalsCommand, globals: &Globals, terminal: &Terminal) -> Result<Exit, Failure> {
    let client = Client::of(globals)?;
    match command {
        RemovalsCommand::List(args) => {
            let state = if args.failed { Some("failed".to_owned()) } else { args.state.clone() };
            client.is_known(args.tenant.as_deref()).await?;
            let page = args.limit.fetch("removals", terminal, async |cursor, limit| {
                let query = [
                    ("state", state.clone()),
                    ("tenant", args.tenant.clone()),
                    ("cursor", cursor),
                    ("limit", Some(limit)),
                ];
                client.removals(&query).await
            });
            let page = page.await?;
            terminal.data(&page, list_table)?;
            if args.failed && args.tenant.is_none() {
                say_retrying(&client, terminal).await;
            }
        }
        RemovalsCommand::Show(args) => show(args, &client, terminal).await?,
        RemovalsCommand::Replay(args) => replay(args, &client, terminal).await?,
        RemovalsCommand::Pause(PauseArgs { change }) => controlled(&client, "pause", change, terminal).await?,
        RemovalsCommand::Resume(ResumeArgs { change }) => controlled(&client, "resume", change, terminal).await?,
        RemovalsCommand::Retry(RetryArgs { change }) => controlled(&client, "retry", change, terminal).await?,
    }
    Ok(Exit::Done)
}

/// Those that are tried again have not failed, and somebody who looks for trouble wants to know of them.
async fn say_retrying(client: &Client, terminal: &Terminal) {
    // What was asked for has been answered: nothing fails over this.
    let Ok(status) = client.status().await else { return };
    let retrying: i64 = status.work.iter().filter(|work| work.kind == "removal").map(|work| work.failing).sum();
    if retrying > 0 {
        let removals = format::counted(retrying.unsigned_abs(), "more removal");
        terminal.say(&format!("{removals} tried again after failed attempts: `realmctl removals list` has them, too."));
    }
}

async fn show(args: &ShowArgs, client: &Client, terminal: &Terminal) -> Result<(), Failure> {
    let id = whole_id(client, &args.id).await?;
    let Some(path) = &args.keys else { return terminal.data(&client.removal(&id).await?, show_table) };
    let to_stdout = path.as_os_str() == "-";
    if to_stdout {
        terminal.lines_are_json()?;
    }
    let unwritten = |error: std::io::Error| Failure::failed(format!("{} can't be written: {error}", path.display()));
    let mut keys = 0_usize;
    // Asked for first: what is refused leaves no file behind.
    let mut lines = client.late_writes(&id).await?;
    let not_created = |error: std::io::Error| match error.kind() {
        ErrorKind::AlreadyExists => {
            Failure::refused(format!("{} exists already and is not overwritten: name another file", path.display()))
        }
        _ => unwritten(error),
    };
    let mut out: Box<dyn Write + Send> =
        if to_stdout { Box::new(std::io::stdout()) } else { Box::new(create(path).map_err(not_created)?) };
    let cut = |error: reqwest::Error| {
        let message = "the list of keys was cut off, so the file is not whole: remove it and repeat the command";
        Failure::failed(format!("{message} ({error})"))
    };
    while let Some(some) = lines.chunk().await.map_err(cut)? {
        keys += some.iter().filter(|byte| **byte == b'\n').count();
        out.write_all(&some).map_err(unwritten)?;
    }
    out.flush().map_err(unwritten)?;
    terminal.say(&format!("Wrote {} to {}.", format::counted(keys as u64, "key"), path.display()));
    if to_stdout { Ok(()) } else { terminal.data(&client.removal(&id).await?, show_table) }
}

/// A new file that nobody else can read: it names data of the tenant. What is no file (a pipe, a device) is written to as it is.
fn create(path: &Path) -> std::io::Result<File> {
    let is_special = std::fs::metadata(path).is_ok_and(|found| !found.is_file());
    OpenOptions::new().write(true).create_new(!is_special).mode(0o600).open(path)
}

async fn whole_id(client: &Client, given: &str) -> Result<String, Failure> {
    client.whole_id(given, Some("removal")).await
}

async fn controlled(client: &Client, verb: &str, change: &ChangeArgs, terminal: &Terminal) -> Result<(), Failure> {
    let change = ChangeArgs { id: whole_id(client, &change.id).await?, ..change.clone() };
    let view = control(client, ("removals", verb), &change, explained, terminal).await?;
    terminal.data(&view, show_table)
}

fn explained(view: &RemovalDetail) -> Option<&Explanation> {
    view.explain.as_deref()
}

async fn replay(args: &ReplayArgs, client: &Client, terminal: &Terminal) -> Result<(), Failure> {
    let Some(id) = &args.id else { return replay_failed(args, client, terminal).await };
    let replay = Replay {
        accept_late_writes: args.accept_late_writes.clone(),
        accept_table: args.accept_table.clone(),
        reason: args.reason.clone(),
    };
    let replayed = client.replay_removal(&whole_id(client, id).await?, &replay).await?;
    terminal.say(&match replayed.outcome {
        Outcome::Replayed => {
            format!("Replay started: see `realmctl removals show {}`.", replayed.removal.id)
        }
        Outcome::StillRunning => "Already running; nothing to replay.".to_owned(),
        Outcome::AlreadyDone => "Already done; nothing to replay.".to_owned(),
    });
    terminal.data(&replayed, |replayed| show_table(&replayed.removal))
}

async fn replay_failed(args: &ReplayArgs, client: &Client, terminal: &Terminal) -> Result<(), Failure> {
    let request = ReplayAll { tenant: args.tenant.clone(), reason: args.reason.clone() };
    let all = client.replay_failed(&request).await?;
    let ran = format::counted(all.replayed.len() as u64, "removal");
    terminal.say(&match all.replayed.len() {
        0 => "No failed removals to replay.".to_owned(),
        _ => format!("Replaying {ran}: see `realmctl removals list`."),
    });
    terminal.data(&all, replayed_table)?;
    if all.refused.is_empty() {
        return Ok(());
    }
    let refused = format::counted(all.refused.len() as u64, "removal");
    Err(Failure::refused(format!("{refused} could not be replayed; the reasons are in the list")))
}

fn replayed_table(all: &ReplayedAll) -> String {
    if all.replayed.is_empty() && all.refused.is_empty() {
        return String::new();
    }
    let refused = all.refused.iter().map(|still| [still.id.clone(), format!("still failed: {}", still.detail)]);
    let rows = all.replayed.iter().map(|id| [id.clone(), "runs again".to_owned()]).chain(refused);
    table(&[Column::id("ID"), Column::new("OUTCOME")], rows)
}

fn list_table(page: &Page<RemovalDetail>) -> String {
    let now = Timestamp::now();
    let columns = [
        Column::id("ID"),
        Column::new("TENANT"),
        Column::new("SERVICE/LOCATION"),
        Column::new("STATE"),
        Column::figure("AGE"),
    ];
    let rows = page.items.iter().map(|removal| {
        let what = format!("{}/{}", removal.service, removal.location);
        let age = format::age(&removal.queued_at, now);
        [removal.id.clone(), removal.tenant.clone(), what, state(removal, now), age]
    });
    table(&columns, rows)
}

/// The state, with what failed, or what is tried again and for how long.
fn state(removal: &RemovalDetail, now: Timestamp) -> String {
    match &removal.retrying {
        Some(retrying) => format!("retrying for {}: {}", format::age(&retrying.since, now), retrying.error.code),
        None => format::state(&removal.state, removal.error.as_ref()),
    }
}

/// The second look at the emptied location.
fn recheck(recheck: &RecheckView) -> String {
    let error = recheck.error.as_ref().map(|error| format!("{} ({})", error.message, error.code));
    match (&recheck.due_at, error) {
        (Some(due), None) => format!("at {}, for what may still lie in queues", format::time(due)),
        (Some(due), Some(error)) => format!("at {}, after a failed attempt: {error}", format::time(due)),
        (None, Some(error)) => format!("{}: {error}", recheck.state),
        (None, None) if recheck.state == "found" => "data had turned up; see above".to_owned(),
        (None, None) => "nothing had turned up".to_owned(),
    }
}

/// What the differences that stopped it are called: those of a replica were not written late.
fn differences(removal: &RemovalDetail) -> &'static str {
    match &removal.error {
        Some(error) if error.code == "replica_diverged" => "Differs from the live copy",
        _ => "Written late",
    }
}

fn late_writes(late: &LateWritesDetail) -> String {
    let (added, changed, deleted) = (late.added.count, late.changed.count, late.deleted.count);
    format!("{added} added, {changed} changed, {deleted} deleted (hash {})", late.hash)
}

fn show_table(removal: &RemovalDetail) -> String {
    let removed = removal.removed.map(|removed| format::amount(removed.items, removed.objects, removed.bytes));
    let time = |at: &Option<String>| at.as_deref().map(format::time).unwrap_or_default();
    let error = removal.error.as_ref().map(|error| format!("{} ({})", error.message, error.code));
    let retrying = removal.retrying.as_ref().map(|retrying| {
        format!(
            "{} failed since {}",
            format::counted(retrying.attempts.into(), "attempt"),
            format::time(&retrying.since)
        )
    });
    let explain = removal.explain.as_deref();
    let mut text = facts([
        ("Removal", removal.id.clone()),
        ("Tenant", removal.tenant.clone()),
        ("Service", removal.service.clone()),
        ("Location", format!("{} ({})", removal.location, removal.location_key)),
        ("Lives at", removal.live_at.join(", ")),
        ("State", removal.state.clone()),
        ("Queued by move", removal.queued_by.clone()),
        ("Queued", format::time(&removal.queued_at)),
        ("Waits for", removal.waiting_for.clone().unwrap_or_default()),
        ("Looked at next", time(&removal.due_at)),
        ("Ended", time(&removal.finished_at)),
        ("Removed", removed.unwrap_or_default()),
        (differences(removal), removal.late_writes_found.as_ref().map(late_writes).unwrap_or_default()),
        ("Looked at again", removal.recheck.as_ref().map(recheck).unwrap_or_default()),
        ("Retrying", retrying.unwrap_or_default()),
        ("Error", error.unwrap_or_default()),
        ("Waits for", waits_for(explain, None)),
        ("Can do", can_do(explain)),
    ]);
    if let Some(tasks) = explain.and_then(|explain| tasks_table(&explain.tasks)) {
        text.push_str("\n\n");
        text.push_str(&tasks);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_go_to_a_new_file_that_nobody_else_can_read() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("late.jsonl");
        let mode = create(&file).expect("it is new").metadata().expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(create(&file).expect_err("it is there already").kind(), ErrorKind::AlreadyExists);
        create(Path::new("/dev/null")).expect("it is no file");
    }

    #[test]
    fn a_removal_that_is_tried_again_says_for_how_long_and_why() {
        let error = json!({ "code": "endpoint_unreachable", "message": "no answer" });
        let since = Timestamp::now() - jiff::SignedDuration::from_mins(5);
        let removal: RemovalDetail = serde_json::from_value(json!({
            "id": "0199f3a1-7c00-7000-8000-000000000001", "tenant": "acme", "service": "issue-service",
            "location": "us-east-1", "locationKey": "dynamodb|aws:us-east-1|issues", "state": "removing",
            "queuedBy": "m", "lateWrites": "compared", "queuedAt": since, "error": error,
            "retrying": { "since": since, "attempts": 12, "error": error },
        }))
        .expect("a removal");
        assert_eq!(state(&removal, Timestamp::now()), "retrying for 5m: endpoint_unreachable");
        assert!(show_table(&removal).contains("12 attempts failed since"), "{}", show_table(&removal));
    }
}
