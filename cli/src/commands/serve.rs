//! `realmctl serve`: the HTTP API, and a runner beside it.

use std::net::SocketAddr;
use std::sync::Arc;

use catalogue::tokens;
use clap::Args;
use server::{Server, ServerSettings};
use store::StoreError;
use workflows::Deployment;

use crate::exit::{Exit, Failure};
use crate::globals::Globals;
use crate::login_args::LoginArgs;
use crate::number::number;
use crate::output::Terminal;
use crate::process::{ProcessArgs, Running, listen};
use crate::tls_args::TlsArgs;
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
  realmctl serve --store postgres://realmctl@db/realmctl --listen 0.0.0.0:8642 \\
      --tls-cert tls.crt --tls-key tls.key --token-key-file token.key
  realmctl serve --store postgres://realmctl@db/realmctl --no-tasks
  realmctl serve --store sqlite:realmctl.db --start-paused
  realmctl serve --store sqlite:realmctl.db --token-key-file token.key \\
      --oidc-issuer https://login.example --oidc-client-id realmctl \\
      --oidc-role ops=oncall --public-url https://realmctl.example")]
pub(crate) struct ServeArgs {
    /// Where to listen. Anything but loopback needs a token, or certificates of clients
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
    tls: TlsArgs,
    #[command(flatten)]
    pub(crate) process: ProcessArgs,
    #[command(flatten)]
    login: LoginArgs,
}

pub(crate) async fn run(args: &ServeArgs, globals: &Globals, terminal: &Terminal) -> Result<Exit, Failure> {
    let token_keys = Arc::new(args.token_keys.read()?);
    let settings = ServerSettings {
        login: args.login.read(&token_keys)?,
        token_keys,
        keep_answers: args.process.keep_history(),
        tls: args.tls.read()?,
        requests_per_second: Some(args.requests_per_second).filter(|most| *most > 0),
        ..settings(globals)?
    };
    Server::check_exposure(&args.listen, &settings).map_err(|error| Failure::usage(error.to_string()))?;
    let deployment = args.process.deployment().await?;
    refuse_to_be_open(&deployment, &settings).await?;
    let listener = listen(args.listen).await?;
    args.process.hold_if_asked(&deployment, terminal).await?;
    let mut runner = args.process.runner_settings(&deployment);
    if args.no_tasks {
        runner.tasks_at_once = 0;
    }
    let at = listener.local_addr().unwrap_or(args.listen);
    let scheme = if settings.tls.is_some() { "https" } else { "http" };
    let running = Running::start(&deployment, runner, Some((listener, settings)));
    terminal.say(&format!("Serving {scheme}://{at}"));
    running.until_signal(terminal).await?;
    Ok(Exit::Done)
}

/// A server that asks nobody would let everybody on this machine do what tokens forbid.
async fn refuse_to_be_open(deployment: &Deployment, settings: &ServerSettings) -> Result<(), Failure> {
    if !settings.is_open() {
        return Ok(());
    }
    let failed = |error: StoreError| Failure::failed(format!("the store can't be read: {}", error.chain()));
    let mut tx = deployment.store.read().await.map_err(failed)?;
    let any = tokens::any(&mut tx).await.map_err(failed)?;
    tx.rollback().await.map_err(failed)?;
    if any {
        let message =
            "this catalogue has tokens: start with --token-key-file FILE (or --token), or revoke them all first";
        return Err(Failure::usage(message));
    }
    Ok(())
}

/// The server's settings from the global options.
pub(crate) fn settings(globals: &Globals) -> Result<ServerSettings, Failure> {
    if globals.token().is_some_and(|token| token.starts_with("rct_")) {
        let message = "--token (REALMCTL_TOKEN) of a server is a token that may do everything and can't be revoked, and the one given was \
                       made for somebody: unset REALMCTL_TOKEN where the server starts, and give it --token-key-file";
        return Err(Failure::usage(message));
    }
    let token = globals.token().map(str::parse).transpose();
    let token = token.map_err(|error: server::InvalidToken| Failure::usage(format!("--token: {error}")))?;
    Ok(ServerSettings { token, ..ServerSettings::default() })
}
