//! `realmctl config`: profiles, which are servers with a name. Tokens are never printed.

use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::json;

use crate::exit::{Exit, Failure};
use crate::globals::Globals;
use crate::output::Terminal;
use crate::profiles::{Profile, Profiles, Secret, change, no_such, parse_name, parse_server, place, read};
use crate::tables::{Column, facts, table};

/// Keep servers and their tokens under names: profiles
///
/// They are in a file of yours alone (mode 600): `realmctl config path` says where. Commands that ask a server use what was typed
/// (--server, --token), then the profile of --profile, then REALMCTL_SERVER and REALMCTL_TOKEN, then the profile of REALMCTL_PROFILE or
/// the current one. A profile's token is sent to that profile's server only. `serve`, `worker` and `dev` do not read profiles.
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:
  realmctl config set prod --server https://realms.example --token-stdin
  realmctl config use prod
  realmctl config list")]
pub(crate) enum ConfigCommand {
    Set(SetArgs),
    Use(UseArgs),
    List(ListArgs),
    Show(ShowArgs),
    Delete(DeleteArgs),
    Path(PathArgs),
}

/// Make or change a profile
///
/// The first one becomes the current one. What is not given stays as it is;
/// but with another --server the token goes, for it was made for the one
/// before. The file:
///
///     version: 1
///     current: prod
///     profiles:
///       prod:
///         server: https://realms.example
///         token: rct_…
#[derive(Debug, Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:
  realmctl config set local --server http://127.0.0.1:8642
  realmctl config set prod --server https://realms.example --token-stdin
  realmctl config set prod --token-file prod.token
  realmctl config set prod --no-token"
)]
pub(crate) struct SetArgs {
    /// Its name: letters, digits and - _ . @
    #[arg(value_parser = parse_name)]
    name: String,
    /// Read the token from this file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["token_stdin", "no_token"])]
    token_file: Option<PathBuf>,
    /// Read the token from stdin
    #[arg(long, conflicts_with = "no_token")]
    token_stdin: bool,
    /// Forget the token
    #[arg(long)]
    no_token: bool,
}

/// Make a profile the current one
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  realmctl config use prod")]
pub(crate) struct UseArgs {
    /// Its name
    #[arg(value_parser = parse_name)]
    name: String,
}

/// List profiles, without tokens
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  realmctl config list\n  realmctl config list --output json")]
pub(crate) struct ListArgs {}

/// Show a profile, without its token
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  realmctl config show\n  realmctl config show prod")]
pub(crate) struct ShowArgs {
    /// Its name; if not given, the one that commands would use
    #[arg(value_parser = parse_name)]
    name: Option<String>,
}

/// Delete a profile, and its token with it
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  realmctl config delete prod")]
pub(crate) struct DeleteArgs {
    /// Its name
    #[arg(value_parser = parse_name)]
    name: String,
}

/// Print where profiles are kept
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  realmctl config path")]
pub(crate) struct PathArgs {}

/// A profile as it is shown.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    name: String,
    server: String,
    has_token: bool,
    current: bool,
}

impl Shown {
    fn of(name: &str, profile: &Profile, profiles: &Profiles) -> Self {
        Self {
            name: name.to_owned(),
            server: profile.server.clone(),
            has_token: profile.token.is_some(),
            current: profiles.current.as_deref() == Some(name),
        }
    }
}

pub(crate) fn run(command: &ConfigCommand, globals: &Globals, terminal: &Terminal) -> Result<Exit, Failure> {
    let path = place()?;
    match command {
        ConfigCommand::Set(args) => set(args, globals, &path, terminal)?,
        ConfigCommand::Use(UseArgs { name }) => {
            let shown = change(&path, |profiles| {
                let shown = Shown::of(name, profiles.find(name)?, profiles);
                profiles.current = Some(name.clone());
                Ok(Shown { current: true, ..shown })
            })?;
            terminal.data(&shown, one)?;
        }
        ConfigCommand::List(_) => list(&read(&path)?, terminal)?,
        ConfigCommand::Show(ShowArgs { name }) => {
            let profiles = read(&path)?;
            let name = name.as_deref().or(globals.profile()).or(profiles.current.as_deref());
            let name = name.ok_or_else(|| {
                Failure::refused("no profile is the current one; `realmctl config list` lists them, `realmctl config use NAME` chooses one")
            })?;
            terminal.data(&Shown::of(name, profiles.find(name)?, &profiles), one)?;
        }
        ConfigCommand::Delete(DeleteArgs { name }) => {
            let (deleted, was_current) = change(&path, |profiles| {
                let deleted = profiles.profiles.remove(name).ok_or_else(|| no_such(name))?;
                let was_current = profiles.current.take_if(|current| current == name).is_some();
                Ok((Shown::of(name, &deleted, profiles), was_current))
            })?;
            if was_current {
                terminal.say("It was the current profile: now there is none.");
            }
            terminal.data(&deleted, one)?;
        }
        ConfigCommand::Path(_) => {
            terminal.data(&json!({ "path": path.display().to_string() }), |_| path.display().to_string())?;
        }
    }
    Ok(Exit::Done)
}

