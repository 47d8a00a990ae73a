//! `realmctl completions`: scripts that let a shell complete the command line.

use clap_complete::Shell;

use crate::exit::{Exit, Failure};
use crate::output::Terminal;

/// Print a completion script for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  realmctl completions bash > /etc/bash_completion.d/realmctl
  realmctl completions zsh > \"${fpath[1]}/_realmctl\"
  realmctl completions fish > ~/.config/fish/completions/realmctl.fish")]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

pub(crate) fn run(args: &CompletionsArgs, mut cli: clap::Command, terminal: &Terminal) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut cli, "realmctl", &mut script);
    terminal.text(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}
