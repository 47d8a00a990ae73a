//! `realmctl token`: who may ask for what.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use server::api::{ApprovalView, Change, CreatedToken, NewToken, Page, Role, Scope, TokenAwaitsApproval, TokenView};
use workers::{CredentialsFrom, Movers, Settings};
use workflows::Deployment;
use workflows::access::{self, Expiry};
use workflows::actor::Actor;
use workflows::timestamps::rfc3339;
use workflows::timing::Timing;

use crate::client::{Client, NewTokenAnswer};
use crate::exit::{Exit, Failure};
use crate::format;
use crate::globals::Globals;
use crate::listing::LimitArgs;
use crate::output::Terminal;
use crate::process::open_store;
use crate::role_arg::parse_role;
use crate::tables::{Column, facts, table};
use crate::token_keys;

/// Create, list and revoke the tokens that callers of the API show
///
/// Roles: viewer looks; support starts and steers moves and campaigns; provisioner creates tenants; oncall does what support
/// does, replays removals, pauses everything and sets limits; admin may do everything.
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:
  realmctl token create sign-up --role provisioner --realm eu
  realmctl token list
  realmctl token revoke sign-up")]
pub(crate) enum TokenCommand {
    Create(CreateArgs),
    List(ListArgs),
    Revoke(RevokeArgs),
}

/// Make a token, and show it: the only time
///
/// The servers need --token-key-file. For the first token there may be nobody to ask: --store makes it in the database itself,
/// with the same key file and without a server.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  realmctl token create kim --role oncall
  realmctl token create sign-up --role provisioner --realm eu --expires 365d
  realmctl token create acme-support --role support --tenant acme --tenant globex
  realmctl token create first --role admin --store sqlite:realmctl.db \\
      --token-key-file token.key")]
pub(crate) struct CreateArgs {
    /// Who is to use it: letters, digits and - _ . @; the audit trail calls its bearer so
    name: String,
    /// What its bearer may do
    #[arg(long, value_parser = parse_role, value_name = "ROLE")]
    role: Role,
    /// Only for tenants that live in this realm
    #[arg(long, value_name = "REALM", conflicts_with = "tenant")]
    realm: Option<String>,
    /// Only for this tenant; may be given several times
    #[arg(long, value_name = "ID")]
    tenant: Vec<String>,
    /// For how long it is good, such as 30d, or never
    #[arg(long, value_name = "DURATION", default_value = "90d", value_parser = parse_lifetime)]
    expires: Lifetime,
    /// Why; kept in the audit trail
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Make it in this database, without a server: sqlite:PATH or postgres://USER@HOST/DATABASE
    #[arg(long, value_name = "URL", requires = "token_key_file")]
    store: Option<String>,
    /// The key file of the servers
    #[arg(long, value_name = "FILE", requires = "store")]
    token_key_file: Option<PathBuf>,
}

/// For how long a token is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lifetime {
    For(std::time::Duration),
    Never,
}

/// List tokens that are good, the newest first, without their secrets
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  realmctl token list
  realmctl token list --all --output json")]
pub(crate) struct ListArgs {
    /// Revoked and expired ones as well
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    limit: LimitArgs,
}

