//! `realmctl webhooks`: who is told what happens, what could not be told, and telling it again.

use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand};
use jiff::Timestamp;
use serde::Serialize;
use server::api::{Change, DeliveryView, Page, WebhooksView};

use crate::change_args::parse_id;
use crate::client::Client;
use crate::exit::{Exit, Failure};
use crate::format;
use crate::globals::Globals;
use crate::listing::LimitArgs;
use crate::output::Terminal;
use crate::tables::{Column, table};

/// List webhooks and what they were told, and tell it again
///
/// Which webhooks there are stands in the file that `serve` and `worker` are given with --webhooks.
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:
  realmctl webhooks list
  realmctl webhooks deliveries --webhook billing --failed
  realmctl webhooks replay --failed --webhook billing")]
pub(crate) enum WebhooksCommand {
    List(ListArgs),
    Deliveries(DeliveriesArgs),
    Replay(ReplayArgs),
}

/// List webhooks, how far each has been told, and what went wrong
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  realmctl webhooks list --output json")]
pub(crate) struct ListArgs {}

/// List deliveries, newest first
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  realmctl webhooks deliveries --failed
  realmctl webhooks deliveries --webhook billing --state pending")]
pub(crate) struct DeliveriesArgs {
    /// Only this webhook's
    #[arg(long, value_name = "NAME")]
    webhook: Option<String>,
    /// Only those that were given up
    #[arg(long, conflicts_with = "state")]
    failed: bool,
    /// Only those in this state
    #[arg(long, value_parser = ["pending", "delivered", "failed"])]
    state: Option<String>,
    #[command(flatten)]
    limit: LimitArgs,
}

/// Send deliveries again, with the same ids
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true).args(["ids", "failed"]))]
#[command(after_help = "Examples:
  realmctl webhooks replay 0199f3a1-7c00-7000-8000-000000000001
  realmctl webhooks replay --failed --webhook billing --reason \"down since Friday\"")]
