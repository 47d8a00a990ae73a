//! `realmctl move` and `realmctl moves`: plan, start, list, watch, cancel and reschedule moves.

mod start;
mod view;

use clap::{ArgGroup, Args, Subcommand};
use jiff::Timestamp;
use server::api::{Change, Explanation, MoveView, Reschedule};

use super::pauses::control;
use crate::change_args::{ChangeArgs, parse_id};
use crate::client::Client;
use crate::exit::{Exit, Failure};
use crate::follow::is_final;
use crate::globals::Globals;
use crate::listing::LimitArgs;
use crate::output::Terminal;
use crate::watch::{self, exit_of};
use crate::{format, process};

pub(crate) use start::{MoveArgs, PRIORITIES, parse_budget, priority, start};
pub(crate) use view::show_table;

/// List, show, watch, pause and cancel moves
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:
  realmctl moves list --tenant acme
  realmctl moves watch 0199f3a1-7c00-7000-8000-000000000001
  realmctl moves cancel 0199f3a1-7c00-7000-8000-000000000001")]
pub(crate) enum MovesCommand {
    List(ListArgs),
    Show(ShowArgs),
    Watch(WatchArgs),
    Cancel(CancelArgs),
    Reschedule(RescheduleArgs),
    Pause(PauseArgs),
    Resume(ResumeArgs),
    Retry(RetryArgs),
}

/// List moves, newest first
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  realmctl moves list
  realmctl moves list --state failed --output json")]
pub(crate) struct ListArgs {
    /// Only this tenant's
    #[arg(long)]
    tenant: Option<String>,
    /// Only those in this state
    #[arg(long, value_parser = workflows::realm_move::STATES)]
    state: Option<String>,
    #[command(flatten)]
    limit: LimitArgs,
}

/// Show a move: its plan, its progress, and its removals
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  realmctl moves show 0199f3a1-7c00-7000-8000-000000000001")]
pub(crate) struct ShowArgs {
    /// Its id, or the beginning of it
    #[arg(value_parser = parse_id)]
    id: String,
}

/// Watch a move until it ends
///
/// Exits with 0 when it completed, 4 when it was rolled back, 1 when it failed. The move does not depend on being
/// watched.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  realmctl moves watch 0199f3a1-7c00-7000-8000-000000000001")]
pub(crate) struct WatchArgs {
    /// Its id, or the beginning of it
    #[arg(value_parser = parse_id)]
    id: String,
}

/// Cancel a move that has not committed yet
///
/// The tenant is online where it was when this returns. Once a move has committed it can't be cancelled: move the tenant
/// back instead.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  realmctl moves cancel 0199f3a1-7c00-7000-8000-000000000001 --reason \"wrong tenant\"")]
pub(crate) struct CancelArgs {
    /// Its id, or the beginning of it
    #[arg(value_parser = parse_id)]
    id: String,
    /// Why; kept in the audit trail
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// Give a scheduled move another time or window
#[derive(Debug, Args)]
#[command(override_usage = "realmctl moves reschedule [OPTIONS] --at <TIME> <ID>
       realmctl moves reschedule [OPTIONS] --window <START/END> <ID>")]
#[command(group = ArgGroup::new("when").required(true).args(["at", "window"]))]
#[command(after_help = "Examples:
  realmctl moves reschedule 0199f3a1-7c00-7000-8000-000000000001 --at 2026-12-01T02:00:00Z
  realmctl moves reschedule 0199f3a1-7c00-7000-8000-000000000001 --at +2h")]
pub(crate) struct RescheduleArgs {
    /// Its id, or the beginning of it
    #[arg(value_parser = parse_id)]
    id: String,
    /// When to begin, such as 2026-12-01T02:00:00Z, +2h or now; a window that the move has stays in force
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = start::parse_time)]
    at: Option<Timestamp>,
    /// Within which the tenant may be offline, as START/END
    #[arg(long, value_name = "START/END", value_parser = start::parse_window)]
    window: Option<start::Span>,
    /// Why; kept in the audit trail
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// Pause a move
///
/// It stays where it stands, its tenant online, until it is resumed. Refused while its tenant is offline: cancel the move, or wait.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  realmctl moves pause 0199f3a1-7c00-7000-8000-000000000001 --reason \"ask legal\"")]
pub(crate) struct PauseArgs {
    #[command(flatten)]
    change: ChangeArgs,
}

/// Resume a paused move
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  realmctl moves resume 0199f3a1-7c00-7000-8000-000000000001")]
pub(crate) struct ResumeArgs {
    #[command(flatten)]
    change: ChangeArgs,
}

/// Retry now instead of waiting for the next attempt; nothing else changes
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  realmctl moves retry 0199f3a1-7c00-7000-8000-000000000001")]
pub(crate) struct RetryArgs {
    #[command(flatten)]
    change: ChangeArgs,
}

