//! `realmctl limits`: how much data work may run at a time, and how many units a second it may take.

use clap::{ArgGroup, Args, Subcommand};
use server::api::{LimitSet, LimitUnset, LimitView, LimitsView};

use crate::client::Client;
use crate::exit::{Exit, Failure};
use crate::globals::Globals;
use crate::number::number;
use crate::output::Terminal;
use crate::tables::{Column, table};

/// Limit how much data work runs at a time; takes effect at once
///
/// A limit counts data tasks: a move has one for each part (index shard or prefix) and added location, and reserves them
/// all before its tenant goes offline. Work larger than a limit runs when it is alone. Without a limit nothing waits.
///
/// A limit can also be on the write and read units a second that all processes together use of DynamoDB tables (units of the
/// tables themselves, not of their indexes). Each process takes an equal share among those at work in the scope, and a change
/// is felt within about a second. The topology can limit units too: `limits: { writeUnits: N, readUnits: N }` for everything,
/// or within a service's `store: { dynamodb: … }` for each of its tables. Of two limits the lower one counts.
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:
  realmctl limits list
  realmctl limits set overall 64
  realmctl limits set region:eu-west-1 20 --reason \"table is throttled\"
  realmctl limits set overall --write-units 20000 --read-units 60000
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

/// Set a limit; the scope's other limits stay, and running work finishes
#[derive(Debug, Args)]
#[command(override_usage = "realmctl limits set [OPTIONS] <SCOPE> <N>
       realmctl limits set [OPTIONS] <SCOPE> --write-units <N>
       realmctl limits set [OPTIONS] <SCOPE> --read-units <N>")]
#[command(group = ArgGroup::new("limit").required(true).multiple(true).args(["slots", "write_units", "read_units"]))]
#[command(after_help = "Examples:
  realmctl limits set overall 64
  realmctl limits set region:eu-west-1 0 --reason \"no new work there\"
  realmctl limits set 'table:dynamodb|aws:eu-west-1|issues' 10
  realmctl limits set 'table:dynamodb|aws:eu-west-1|issues' --write-units 2500")]
pub(crate) struct SetArgs {
    /// overall, region:NAME, or table:KEY with the key of a table or bucket
    scope: String,
    /// Data tasks at a time; 0 admits nothing new
    #[arg(value_name = "N", allow_negative_numbers = true, value_parser = number::<i64>(0..=1_000_000))]
    slots: Option<i64>,
    /// Write units a second of tables, by all processes together
    #[arg(long, value_name = "N", value_parser = number::<i64>(1..=10_000_000))]
    write_units: Option<i64>,
    /// Read units a second of tables, by all processes together
    #[arg(long, value_name = "N", value_parser = number::<i64>(1..=10_000_000))]
    read_units: Option<i64>,
    /// Why; kept with the limit and in the audit trail
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// Remove all limits of a scope
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
                terminal.say("No limits set.");
            }
            terminal.data(&limits, list_table)?;
        }
        LimitsCommand::Set(args) => {
            let limit = LimitSet {
                scope: args.scope.clone(),
                slots: args.slots,
                write_units: args.write_units,
                read_units: args.read_units,
                reason: args.reason.clone(),
            };
            terminal.data(&client.set_limit(&limit).await?, |limit| limits_table(std::slice::from_ref(limit)))?;
        }
        LimitsCommand::Unset(args) => {
            let limit = LimitUnset { scope: args.scope.clone(), reason: args.reason.clone() };
            let left = client.unset_limit(&limit).await?;
            terminal.say(&format!("Limits of {} removed.", args.scope));
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
    let [scope, slots, used, waiting] = columns();
    let (set_by, reason) = (Column::new("SET BY"), Column::new("REASON"));
    if limits.iter().all(|limit| limit.write_units.is_none() && limit.read_units.is_none()) {
        let rows = limits.iter().map(|limit| {
            let [scope, slots, used, waiting] = cells(limit);
            [scope, slots, used, waiting, limit.set_by.clone(), limit.reason.clone()]
        });
        return table(&[scope, slots, used, waiting, set_by, reason], rows);
    }
    let (writes, reads) = (Column::figure("WRITE/S"), Column::figure("READ/S"));
    let rows = limits.iter().map(|limit| {
        let [scope, slots, used, waiting] = cells(limit);
        let (writes, reads) = (figure(limit.write_units), figure(limit.read_units));
        [scope, slots, used, waiting, writes, reads, limit.set_by.clone(), limit.reason.clone()]
    });
    table(&[scope, slots, used, waiting, writes, reads, set_by, reason], rows)
}

fn columns() -> [Column; 4] {
    [Column::new("SCOPE"), Column::figure("LIMIT"), Column::figure("IN USE"), Column::figure("WAITING")]
}

fn cells(limit: &LimitView) -> [String; 4] {
    [limit.scope.clone(), figure(limit.slots), limit.used.to_string(), limit.waiting.to_string()]
}

fn figure(limit: Option<i64>) -> String {
    limit.map_or_else(|| "-".to_owned(), |limit| limit.to_string())
}