fn set(args: &SetArgs, globals: &Globals, path: &Path, terminal: &Terminal) -> Result<(), Failure> {
    if globals.given.token {
        return Err(Failure::usage(
            "config set takes no --token, which shells remember and other users of the machine see: use --token-stdin or --token-file",
        ));
    }
    // Only what was typed is meant to be kept.
    let server = globals.server.as_deref().filter(|_| globals.given.server).map(parse_server).transpose()?;
    let token = token(args, terminal)?;
    let (shown, forgotten) = change(path, |profiles| {
        let before = profiles.profiles.get(&args.name);
        let server = server
            .or_else(|| before.map(|before| before.server.clone()))
            .ok_or_else(|| Failure::usage(format!("there is no profile {} yet: give its --server URL", args.name)))?;
        let kept = before
            .filter(|_| !args.no_token && token.is_none())
            .and_then(|before| Some((before.token.clone()?, before.server == server)));
        let forgotten = matches!(kept, Some((_, false)));
        let token = token.or_else(|| kept.filter(|(_, same)| *same).map(|(token, _)| token));
        let profile = Profile { server, token };
        if profiles.profiles.is_empty() {
            profiles.current = Some(args.name.clone());
        }
        let shown = Shown::of(&args.name, &profile, profiles);
        profiles.profiles.insert(args.name.clone(), profile);
        Ok((shown, forgotten))
    })?;
    if forgotten {
        terminal.say("Its token was for the server before, and is forgotten: give it another one.");
    }
    terminal.data(&shown, one)
}

/// More than a token may have, with line breaks.
const TOKEN_FILE_MAX: u64 = 4096;

fn token(args: &SetArgs, terminal: &Terminal) -> Result<Option<Secret>, Failure> {
    let mut text = String::new();
    let (from, read) = match &args.token_file {
        Some(file) => {
            let read = std::fs::File::open(file).and_then(|file| file.take(TOKEN_FILE_MAX).read_to_string(&mut text));
            (format!("--token-file {}", file.display()), read)
        }
        None if args.token_stdin && std::io::stdin().is_terminal() => {
            terminal.say("Paste the token, then press Enter.");
            ("--token-stdin".to_owned(), std::io::stdin().read_line(&mut text))
        }
        None if args.token_stdin => {
            ("--token-stdin".to_owned(), std::io::stdin().take(TOKEN_FILE_MAX).read_to_string(&mut text))
        }
        None => return Ok(None),
    };
    // What was read is never repeated.
    read.map_err(|error| Failure::usage(format!("{from} can't be read: {error}")))?;
    Secret::parse(text.trim()).map(Some).map_err(|error| Failure::usage(format!("{from}: {error}")))
}

fn list(profiles: &Profiles, terminal: &Terminal) -> Result<(), Failure> {
    let shown: Vec<Shown> =
        profiles.profiles.iter().map(|(name, profile)| Shown::of(name, profile, profiles)).collect();
    if shown.is_empty() {
        terminal.say("No profiles: make one with `realmctl config set NAME --server URL`.");
    }
    terminal.data(&json!({ "items": shown }), |_| {
        let columns = [Column::whole("NAME"), Column::new("SERVER"), Column::whole("TOKEN"), Column::whole("CURRENT")];
        let yes = |is: bool| if is { "yes" } else { "no" }.to_owned();
        let rows = shown.iter().map(|one| [one.name.clone(), one.server.clone(), yes(one.has_token), yes(one.current)]);
        table(&columns, rows)
    })
}

fn one(shown: &Shown) -> String {
    let yes = |is: bool| if is { "yes" } else { "no" }.to_owned();
    facts([
        ("Profile", shown.name.clone()),
        ("Server", shown.server.clone()),
        ("Token", yes(shown.has_token)),
        ("Current", yes(shown.current)),
    ])
}
