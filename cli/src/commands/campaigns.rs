//! `realmctl campaigns`: move many tenants in waves; create, list, look at, watch, pause, resume and cancel campaigns.

mod create;
mod view;
mod watch;

use clap::{Args, Subcommand};
use server::api::{CampaignView, CancelCampaign, Change};

use crate::change_args::parse_id;
use crate::client::Client;
use crate::exit::{Exit, Failure};
use crate::globals::Globals;
use crate::listing::LimitArgs;
use crate::output::Terminal;

/// Move many tenants to a realm, in waves
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:
  realmctl campaigns create --to eu --from-realm us --limit 100 --dry-run
  realmctl campaigns create --to eu --tenants-file german-customers.txt --window 22:00-04:00
  realmctl campaigns watch 0199f3a1-7c00-7000-8000-000000000001
  realmctl campaigns members 0199f3a1-7c00-7000-8000-000000000001 --state rolled_back")]
pub(crate) enum CampaignsCommand {
    Create(create::CreateArgs),
    List(ListArgs),
    Show(ShowArgs),
    Members(MembersArgs),
    Watch(WatchArgs),
    Pause(ChangeArgs),
    Resume(ResumeArgs),
    Cancel(CancelArgs),
}

/// List campaigns, newest first
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  realmctl campaigns list
  realmctl campaigns list --state halted --output json")]
pub(crate) struct ListArgs {
    /// Only those in this state
    #[arg(long, value_parser = workflows::campaign::STATES)]
    state: Option<String>,
    #[command(flatten)]
    limit: LimitArgs,
}

/// Show a campaign: its progress, and the outcome for its tenants
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  realmctl campaigns show 0199f3a1-7c00-7000-8000-000000000001")]
pub(crate) struct ShowArgs {
    /// Its id, or the beginning of it
    #[arg(value_parser = parse_id)]
    id: String,
}

/// List the tenants of a campaign, with the outcome for each
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  realmctl campaigns members 0199f3a1-7c00-7000-8000-000000000001 --state rolled_back
  realmctl campaigns members 0199f3a1-7c00-7000-8000-000000000001 --output json")]
pub(crate) struct MembersArgs {
    /// The campaign's id
    #[arg(value_parser = parse_id)]
    id: String,
    /// Only those in this state
    #[arg(long, value_parser = ["waiting", "running", "done", "rolled_back", "failed", "skipped", "cancelled"])]
    state: Option<String>,
    #[command(flatten)]
    limit: LimitArgs,
}

/// Watch a campaign until it ends or halts
///
/// Exits with 0 when it completed and no move rolled back or failed, 4 when it was cancelled, 1 otherwise. The campaign does
/// not depend on being watched.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  realmctl campaigns watch 0199f3a1-7c00-7000-8000-000000000001")]
pub(crate) struct WatchArgs {
    /// Its id, or the beginning of it
    #[arg(value_parser = parse_id)]
    id: String,
}

/// Start no new moves until the campaign is resumed; running moves continue
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  realmctl campaigns pause 0199f3a1-7c00-7000-8000-000000000001 --reason \"incident 12\"")]
pub(crate) struct ChangeArgs {
    /// Its id, or the beginning of it
    #[arg(value_parser = parse_id)]
    id: String,
    /// Why; kept in the audit trail
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// Resume a campaign; after a halt, with a new allowance of failures
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  realmctl campaigns resume 0199f3a1-7c00-7000-8000-000000000001 --reason \"table repaired\"")]
pub(crate) struct ResumeArgs {
    #[command(flatten)]
    change: ChangeArgs,
}

/// Cancel a campaign: waiting tenants are not moved
///
/// Running moves continue, unless --cancel-running is given: then moves that have not committed are rolled back.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  realmctl campaigns cancel 0199f3a1-7c00-7000-8000-000000000001
  realmctl campaigns cancel 0199f3a1-7c00-7000-8000-000000000001 --cancel-running")]
pub(crate) struct CancelArgs {
    /// Its id, or the beginning of it
    #[arg(value_parser = parse_id)]
    id: String,
    /// Also cancel running moves
    #[arg(long)]
    cancel_running: bool,
    /// Why; kept in the audit trail
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

pub(crate) async fn run(command: &CampaignsCommand, globals: &Globals, terminal: &Terminal) -> Result<Exit, Failure> {
    let client = Client::of(globals)?;
    match command {
        CampaignsCommand::Create(args) => return create::run(args, &client, terminal).await,
        CampaignsCommand::List(args) => {
            let page = args.limit.fetch("campaigns", terminal, async |cursor, limit| {
                let query = [("state", args.state.clone()), ("cursor", cursor), ("limit", Some(limit))];
                client.campaigns(&query).await
            });
            terminal.data(&page.await?, view::list_table)?;
        }
        CampaignsCommand::Show(args) => {
            terminal.data(&client.campaign(&whole_id(&client, &args.id).await?).await?, view::show_table)?;
        }
        CampaignsCommand::Members(args) => {
            let id = whole_id(&client, &args.id).await?;
            let page = args.limit.fetch("members", terminal, async |cursor, limit| {
                let query = [("state", args.state.clone()), ("cursor", cursor), ("limit", Some(limit))];
                client.campaign_members(&id, &query).await
            });
            terminal.data(&page.await?, view::members_table)?;
        }
        CampaignsCommand::Watch(args) => {
            let found = client.campaign(&whole_id(&client, &args.id).await?).await?;
            return watch::to_its_end(&client, &found, terminal).await;
        }
        CampaignsCommand::Pause(args) => {
            let paused = change(&client, args, "pause").await?;
            terminal.say(&format!("The campaign is {}: it starts no new moves; running moves continue.", paused.state));
            terminal.data(&paused, view::show_table)?;
        }
        CampaignsCommand::Resume(args) => {
            let resumed = change(&client, &args.change, "resume").await?;
            terminal.say(&format!("It is {} again.", resumed.state));
            terminal.data(&resumed, view::show_table)?;
        }
        CampaignsCommand::Cancel(args) => {
            let body = CancelCampaign { running: args.cancel_running, reason: args.reason.clone() };
            let cancelled = client.change_campaign(&whole_id(&client, &args.id).await?, "cancel", &body).await?;
            terminal.say(&format!("The campaign is {}: no more tenants are moved.", cancelled.state));
            terminal.data(&cancelled, view::show_table)?;
        }
    }
    Ok(Exit::Done)
}

async fn change(client: &Client, args: &ChangeArgs, verb: &str) -> Result<CampaignView, Failure> {
    client.change_campaign(&whole_id(client, &args.id).await?, verb, &Change { reason: args.reason.clone() }).await
}

async fn whole_id(client: &Client, given: &str) -> Result<String, Failure> {
    client.whole_id(given, Some("campaign")).await
}
