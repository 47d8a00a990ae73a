//! The options that every command takes.

use clap::Args;

use crate::output::Format;

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
    /// How to print data on stdout. Notes and errors go to stderr: in JSON, too, one object a line
    #[arg(long, global = true, value_enum, default_value = "table", value_name = "FORMAT")]
    pub(crate) output: Format,
    /// Log more; twice for debugging. RUST_LOG overrides this
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
