//! The file that holds the keys of tokens.

use std::path::{Path, PathBuf};

use clap::Args;
use workflows::access::TokenKeys;

use crate::exit::Failure;
use crate::files::read_secret;

/// Where the keys of tokens are.
#[derive(Debug, Args)]
pub(crate) struct TokenKeyArgs {
    /// The keys under which the secrets of tokens are hashed: a line of random text each, the newest first. The same for all
    /// servers. With it, every request needs a token
    #[arg(long, env = "REALMCTL_TOKEN_KEY_FILE", value_name = "FILE", hide_env_values = true)]
    token_key_file: Option<PathBuf>,
}

impl TokenKeyArgs {
    /// The keys; none without a file.
    pub(crate) fn read(&self) -> Result<TokenKeys, Failure> {
        self.token_key_file.as_deref().map_or_else(|| Ok(TokenKeys::default()), read)
    }
}

/// What is in the file is never repeated.
pub(crate) fn read(file: &Path) -> Result<TokenKeys, Failure> {
    let said = |error: &dyn std::fmt::Display| Failure::usage(format!("--token-key-file {}: {error}", file.display()));
    let text = read_secret(file).map_err(|error| said(&error))?;
    TokenKeys::parse(&text).map_err(|error| said(&error))
}
