//! `realmctl pause`, `resume` and `pauses`: hold everything back, let it go on, and see what is held.

use clap::Args;
use serde::de::DeserializeOwned;
use server::api::{Change, Explanation, GoesOn, PauseAnswer, PausesView};

use crate::change_args::ChangeArgs;
use crate::client::Client;
use crate::exit::{Exit, Failure};
use crate::format;
use crate::globals::Globals;
use crate::output::Terminal;
use crate::tables::{Column, table};

/// Pause everything: current work, and work started from now on
///
/// Moves whose tenants are offline continue until they have committed or rolled back, and are paused then: a pause never keeps a tenant
/// offline. Cancelling always works. One move, removal or tenant: `realmctl moves pause`, `removals pause`, `tenants pause`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  realmctl pause --all --reason \"incident 7\"")]
pub(crate) struct PauseArgs {
    /// Everything
    #[arg(long, required = true)]
    all: bool,
    /// Why; shown wherever something waits for it, and kept in the audit trail
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// Resume everything, except work paused individually or by tenant
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  realmctl resume --all --reason \"incident 7 is over\"")]
pub(crate) struct ResumeArgs {
    /// Everything
    #[arg(long, required = true)]
    all: bool,
    /// Why; kept in the audit trail
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// Show pauses: who paused what and why, and which moves continue anyway
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  realmctl pauses\n  realmctl pauses --output json")]
pub(crate) struct PausesArgs {}

pub(crate) async fn pause(args: &PauseArgs, globals: &Globals, terminal: &Terminal) -> Result<Exit, Failure> {
    let change = Change { reason: args.reason.clone() };
    answer(&Client::of(globals)?.control_all("pause", &change).await?, &change, terminal)?;
    Ok(Exit::Done)
}

pub(crate) async fn resume(args: &ResumeArgs, globals: &Globals, terminal: &Terminal) -> Result<Exit, Failure> {
    let change = Change { reason: args.reason.clone() };
    answer(&Client::of(globals)?.control_all("resume", &change).await?, &change, terminal)?;
    Ok(Exit::Done)
}

pub(crate) async fn list(_: &PausesArgs, globals: &Globals, terminal: &Terminal) -> Result<Exit, Failure> {
    let pauses = Client::of(globals)?.pauses().await?;
    if pauses.items.is_empty() {
        terminal.say("Nothing is paused.");
    }
    terminal.data(&pauses, list_table)?;
    Ok(Exit::Done)
}

/// What a pause or a resume came to.
pub(super) fn answer(answer: &PauseAnswer, asked: &Change, terminal: &Terminal) -> Result<(), Failure> {
    let what =
        answer.scope.strip_prefix("tenant:").map_or_else(|| "Everything".to_owned(), |id| format!("Tenant {id}"));
    terminal.say(&match (answer.paused, answer.changed) {
        (true, true) => format!("{what} is paused; `realmctl pauses` shows who paused what."),
        (true, false) if asked.reason.is_some() => {
            format!(
                "{what} is already paused; your reason is shown in `realmctl pauses`, too, and kept in the audit trail."
            )
        }
        (true, false) => format!("{what} is already paused."),
        (false, true) => format!("{what} is resumed; `realmctl pauses` shows what else is paused."),
        (false, false) if answer.scope == "all" => {
            "Nothing to resume: there is no pause of everything; `realmctl pauses` shows what else is paused."
                .to_owned()
        }
        (false, false) => format!("{what} was not paused."),
    });
    if !answer.goes_on.is_empty() {
        let moves = format::counted(answer.goes_on.len() as u64, "move");
        terminal.say(&format!("{moves} with an offline tenant will first commit or roll back:"));
    }
    terminal.data(answer, |answer| goes_on_table(&answer.goes_on))
}

/// Pauses, resumes or retries one of `moves` or `removals`, and says what came of it. `explained`: what the answer says that it waits for.
pub(super) async fn control<T: DeserializeOwned>(
    client: &Client,
    (resource, verb): (&str, &str),
    asked: &ChangeArgs,
    explained: impl Fn(&T) -> Option<&Explanation>,
    terminal: &Terminal,
) -> Result<T, Failure> {
    let before = if verb == "retry" { None } else { is_paused(client, &asked.id).await };
    let answer: T = client.control(resource, verb, asked).await?;
    let held = explained(&answer).is_some_and(|explain| explain.waits_for.code == "paused");
    terminal.say(came_to(verb, before, held, asked.reason.is_some()));
    Ok(answer)
}

/// Whether it is paused individually; `None`: that can't be asked, which is no reason to fail.
async fn is_paused(client: &Client, id: &str) -> Option<bool> {
    let pauses = client.pauses().await.ok()?;
    Some(pauses.items.iter().any(|pause| pause.scope.strip_prefix("workflow:") == Some(id)))
}

/// `before`: whether it was paused individually, if that is known; `held`: whether anything holds it now.
fn came_to(verb: &str, before: Option<bool>, held: bool, has_reason: bool) -> &'static str {
    match (verb, before) {
        ("pause", Some(true)) if has_reason => {
            "Already paused; your reason is shown in `realmctl pauses`, too, and kept in the audit trail."
        }
        ("pause", Some(true)) => "Already paused; no changes.",
        ("pause", _) => "Paused.",
        ("resume", Some(false)) if held => {
            "Not paused individually; no changes. Another pause holds it: see `realmctl pauses`."
        }
        ("resume", Some(false)) => "Not paused; no changes.",
        ("resume", _) if held => "Resumed; another pause still holds it: see `realmctl pauses`.",
        ("resume", _) => "Resumed.",
        _ => "Retrying now.",
    }
}

fn list_table(pauses: &PausesView) -> String {
    if pauses.items.is_empty() {
        return String::new();
    }
    let columns = [Column::new("PAUSED"), Column::whole("SINCE"), Column::new("BY"), Column::new("REASON")];
    let rows = pauses
        .items
        .iter()
        .map(|pause| [pause.scope.replace(':', " "), format::time(&pause.at), pause.who.clone(), pause.why.clone()]);
    let mut text = table(&columns, rows);
    text.push_str(&format!("\n\nHeld: {}", format::counted(pauses.held.unsigned_abs(), "workflow")));
    if !pauses.goes_on.is_empty() {
        text.push_str("\n\nGoing on until their tenants are online:\n");
        text.push_str(&goes_on_table(&pauses.goes_on));
    }
    text
}

fn goes_on_table(goes_on: &[GoesOn]) -> String {
    if goes_on.is_empty() {
        return String::new();
    }
    let columns = [Column::id("ID"), Column::new("TENANT"), Column::whole("STATE")];
    let rows = goes_on.iter().map(|going| [going.id.clone(), going.tenant.clone(), going.state.clone()]);
    table(&columns, rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_control_came_to_is_said_and_that_nothing_has_changed() {
        assert_eq!(came_to("pause", None, true, false), "Paused.");
        assert_eq!(came_to("pause", Some(false), true, true), "Paused.");
        assert!(came_to("pause", Some(true), true, false).starts_with("Already paused"));
        assert_eq!(came_to("resume", Some(true), false, false), "Resumed.");
        assert!(came_to("resume", Some(true), true, false).contains("another pause still holds it"));
        assert!(came_to("resume", Some(false), true, false).starts_with("Not paused individually"));
        assert_eq!(came_to("retry", None, false, false), "Retrying now.");
    }
}
