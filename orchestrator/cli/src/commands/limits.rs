//! `realmctl limits`: how much data work may run at a time.

use clap::{Args, Subcommand};
use server::api::{LimitSet, LimitUnset, LimitView, LimitsView};

use crate::cli::Globals;
use crate::client::Client;
use crate::exit::{Exit, Failure};
use crate::output::{Column, Terminal, table};

/// Limit how much data work runs at a time, while it runs
///
/// A limit counts data tasks: a move has one for each part (index shard or prefix) and added location, and reserves them
/// all before its tenant goes offline. What is larger than a limit runs when it is alone. Without a limit nothing waits.
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:
  realmctl limits list
  realmctl limits set overall 64
  realmctl limits set region:eu-west-1 20 --reason \"table is throttled\"
  realmctl limits unset region:eu-west-1")]
pub(crate) enum LimitsCommand {
    List(ListArgs),
    Set(SetArgs),
    Unset(UnsetArgs),
}

/// List the limits, and how they are used
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  realmctl limits list --output json")]
pub(crate) struct ListArgs {}

/// Set a limit; what runs is left to finish
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  realmctl limits set overall 64
  realmctl limits set region:eu-west-1 0 --reason \"no new work there\"
  realmctl limits set 'table:dynamodb|aws:eu-west-1|issues' 10")]
pub(crate) struct SetArgs {
    /// overall, region:NAME, or table:KEY with the key of a table or bucket
    scope: String,
    /// Data tasks at a time; 0 admits nothing new
    #[arg(value_name = "N", value_parser = clap::value_parser!(i64).range(0..=1_000_000))]
    slots: i64,
    /// Why; kept with the limit and in the audit trail
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// Take a limit away
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  realmctl limits unset region:eu-west-1")]
pub(crate) struct UnsetArgs {
    /// The limit, as the list shows it
    scope: String,
    /// Why; kept in the audit trail
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

pub(crate) async fn run(command: &LimitsCommand, globals: &Globals, terminal: &Terminal) -> Result<Exit, Failure> {
    let client = Client::of(globals)?;
    match command {
        LimitsCommand::List(ListArgs {}) => {
            let limits = client.limits().await?;
            if limits.items.is_empty() {
                terminal.say("Nothing is limited.");
            }
            terminal.data(&limits, list_table)?;
        }
        LimitsCommand::Set(args) => {
            let limit = LimitSet { scope: args.scope.clone(), slots: args.slots, reason: args.reason.clone() };
            terminal.data(&client.set_limit(&limit).await?, |limit| limits_table(std::slice::from_ref(limit)))?;
        }
        LimitsCommand::Unset(args) => {
            let limit = LimitUnset { scope: args.scope.clone(), reason: args.reason.clone() };
            let left = client.unset_limit(&limit).await?;
            terminal.say(&format!("{} is not limited any more.", args.scope));
            terminal.data(&left, list_table)?;
        }
    }
    Ok(Exit::Done)
}

fn list_table(limits: &LimitsView) -> String {
    limits_table(&limits.items)
}

fn limits_table(limits: &[LimitView]) -> String {
    if limits.is_empty() {
        return String::new();
    }
    let columns = [
        Column::new("SCOPE"),
        Column::figure("LIMIT"),
        Column::figure("IN USE"),
        Column::figure("WAITING"),
        Column::new("SET BY"),
        Column::new("REASON"),
    ];
    let rows = limits.iter().map(|limit| {
        let figures = [limit.slots, limit.used, limit.waiting].map(|figure| figure.to_string());
        let [slots, used, waiting] = figures;
        [limit.scope.clone(), slots, used, waiting, limit.set_by.clone(), limit.reason.clone()]
    });
    table(&columns, rows)
}
