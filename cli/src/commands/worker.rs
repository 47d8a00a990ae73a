//! `realmctl worker`: a runner without an API.

use clap::Args;

use crate::exit::{Exit, Failure};
use crate::output::Terminal;
use crate::process::{ProcessArgs, Running};

/// Carry out moves and removals, without an API
///
/// Any number of workers share a Postgres store. SIGTERM and SIGINT drain: running work continues from its last checkpoint, here or
/// elsewhere.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  realmctl worker --store postgres://realmctl@db/realmctl
  realmctl worker --store sqlite:realmctl.db --log-format json")]
pub(crate) struct WorkerArgs {
    #[command(flatten)]
    pub(crate) process: ProcessArgs,
}

pub(crate) async fn run(args: &WorkerArgs, terminal: &Terminal) -> Result<Exit, Failure> {
    let deployment = args.process.deployment().await?;
    args.process.hold_if_asked(&deployment, terminal).await?;
    let running = Running::start(&deployment, args.process.runner_settings(&deployment), None);
    terminal.say("Worker started (without an API).");
    running.until_signal(terminal).await?;
    Ok(Exit::Done)
}
