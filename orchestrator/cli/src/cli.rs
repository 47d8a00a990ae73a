//! The command line: the global options and the list of commands. Each command's own options stand with the command.

use clap::{Args, Parser, Subcommand};

use crate::commands::{
    bench, campaigns, completions, demo, dev, explain, limits, moves, pauses, removals, serve, tenants, topology,
    upgrade_check, worker,
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
  realmctl removals list --failed            What needs a person?
  realmctl explain acme                      What does it wait for?
  realmctl pause --all --reason \"incident\"   Hold everything back

Exit codes: 0 done, 1 failed, 2 usage, 3 refused, 4 rolled back."
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
    /// How to print data on stdout; everything else goes to stderr
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
    Explain(explain::ExplainArgs),
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

    #[test]
    fn ids_can_not_leave_their_place_in_a_path() {
        assert!(parse_id("0199f3a1-7c00-7000-8000-000000000001").is_ok());
        for bad in ["", "..", "a/b", "a?b", "é"] {
            assert!(parse_id(bad).is_err(), "{bad:?}");
        }
    }
}
