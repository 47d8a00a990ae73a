//! `realmctl workers`: the processes that are there to carry out moves and removals.

use clap::{Args, Subcommand};
use engine::host_and_process;
use server::api::WorkerView;

use crate::client::Client;
use crate::exit::{Exit, Failure};
use crate::globals::Globals;
use crate::output::Terminal;
use crate::tables::{Column, table};

/// See the processes that carry out moves and removals
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:
  realmctl workers list
  realmctl workers list --output json")]
pub(crate) enum WorkersCommand {
    List(ListArgs),
}

/// List running workers and servers: what they do, and what they lack
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  realmctl workers list")]
pub(crate) struct ListArgs {}

pub(crate) async fn run(command: &WorkersCommand, globals: &Globals, terminal: &Terminal) -> Result<Exit, Failure> {
    let WorkersCommand::List(ListArgs {}) = command;
    let workers = Client::of(globals)?.workers().await?;
    if workers.items.is_empty() {
        terminal.say("No workers running: start one with `realmctl worker --store URL`.");
    }
    terminal.data(&workers, |workers| workers_table(&workers.items))?;
    Ok(Exit::Done)
}

/// The processes, a row each; nothing if there are none.
pub(super) fn workers_table(workers: &[WorkerView]) -> String {
    if workers.is_empty() {
        return String::new();
    }
    let columns = [Column::new("PROCESS"), Column::figure("RUNNING TASKS"), Column::new("RUNS")];
    let rows = workers.iter().map(|worker| {
        let runs = match (&worker.unfit, worker.tasks.is_empty()) {
            (Some(lacks), _) => format!("no data tasks: {lacks}"),
            (None, true) => "no data tasks: started with --no-tasks".to_owned(),
            (None, false) => worker.tasks.join(", "),
        };
        [host_and_process(&worker.name), worker.in_hand.to_string(), runs]
    });
    table(&columns, rows)
}
