//! The `realmctl` binary: parses, wires and prints. What a command does stands in `commands`, one file a group; nothing
//! here decides about tenants.

mod cli;
mod change_args;
mod client;
mod commands;
mod exit;
mod files;
mod follow;
mod globals;
mod listing;
#[cfg(feature = "playground")]
mod playground;
mod logging;
mod login_args;
mod misuse;
mod number;
mod output;
mod process;
mod profiles;
mod progress;
mod role_arg;
mod tables;
mod timing_args;
mod tls_args;
mod token_keys;
mod trust;
mod watch;
mod yaml;
mod format;
#[cfg(test)]
mod fuzz;

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches};

use crate::cli::{Cli, Command};
use crate::exit::{Exit, Failure};
use crate::logging::LogFormat;
use crate::output::{Format, Terminal};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Threads of the asynchronous runtime, at least.
const LEAST_THREADS: usize = 4;

fn main() -> ExitCode {
    let mut cli = parse().unwrap_or_else(|error| misused(&misuse::in_plain_text(without_environment(error))));
    let log = cli.command.log();
    let terminal = Terminal::new(cli.globals.output, log.format == LogFormat::Json);
    cli.globals.terminal = Some(terminal.clone());
    logging::start(log, cli.globals.verbose, &terminal);
    match run(cli, &terminal) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            terminal.fail(&failure);
            failure.exit.into()
        }
    }
}

/// The command line, and which of its global options were typed.
fn parse() -> Result<Cli, clap::Error> {
    let matches = Cli::command().try_get_matches()?;
    let mut cli = Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut Cli::command()))?;
    cli.globals.note_typed(&matches);
    Ok(cli)
}

/// The same error with a usage line of what was typed: an option that a variable gives would stand there as if it were required.
fn without_environment(error: clap::Error) -> clap::Error {
    if !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return error;
    }
    let typed = |option: clap::Arg| option.env(None::<&'static str>);
    let command = Cli::command().mut_arg("server", typed).mut_arg("token", typed).mut_arg("profile", typed);
    command.try_get_matches().err().unwrap_or(error)
}

/// Prints the help that was asked for, or what is wrong with the command line, and ends the process.
fn misused(error: &clap::Error) -> ! {
    let words: Vec<_> = std::env::args_os().collect();
    let asked = |word: &std::ffi::OsStr| word == "json" || word == "yaml";
    let json = words.iter().any(|word| word == "--output=json" || word == "--output=yaml")
        || words.windows(2).any(|pair| pair[0] == "--output" && asked(&pair[1]));
    if !json || !error.use_stderr() {
        error.exit();
    }
    let message = error.to_string();
    let message = message.strip_prefix("error: ").unwrap_or(&message);
    // What follows points to the help, for a person at a terminal.
    let message = message.split("\n\nFor more information").next().unwrap_or_default().trim_end();
    Terminal::new(Format::Json, false).fail(&Failure::usage(message));
    std::process::exit(error.exit_code());
}

fn run(cli: Cli, terminal: &Terminal) -> Result<Exit, Failure> {
    // Digests and encodings keep a thread busy for a while: with more threads than cores, heartbeats still get their turn.
    let threads = std::thread::available_parallelism().map_or(1, usize::from).max(LEAST_THREADS);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("the asynchronous runtime can't start: {error}")))?;
    // Boxed: the future of all commands together is too large for the stack.
    runtime.block_on(Box::pin(dispatch(cli, terminal)))
}

async fn dispatch(cli: Cli, terminal: &Terminal) -> Result<Exit, Failure> {
    use commands::{
        approvals, audit, campaigns, completions, config, errors, explain, limits, man, moves, pauses, removals, serve,
        sessions, status, tenants, tokens, topology, upgrade_check, version, webhooks, worker, workers,
    };
    let globals = &cli.globals;
    match cli.command {
        #[cfg(feature = "playground")]
        Command::Demo(args) => Box::pin(commands::demo::run(&args, terminal)).await,
        #[cfg(feature = "playground")]
        Command::Dev(args) => Box::pin(commands::dev::run(&args, globals, terminal)).await,
        Command::Serve(args) => Box::pin(serve::run(&args, globals, terminal)).await,
        Command::Worker(args) => Box::pin(worker::run(&args, terminal)).await,
        Command::Topology(command) => topology::run(&command, globals, terminal).await,
        Command::Tenants(command) => tenants::run(&command, globals, terminal).await,
        Command::Move(args) => moves::start(&args, globals, terminal).await,
        Command::Moves(command) => moves::run(&command, globals, terminal).await,
        Command::Campaigns(command) => campaigns::run(&command, globals, terminal).await,
        Command::Approvals(command) => approvals::run(&command, globals, terminal).await,
        Command::Audit(command) => audit::run(&command, globals, terminal).await,
        Command::Token(command) => tokens::run(&command, globals, terminal).await,
        Command::Webhooks(command) => webhooks::run(&command, globals, terminal).await,
        Command::Sessions(command) => sessions::run(&command, globals, terminal).await,
        Command::Removals(command) => removals::run(&command, globals, terminal).await,
        Command::Status(args) => status::run(&args, globals, terminal).await,
        Command::Workers(command) => workers::run(&command, globals, terminal).await,
        Command::Errors(args) => errors::run(&args, terminal),
        Command::Explain(args) => explain::run(&args, globals, terminal).await,
        Command::Pause(args) => pauses::pause(&args, globals, terminal).await,
        Command::Resume(args) => pauses::resume(&args, globals, terminal).await,
        Command::Pauses(args) => pauses::list(&args, globals, terminal).await,
        Command::Limits(command) => limits::run(&command, globals, terminal).await,
        Command::UpgradeCheck(args) => upgrade_check::run(&args, terminal).await,
        #[cfg(feature = "bench")]
        Command::Bench(command) => Box::pin(commands::bench::run(&command, terminal)).await,
        Command::Completions(args) => completions::run(&args, Cli::command(), terminal),
        Command::Man(args) => man::run(&args, Cli::command(), terminal),
        Command::Config(command) => config::run(&command, globals, terminal),
        Command::Version => version::run(terminal),
    }
}