pub(crate) async fn run(command: &MovesCommand, globals: &Globals, terminal: &Terminal) -> Result<Exit, Failure> {
    let client = Client::of(globals)?;
    match command {
        MovesCommand::List(args) => {
            client.is_known(args.tenant.as_deref()).await?;
            let page = args.limit.fetch("moves", terminal, async |cursor, limit| {
                let query = [
                    ("tenant", args.tenant.clone()),
                    ("state", args.state.clone()),
                    ("cursor", cursor),
                    ("limit", Some(limit)),
                ];
                client.moves(&query).await
            });
            let page = page.await?;
            terminal.data(&page, view::list_table)?;
            Ok(Exit::Done)
        }
        MovesCommand::Show(args) => {
            terminal.data(&client.realm_move(&whole_id(&client, &args.id).await?).await?, show_table)?;
            Ok(Exit::Done)
        }
        MovesCommand::Watch(args) => {
            let found = client.realm_move(&whole_id(&client, &args.id).await?).await?;
            to_its_end(&client, &found, terminal).await
        }
        MovesCommand::Cancel(args) => {
            let id = whole_id(&client, &args.id).await?;
            let before = client.realm_move(&id).await?;
            let cancelled = client.cancel_move(&id, &Change { reason: args.reason.clone() }).await?;
            let now = client.whereabouts(&cancelled.tenant).await;
            terminal.say(&match before.finished_at.as_deref() {
                Some(at) => format!("Already rolled back, at {}; no changes. {now}", format::time(at)),
                None => format!("Cancelled. {now}"),
            });
            terminal.data(&cancelled, show_table)?;
            Ok(Exit::Done)
        }
        MovesCommand::Reschedule(args) => {
            let request = Reschedule {
                at: args.at.map(|at| at.to_string()),
                window: args.window.as_ref().map(start::new_window),
                reason: args.reason.clone(),
            };
            let moved = client.reschedule_move(&whole_id(&client, &args.id).await?, &request).await?;
            terminal.say(&format!("Rescheduled; waiting for {}.", moved.waiting_for.clone().unwrap_or_default()));
            terminal.data(&moved, show_table)?;
            Ok(Exit::Done)
        }
        MovesCommand::Pause(PauseArgs { change }) => controlled(&client, "pause", change, terminal).await,
        MovesCommand::Resume(ResumeArgs { change }) => controlled(&client, "resume", change, terminal).await,
        MovesCommand::Retry(RetryArgs { change }) => controlled(&client, "retry", change, terminal).await,
    }
}

async fn controlled(client: &Client, verb: &str, change: &ChangeArgs, terminal: &Terminal) -> Result<Exit, Failure> {
    let change = ChangeArgs { id: whole_id(client, &change.id).await?, ..change.clone() };
    let view = control(client, ("moves", verb), &change, explained, terminal).await?;
    terminal.data(&view, show_table)?;
    Ok(Exit::Done)
}

fn explained(view: &MoveView) -> Option<&Explanation> {
    view.explain.as_deref()
}

async fn whole_id(client: &Client, given: &str) -> Result<String, Failure> {
    client.whole_id(given, Some("move")).await
}

/// Watches the move to its end, prints it, and says by the exit code how it ended. An interruption ends the watching, not
/// the move.
async fn to_its_end(client: &Client, view: &MoveView, terminal: &Terminal) -> Result<Exit, Failure> {
    let view = if is_final(&view.state) {
        view.clone()
    } else {
        tokio::select! {
            watched = watch::watch(client, view, terminal) => watched?,
            interrupted = process::interrupted() => {
                interrupted?;
                let id = &view.id;
                return Err(Failure::interrupted(format!(
                    "Stopped watching; the move continues: `realmctl moves watch {id}`, or `realmctl moves cancel {id}`"
                )));
            }
        }
    };
    terminal.data(&view, show_table)?;
    let exit = exit_of(&view);
    if exit != Exit::Done {
        let why = view.error.as_ref().map(|error| format!(": {} ({})", error.message, error.code)).unwrap_or_default();
        let now = client.whereabouts(&view.tenant).await;
        let message = match exit {
            Exit::RolledBack => format!("the move was rolled back{why}. {now}"),
            _ => format!("the move failed before taking the tenant offline{why}. {now}"),
        };
        let code = view.error.as_ref().map_or_else(|| view.state.clone(), |error| error.code.clone());
        return Err(Failure::new(exit, code, message));
    }
    if view.removals.iter().any(|removal| removal.state != "done") {
        let tenant = &view.tenant;
        terminal.say(&format!(
            "What it left behind is removed in the background: `realmctl removals list --tenant {tenant}`."
        ));
    }
    Ok(exit)
}
