//! The command line: the list of commands. Each command's own options stand with the command.

use clap::{Parser, Subcommand};

#[cfg(feature = "bench")]
use crate::commands::bench;
use crate::commands::{
    approvals, audit, campaigns, completions, config, errors, explain, limits, man, moves, pauses, removals, serve,
    sessions, status, tenants, tokens, topology, upgrade_check, webhooks, worker, workers,
};
#[cfg(feature = "playground")]
use crate::commands::{demo, dev};
use crate::globals::Globals;
use crate::logging::{Log, LogFormat};

#[cfg(feature = "playground")]
macro_rules! playground_examples {
    () => {
        "Examples:
  realmctl demo                              See a whole move on this machine
  realmctl dev                               A playground that stays up
"
    };
}
#[cfg(not(feature = "playground"))]
macro_rules! playground_examples {
    () => {
        "Examples:
"
    };
}
macro_rules! examples {
    () => {
        "  realmctl move acme --to eu --dry-run       What would a move do?
  realmctl move acme --to eu --wait          Move, and watch it
  realmctl status                            What needs a person?
  realmctl explain acme                      What does it wait for?
  realmctl pause --all --reason \"incident\"   Pause everything

REALMCTL_USER is your name in the audit trail, 1 to 64 printable ASCII characters; without it, your login name.

Exit codes: 0 done, 1 failed, 2 usage, 3 refused, 4 rolled back, 130 interrupted."
    };
}

/// Moves a SaaS tenant's data between data-residency realms, and never leaves the tenant offline.
#[derive(Debug, Parser)]
#[command(
    name = "realmctl",
    version,
    max_term_width = 80,
    disable_help_subcommand = true,
    after_help = concat!(playground_examples!(), examples!())
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) globals: Globals,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    #[cfg(feature = "playground")]
    Demo(demo::DemoArgs),
    #[cfg(feature = "playground")]
    Dev(dev::DevArgs),
    Serve(Box<serve::ServeArgs>),
    Worker(worker::WorkerArgs),
    #[command(subcommand)]
    Topology(topology::TopologyCommand),
    #[command(subcommand)]
    Tenants(tenants::TenantsCommand),
    Move(moves::MoveArgs),
    #[command(subcommand)]
    Moves(moves::MovesCommand),
    #[command(subcommand)]
    Campaigns(campaigns::CampaignsCommand),
    #[command(subcommand)]
    Removals(removals::RemovalsCommand),
    #[command(subcommand)]
    Approvals(approvals::ApprovalsCommand),
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    #[command(subcommand)]
    Token(tokens::TokenCommand),
    #[command(subcommand)]
    Webhooks(webhooks::WebhooksCommand),
    #[command(subcommand)]
    Sessions(sessions::SessionsCommand),
    Status(status::StatusArgs),
    Explain(explain::ExplainArgs),
    Errors(errors::ErrorsArgs),
    #[command(subcommand)]
    Workers(workers::WorkersCommand),
    Pause(pauses::PauseArgs),
    Resume(pauses::ResumeArgs),
    Pauses(pauses::PausesArgs),
    #[command(subcommand)]
    Limits(limits::LimitsCommand),
    UpgradeCheck(upgrade_check::UpgradeCheckArgs),
    #[cfg(feature = "bench")]
    #[command(subcommand)]
    Bench(bench::BenchCommand),
    #[command(subcommand)]
    Config(config::ConfigCommand),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
    /// Print the version
    #[command(after_help = "Examples:\n  realmctl version\n  realmctl version --output json")]
    Version,
}

impl Command {
    /// How its log looks, and what of it is shown.
    pub(crate) fn log(&self) -> Log {
        // aws_sdk_s3 warns of every object that was uploaded in parts: its SDK does not check those checksums, we do.
        let of_process = |format| Log { format, ours: "info", libraries: "warn,aws_sdk_s3=error" };
        let of_command = |ours| Log { format: LogFormat::Text, ours, libraries: "error" };
        match self {
            Self::Serve(args) => of_process(args.process.log_format),
            Self::Worker(args) => of_process(args.process.log_format),
            #[cfg(feature = "playground")]
            Self::Dev(_) => of_command("warn"),
            _ => of_command("error"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;
    use clap::error::ErrorKind;
    use std::path::{Path, PathBuf};

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_token_is_never_shown() {
        let help = Cli::command().render_long_help().to_string();
        assert!(help.contains("[env: REALMCTL_TOKEN]"), "{help}");
        let cli = Cli::try_parse_from(["realmctl", "version", "--token", ""]).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(cli.globals.token(), None);
    }

    /// Whatever stands in quotes or backticks after `realmctl `, in messages and in documents.
    #[test]
    fn every_command_line_that_is_printed_anywhere_is_one() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut texts = vec![root.join("README.md")];
        for folder in ["docs", "cli/src", "server/src", "orchestrator", "workflows/src", "workers/src"] {
            texts_below(&root.join(folder), &mut texts);
        }
        let (mut read, mut wrong) = (0, Vec::new());
        for file in texts {
            let text = std::fs::read_to_string(&file).expect("it can be read");
            for line in command_lines(&text) {
                read += 1;
                if let Err(error) = Cli::try_parse_from(words(&line))
                    && NO_COMMAND.contains(&error.kind())
                {
                    wrong.push(format!("{}: `{line}`: {error}", file.display()));
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert!(read > 100, "{read} found");
    }

    /// A value that stands for another one may be of the wrong form, or left out.
    const NO_COMMAND: [ErrorKind; 2] = [ErrorKind::InvalidSubcommand, ErrorKind::UnknownArgument];

    /// What processes say of themselves.
    const SENTENCES: [&str; 1] = ["realmctl {version}"];

    fn texts_below(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            // What tests say to each other is no advice.
            if path.is_dir() && !path.ends_with("tests") {
                texts_below(&path, found);
            } else if path.is_file() && path.extension().is_some_and(|kind| kind == "rs" || kind == "md") {
                found.push(path);
            }
        }
    }

    fn command_lines(text: &str) -> Vec<String> {
        // A string that goes on in the next line, which is indented.
        let whole: String = text.split("\\\n").map(str::trim_start).collect();
        let mut found = Vec::new();
        for quote in ['`', '"'] {
            let begin = format!("{quote}realmctl ");
            for (at, _) in whole.match_indices(&begin) {
                let line = whole[at + 1..].split([quote, '\n']).next().unwrap_or_default();
                if !line.contains('…') && !SENTENCES.iter().any(|begin| line.starts_with(begin)) {
                    found.push(line.to_owned());
                }
            }
        }
        found
    }

    /// The words of a command line; whatever a program fills in is `x`.
    fn words(line: &str) -> Vec<String> {
        let mut plain = String::new();
        let mut inside = false;
        for c in line.chars() {
            match c {
                '{' => inside = true,
                '}' if inside => {
                    inside = false;
                    plain.push('x');
                }
                _ if inside => {}
                _ => plain.push(c),
            }
        }
        plain.split_whitespace().filter(|word| *word != "[OPTIONS]").map(str::to_owned).collect()
    }
}