pub(crate) struct ReplayArgs {
    /// The deliveries, by their ids
    #[arg(value_parser = parse_id, value_name = "ID")]
    ids: Vec<String>,
    /// Every one of a webhook that was given up
    #[arg(long, requires = "webhook")]
    failed: bool,
    /// With --failed: whose
    #[arg(long, value_name = "NAME", conflicts_with = "ids")]
    webhook: Option<String>,
    /// Why; kept in the audit trail
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// What a replay came to.
#[derive(Debug, Default, Serialize)]
struct Replays {
    replayed: Vec<String>,
    pending: Vec<String>,
}

pub(crate) async fn run(command: &WebhooksCommand, globals: &Globals, terminal: &Terminal) -> Result<Exit, Failure> {
    let client = Client::of(globals)?;
    match command {
        WebhooksCommand::List(ListArgs {}) => {
            let all = client.webhooks().await?;
            if all.items.is_empty() {
                terminal.say("No webhooks: `serve` and `worker` take them from the file of --webhooks.");
            }
            terminal.data(&all, list_table)?;
        }
        WebhooksCommand::Deliveries(args) => {
            let state = if args.failed { Some("failed".to_owned()) } else { args.state.clone() };
            let page = args.limit.fetch("deliveries", terminal, async |cursor, limit| {
                page(&client, (args.webhook.clone(), state.clone()), cursor, limit).await
            });
            terminal.data(&page.await?, deliveries_table)?;
        }
        WebhooksCommand::Replay(args) => replay(args, &client, terminal).await?,
    }
    Ok(Exit::Done)
}

async fn page(
    client: &Client,
    (webhook, state): (Option<String>, Option<String>),
    cursor: Option<String>,
    limit: String,
) -> Result<Page<DeliveryView>, Failure> {
    let query = [("webhook", webhook), ("state", state), ("cursor", cursor), ("limit", Some(limit))];
    client.deliveries(&query).await
}

async fn replay(args: &ReplayArgs, client: &Client, terminal: &Terminal) -> Result<(), Failure> {
    let change = Change { reason: args.reason.clone() };
    let mut done = Replays::default();
    for id in &args.ids {
        replay_one(client, id, &change, &mut done).await?;
    }
    if args.failed {
        replay_failed(args, client, &change, &mut done).await?;
    }
    let sent = if done.replayed.len() == 1 { "delivery" } else { "deliveries" };
    terminal.say(&match (done.replayed.len(), done.pending.len()) {
        (0, 0) => "No failed deliveries to replay.".to_owned(),
        (0, _) => "Waiting to be sent already; nothing to replay.".to_owned(),
        (count, _) => format!("Replaying {count} {sent}: see `realmctl webhooks deliveries`."),
    });
    terminal.data(&done, |done| {
        let sent = done.replayed.iter().map(|id| [id.clone(), "sent again".to_owned()]);
        let rows: Vec<_> = sent.chain(done.pending.iter().map(|id| [id.clone(), "pending".to_owned()])).collect();
        if rows.is_empty() { String::new() } else { table(&[Column::id("ID"), Column::new("OUTCOME")], rows) }
    })
}

/// Ends: ids only fall, and one that fails again meanwhile keeps its own.
async fn replay_failed(args: &ReplayArgs, client: &Client, change: &Change, done: &mut Replays) -> Result<(), Failure> {
    let mut cursor = None;
    loop {
        let which = (args.webhook.clone(), Some("failed".to_owned()));
        let failed = page(client, which, cursor, "100".to_owned()).await?;
        for delivery in &failed.items {
            replay_one(client, &delivery.id, change, done).await?;
        }
        cursor = failed.next_cursor;
        if cursor.is_none() {
            return Ok(());
        }
    }
}

async fn replay_one(client: &Client, id: &str, change: &Change, done: &mut Replays) -> Result<(), Failure> {
    let answer = client.replay_delivery(id, change).await?;
    if answer.replayed {
        done.replayed.push(answer.delivery.id);
    } else {
        done.pending.push(answer.delivery.id);
    }
    Ok(())
}

fn list_table(all: &WebhooksView) -> String {
    if all.items.is_empty() {
        return String::new();
    }
    let columns = [
        Column::new("NAME"),
        Column::new("HOST"),
        Column::figure("BEHIND"),
        Column::figure("PENDING"),
        Column::figure("FAILED"),
        Column::new("LAST ERROR"),
    ];
    let rows = all.items.iter().map(|webhook| {
        let behind = match webhook.lag_entries {
            0 => "-".to_owned(),
            entries => {
                let lag = Duration::from_millis(u64::try_from(webhook.lag_ms).unwrap_or_default());
                format!("{entries} ({} s)", lag.as_secs())
            }
        };
        [
            webhook.name.clone(),
            host(&webhook.url),
            behind,
            webhook.pending.to_string(),
            webhook.failed.to_string(),
            webhook.last_error.clone().unwrap_or_else(|| "-".to_owned()),
        ]
    });
    table(&columns, rows)
}

/// Its path says little, and would make the table wider than a terminal; it is in the JSON.
fn host(url: &str) -> String {
    let parsed: Option<reqwest::Url> = url.parse().ok();
    parsed.and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_else(|| url.to_owned())
}

fn deliveries_table(page: &Page<DeliveryView>) -> String {
    let now = Timestamp::now();
    let columns = [
        Column::id("ID"),
        Column::new("WEBHOOK"),
        Column::figure("SEQ"),
        Column::new("EVENT"),
        Column::new("TENANT"),
        Column::new("STATE"),
        Column::figure("AGE"),
    ];
    let rows = page.items.iter().map(|delivery| {
        let state = match &delivery.error {
            Some(code) => format!("{}: {code}", delivery.state),
            None => delivery.state.clone(),
        };
        [
            delivery.id.clone(),
            delivery.webhook.clone(),
            delivery.seq.to_string(),
            delivery.event.clone(),
            delivery.tenant.clone().unwrap_or_else(|| "-".to_owned()),
            state,
            format::age(&delivery.created_at, now),
        ]
    });
    table(&columns, rows)
}