/// Revoke a token: it is refused at once, everywhere
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  realmctl token revoke sign-up --reason \"seen in a log\"")]
pub(crate) struct RevokeArgs {
    /// Its id or its name
    #[arg(value_name = "TOKEN")]
    which: String,
    /// Why; kept in the audit trail
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

pub(crate) async fn run(command: &TokenCommand, globals: &Globals, terminal: &Terminal) -> Result<Exit, Failure> {
    match command {
        TokenCommand::Create(args) => create(args, globals, terminal).await?,
        TokenCommand::List(args) => {
            let client = Client::of(globals)?;
            let page = args.limit.fetch("tokens", terminal, async |cursor, limit| {
                let state = (!args.all).then(|| "good".to_owned());
                client.tokens(&[("state", state), ("cursor", cursor), ("limit", Some(limit))]).await
            });
            terminal.data(&page.await?, list_table)?;
        }
        TokenCommand::Revoke(args) => {
            let change = Change { reason: args.reason.clone() };
            let token = Client::of(globals)?.revoke_token(id_or_name(&args.which), &change).await?;
            terminal.say(&format!("Token {} is revoked.", token.name));
            terminal.data(&token, show_table)?;
        }
    }
    Ok(Exit::Done)
}

/// Of a whole token, which must not go into a path, only its id.
fn id_or_name(which: &str) -> &str {
    which.strip_prefix("rct_").and_then(|rest| rest.split('_').next()).unwrap_or(which)
}

async fn create(args: &CreateArgs, globals: &Globals, terminal: &Terminal) -> Result<(), Failure> {
    let scope = match (&args.realm, args.tenant.is_empty()) {
        (Some(realm), _) => Scope::Realm(realm.clone()),
        (None, false) => Scope::Tenants(args.tenant.iter().cloned().collect()),
        (None, true) => Scope::All,
    };
    let created = match (&args.store, &args.token_key_file) {
        (Some(store), Some(keys)) => create_in(store, keys, args, scope, terminal).await?,
        _ => {
            let new = NewToken {
                name: args.name.clone(),
                role: args.role,
                scope: Some(scope),
                expires_at: Some(match args.expires {
                    Lifetime::Never => "never".to_owned(),
                    Lifetime::For(long) => rfc3339(end_of(long)?),
                }),
                reason: args.reason.clone(),
            };
            match Client::of(globals)?.create_token(&new).await? {
                NewTokenAnswer::Created(created) => *created,
                NewTokenAnswer::Waits(waits) => return terminal.data(&*waits, |waits| waits_table(waits, terminal)),
            }
        }
    };
    terminal.say("Keep the secret now: it is not shown again. Its bearer sets REALMCTL_TOKEN to it.");
    terminal.data(&created, |created| {
        format!("{}\n{}", facts([("Secret", created.secret.clone())]), show_table(&created.token))
    })
}

/// A token that is not good yet.
fn waits_table(waits: &TokenAwaitsApproval, terminal: &Terminal) -> String {
    let ApprovalView { id, hash, .. } = &waits.approval;
    terminal.say("Keep the secret now: it is not shown again. It is good once another person has approved the token.");
    let next = format!("realmctl approvals approve {id} --hash {hash}");
    facts([("Secret", waits.secret.clone()), ("Waits as", id.clone()), ("Approve with", next)])
}

/// Without a server, as whoever may write to the database.
async fn create_in(
    store: &str,
    keys: &std::path::Path,
    args: &CreateArgs,
    scope: Scope,
    terminal: &Terminal,
) -> Result<CreatedToken, Failure> {
    let keys = token_keys::read(keys)?;
    let is_new = store.strip_prefix("sqlite:").is_some_and(|path| !std::path::Path::new(path).exists());
    let store = open_store(store, CONNECTIONS).await?;
    if is_new {
        terminal.say("A new database was made there: look that it is the one that the servers use.");
    }
    let movers = Movers::new(CredentialsFrom::Environment, Settings::default());
    let deployment = Deployment::new(store.clone(), movers, Timing::default());
    let expiry = match args.expires {
        Lifetime::Never => Expiry::Never,
        Lifetime::For(long) => Expiry::At(end_of(long)?),
    };
    let new = access::NewToken { name: args.name.clone(), role: args.role, scope: scope.clone(), expiry };
    let actor = Actor::new(
        whoami::username().unwrap_or_else(|_| "unknown".to_owned()),
        args.reason.clone().unwrap_or_default(),
    );
    let created = access::create_token(&deployment, &keys, &new, &actor).await;
    store.close().await;
    let created = created.map_err(|refusal| Failure::new(Exit::Refused, refusal.code(), refusal.to_string()))?;
    Ok(CreatedToken { secret: created.text, token: TokenView::of(created.token, scope) })
}

/// Enough for one transaction, and for what hears announcements.
const CONNECTIONS: u32 = 2;

fn end_of(long: std::time::Duration) -> Result<i64, Failure> {
    let long = jiff::SignedDuration::try_from(long).ok();
    let end = long.and_then(|long| Timestamp::now().checked_add(long).ok());
    end.map(Timestamp::as_millisecond).ok_or_else(|| Failure::usage("--expires: that is too far ahead"))
}

fn parse_lifetime(text: &str) -> Result<Lifetime, String> {
    if text == "never" { Ok(Lifetime::Never) } else { format::parse_duration(text).map(Lifetime::For) }
}

fn list_table(page: &Page<TokenView>) -> String {
    let columns = [
        Column::whole("ID"),
        Column::new("NAME"),
        Column::whole("ROLE"),
        Column::new("SCOPE"),
        Column::new("GOOD UNTIL"),
        Column::new("LAST USED"),
    ];
    let rows = page.items.iter().map(|token| {
        let used = token.last_used_at.as_deref().map_or_else(|| "never".to_owned(), format::time);
        [token.id.clone(), token.name.clone(), token.role.clone(), token.scope.in_words(), good_until(token), used]
    });
    table(&columns, rows)
}

fn good_until(token: &TokenView) -> String {
    match (&token.revoked_at, &token.expires_at) {
        (Some(at), _) => format!("revoked {}", format::time(at)),
        (None, Some(at)) if at.parse::<Timestamp>().is_ok_and(|at| at <= Timestamp::now()) => {
            format!("expired {}", format::time(at))
        }
        (None, Some(at)) => format::time(at),
        (None, None) => "never expires".to_owned(),
    }
}

fn show_table(token: &TokenView) -> String {
    facts([
        ("Id", token.id.clone()),
        ("Name", token.name.clone()),
        ("Role", token.role.clone()),
        ("Scope", token.scope.in_words()),
        ("Good until", good_until(token)),
        ("Created", format!("{} by {}", format::time(&token.created_at), token.created_by)),
    ])
}
