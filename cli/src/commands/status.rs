//! `realmctl status`: the deployment at a glance, what needs a person first.

use clap::Args;
use server::api::StatusView;

use super::workers::workers_table;
use crate::client::Client;
use crate::exit::{Exit, Failure};
use crate::format;
use crate::globals::Globals;
use crate::output::Terminal;
use crate::tables::{Column, facts, table};

/// Show the deployment at a glance: what needs manual action, work in progress, and the workers
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  realmctl status
  realmctl status --output json")]
pub(crate) struct StatusArgs {}

pub(crate) async fn run(_: &StatusArgs, globals: &Globals, terminal: &Terminal) -> Result<Exit, Failure> {
    let client = Client::of(globals)?;
    let (status, address) = (client.status().await?, client.address());
    terminal.data(&status, |status| status_text(status, &address))?;
    Ok(Exit::Done)
}

fn status_text(status: &StatusView, address: &str) -> String {
    let offline = status.offline.iter().map(|offline| match &offline.by {
        Some(by) => format!("{}, for move {by}", offline.tenant),
        None => offline.tenant.clone(),
    });
    let mut text = facts([
        ("Server", format!("{address}, version {}", status.version)),
        ("Offline now", offline.collect::<Vec<_>>().join("\n")),
    ]);
    text.push_str("\n\n");
    if status.attention.is_empty() {
        text.push_str("Nothing needs manual action.");
    } else {
        let rows = status.attention.iter().map(|wants| [wants.text.clone(), wants.can_do.clone()]);
        text.push_str(&table(&[Column::new("LOOK AT"), Column::whole("WITH")], rows));
    }
    text.push_str("\n\n");
    if status.work.is_empty() {
        text.push_str("No work in progress.");
    } else {
        let columns =
            [Column::whole("WORK"), Column::whole("STATE"), Column::figure("OPEN"), Column::figure("RETRYING")];
        let number = |number: i64| format::count(number.unsigned_abs());
        let rows = status
            .work
            .iter()
            .map(|work| [work.kind.clone(), work.state.clone(), number(work.count), number(work.failing)]);
        text.push_str(&table(&columns, rows));
    }
    if !status.workers.is_empty() {
        text.push_str("\n\n");
        text.push_str(&workers_table(&status.workers));
    }
    text
}
