//! The command line: the global options and the list of commands. Each command's own options stand with the command.

use clap::{Args, Parser, Subcommand};

use crate::commands::{
    audit, bench, campaigns, completions, demo, dev, explain, limits, moves, pauses, removals, serve, status, tenants,
    topology, upgrade_check, worker, workers,
};
use crate::output::Format;

/// Where a server is looked for when nobody says.
pub(crate) const DEFAULT_SERVER: &str = "http://127.0.0.1:8642";

/// Moves a SaaS tenant's data between data-residency realms, and never leaves the tenant offline.
#[derive(Debug, Parser)]
#[command(
    name = "realmctl",
    version,
    max_term_width = 80,
    disable_help_subcommand = true,
    after_help = "Examples:
  realmctl demo                              See a whole move on this machine
  realmctl dev                               A playground that stays up
  realmctl move acme --to eu --dry-run       What would a move do?
  realmctl move acme --to eu --wait          Move, and watch it
  realmctl status                            What needs a person?
  realmctl explain acme                      What does it wait for?
  realmctl pause --all --reason \"incident\"   Hold everything back

Exit codes: 0 done, 1 failed, 2 usage, 3 refused, 4 rolled back, 130 interrupted."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) globals: Globals,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options that every command takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Globals {
    /// The server to talk to [default: http://127.0.0.1:8642]
    #[arg(long, global = true, env = "REALMCTL_SERVER", value_name = "URL", hide_env_values = true)]
    pub(crate) server: Option<String>,
    /// The API's token. For `serve` and `dev`: the token to ask clients for
    #[arg(long, global = true, env = "REALMCTL_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// How to print data on stdout. Notes and errors go to stderr: in JSON, too, one object a line
    #[arg(long, global = true, value_enum, default_value = "table", value_name = "FORMAT")]
    pub(crate) output: Format,
    /// Log more; twice for debugging. RUST_LOG has the last word
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

impl Globals {
    /// The server's address, the default if none was given.
    pub(crate) fn server(&self) -> &str {
        self.server.as_deref().unwrap_or(DEFAULT_SERVER)
    }

    /// The token; one that is empty, as an unset variable of a script is, counts as none.
    pub(crate) fn token(&self) -> Option<&str> {
        self.token.as_deref().filter(|token| !token.is_empty())
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Demo(demo::DemoArgs),
    Dev(dev::DevArgs),
    Serve(serve::ServeArgs),
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
    Audit(audit::AuditCommand),
    Status(status::StatusArgs),
    Explain(explain::ExplainArgs),
    #[command(subcommand)]
    Workers(workers::WorkersCommand),
    Pause(pauses::PauseArgs),
    Resume(pauses::ResumeArgs),
    Pauses(pauses::PausesArgs),
    #[command(subcommand)]
    Limits(limits::LimitsCommand),
    UpgradeCheck(upgrade_check::UpgradeCheckArgs),
    #[command(subcommand)]
    Bench(bench::BenchCommand),
    Completions(completions::CompletionsArgs),
    /// Print the version
    #[command(after_help = "Examples:\n  realmctl version\n  realmctl version --output json")]
    Version,
}

/// Reads the id of a move, a removal or a campaign. Anything else could not be one, and must not become part of a path.
pub(crate) fn parse_id(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if (1..=64).contains(&text.len()) && text.chars().all(plain) {
        return Ok(text.to_owned());
    }
    Err("an id consists of letters, digits and -, as the lists show it".to_owned())
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
    const SENTENCES: [&str; 3] = ["realmctl {version}", "realmctl works;", "realmctl serves "];

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

    #[test]
    fn ids_can_not_leave_their_place_in_a_path() {
        assert!(parse_id("0199f3a1-7c00-7000-8000-000000000001").is_ok());
        for bad in ["", "..", "a/b", "a?b", "é"] {
            assert!(parse_id(bad).is_err(), "{bad:?}");
        }
    }
}
