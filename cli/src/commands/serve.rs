//! `realmctl serve`: the HTTP API, and a runner beside it.

use std::net::SocketAddr;
use std::sync::Arc;

use clap::Args;
use server::{Server, ServerSettings};

use crate::exit::{Exit, Failure};
use crate::globals::Globals;
use crate::number::number;
use crate::output::Terminal;
use crate::process::{ProcessArgs, Running, listen};
use crate::token_keys::TokenKeyArgs;

/// Run the HTTP API and carry out moves and removals
///
/// Any number of servers and workers share a Postgres store; with SQLite, one machine. SIGTERM and SIGINT drain: running work continues
/// from its last checkpoint, here or elsewhere.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  realmctl serve --store sqlite:realmctl.db
  REALMCTL_TOKEN=... realmctl serve --store postgres://realmctl@db/realmctl \\
      --listen 0.0.0.0:8642 --log-format json
  realmctl serve --store postgres://realmctl@db/realmctl --no-tasks
  realmctl serve --store sqlite:realmctl.db --start-paused")]
pub(crate) struct ServeArgs {
    /// Where to listen. Anything but loopback needs a token
    #[arg(
        long,
        env = "REALMCTL_LISTEN",
        hide_env_values = true,
        default_value = "127.0.0.1:8642",
        value_name = "ADDR"
    )]
    listen: SocketAddr,
    /// Leave copying, verifying and deleting data to workers
    #[arg(long)]
    no_tasks: bool,
    /// Requests a second that one token may make; 0 is without a limit
    #[arg(long, env = "REALMCTL_REQUESTS_PER_SECOND", default_value = "500", value_name = "N", value_parser = number::<u32>(0..=1_000_000), hide_env_values = true)]
    requests_per_second: u32,
    #[command(flatten)]
    token_keys: TokenKeyArgs,
    #[command(flatten)]
    pub(crate) process: ProcessArgs,
}

pub(crate) async fn run(args: &ServeArgs, globals: &Globals, terminal: &Terminal) -> Result<Exit, Failure> {
    let settings = ServerSettings {
        token_keys: Arc::new(args.token_keys.read()?),
        requests_per_second: Some(args.requests_per_second).filter(|most| *most > 0),
        ..settings(globals)?
    };
    Server::check_exposure(&args.listen, &settings).map_err(|error| Failure::usage(error.to_string()))?;
    let deployment = args.process.deployment().await?;
    let listener = listen(args.listen).await?;
    args.process.hold_if_asked(&deployment, terminal).await?;
    let mut runner = args.process.runner_settings(&deployment);
    if args.no_tasks {
        runner.tasks_at_once = 0;
    }
    let at = listener.local_addr().unwrap_or(args.listen);
    let running = Running::start(&deployment, runner, Some((listener, settings)));
    terminal.say(&format!("Serving http://{at}"));
    running.until_signal(terminal).await?;
    Ok(Exit::Done)
}

/// The server's settings from the global options.
pub(crate) fn settings(globals: &Globals) -> Result<ServerSettings, Failure> {
    let token = globals.token().map(str::parse).transpose();
    let token = token.map_err(|error: server::InvalidToken| Failure::usage(format!("--token: {error}")))?;
    Ok(ServerSettings { token, ..ServerSettings::default() })
}
