//! `realmctl sessions`: who has signed in.

use clap::{Args, Subcommand};
use server::api::{Change, Page, SessionView};

use crate::client::Client;
use crate::exit::{Exit, Failure};
use crate::format;
use crate::globals::Globals;
use crate::listing::LimitArgs;
use crate::output::Terminal;
use crate::tables::{Column, table};

/// List and end the sessions of people who have signed in
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:
  realmctl sessions list --person kim@example.com
  realmctl sessions revoke kim@example.com --reason \"lost laptop\"")]
pub(crate) enum SessionsCommand {
    List(ListArgs),
    Revoke(RevokeArgs),
}

/// List sessions, also those that were over in the last seven days
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  realmctl sessions list\n  realmctl sessions list --person kim@example.com")]
pub(crate) struct ListArgs {
    /// Only those of the person with this name or subject
    #[arg(long, value_name = "PERSON")]
    person: Option<String>,
    #[command(flatten)]
    limit: LimitArgs,
}

/// End a session, or all sessions of a person: they are refused at once, everywhere
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  realmctl sessions revoke kim@example.com --reason \"lost laptop\"
  realmctl sessions revoke 0123456789abcdef")]
pub(crate) struct RevokeArgs {
    /// The session's id, or the name or subject of a person
    #[arg(value_name = "SESSION|PERSON")]
    which: String,
    /// Why; kept in the audit trail
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

pub(crate) async fn run(command: &SessionsCommand, globals: &Globals, terminal: &Terminal) -> Result<Exit, Failure> {
    let client = Client::of(globals)?;
    match command {
        SessionsCommand::List(args) => {
            let page = args.limit.fetch("sessions", terminal, async |cursor, limit| {
                let person = args.person.clone();
                client.sessions(&[("person", person), ("cursor", cursor), ("limit", Some(limit))]).await
            });
            terminal.data(&page.await?, |page: &Page<SessionView>| list_table(&page.items))?;
        }
        SessionsCommand::Revoke(args) => {
            let ended = client.revoke_sessions(&args.which, &Change { reason: args.reason.clone() }).await?;
            terminal.say(&match ended.ended.len() {
                0 => "The session was over already.".to_owned(),
                1 => "One session is ended.".to_owned(),
                several => format!("{several} sessions are ended."),
            });
            terminal.data(&ended, |ended| list_table(&ended.ended))?;
        }
    }
    Ok(Exit::Done)
}

fn list_table(sessions: &[SessionView]) -> String {
    let columns = [
        Column::whole("ID"),
        Column::new("PERSON"),
        Column::whole("ROLE"),
        Column::new("GOOD UNTIL"),
        Column::new("LAST USED"),
        Column::new("FROM"),
    ];
    let rows = sessions.iter().map(|session| {
        let (name, role, origin) = (session.name.clone(), session.role.clone(), session.origin.clone());
        [session.id.clone(), name, role, good_until(session), format::time(&session.last_used_at), origin]
    });
    table(&columns, rows)
}

fn good_until(session: &SessionView) -> String {
    match &session.ended_at {
        Some(at) => format!("ended {}", format::time(at)),
        None => format::time(&session.expires_at),
    }
}
