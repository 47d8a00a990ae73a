//! The options that every command takes.

use clap::parser::ValueSource;
use clap::{ArgMatches, Args};

use crate::output::{Format, Terminal};
use crate::profiles::Given;
use crate::trust::TrustArgs;

/// Where a server is looked for when nobody says.
pub(crate) const DEFAULT_SERVER: &str = "http://127.0.0.1:8642";

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
    /// The profile of `realmctl config` to use, in place of REALMCTL_SERVER and REALMCTL_TOKEN
    #[arg(long, global = true, env = "REALMCTL_PROFILE", value_name = "NAME", hide_env_values = true)]
    profile: Option<String>,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
    /// How to print data on stdout. Notes and errors go to stderr: with json and yaml as JSON, one object a line
    #[arg(long, global = true, value_enum, default_value = "table", value_name = "FORMAT")]
    pub(crate) output: Format,
    /// Log more; twice for debugging. RUST_LOG overrides this
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Which of these were typed.
    #[arg(skip)]
    pub(crate) given: Given,
    /// Where notes about the connection go.
    #[arg(skip)]
    pub(crate) terminal: Option<Terminal>,
}

impl Globals {
    /// Keeps apart what was typed and what variables say.
    pub(crate) fn note_typed(&mut self, matches: &ArgMatches) {
        let typed = |name| matches.value_source(name) == Some(ValueSource::CommandLine);
        self.given = Given { server: typed("server"), token: typed("token"), profile: typed("profile") };
    }

    /// Whether a server was named, or a profile, which names one. The current profile and the default do not count.
    pub(crate) fn names_a_server(&self) -> bool {
        self.server.is_some() || self.profile().is_some()
    }

    /// The profile that was named; an empty one, as an unset variable of a script is, counts as none.
    pub(crate) fn profile(&self) -> Option<&str> {
        self.profile.as_deref().filter(|profile| !profile.is_empty())
    }

    /// The token; one that is empty, as an unset variable of a script is, counts as none.
    pub(crate) fn token(&self) -> Option<&str> {
        self.token.as_deref().filter(|token| !token.is_empty())
    }
}
