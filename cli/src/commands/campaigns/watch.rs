//! Watches a campaign: a line whenever its numbers have changed, until it ends or halts.

use std::time::Duration;

use server::api::CampaignView;

use super::view::{counts, show_table};
use crate::client::Client;
use crate::exit::{Exit, Failure};
use crate::format;
use crate::output::Terminal;
use crate::process;

/// How often it is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Looks that may fail in a row, while a server restarts.
const MOST_FAILURES: u32 = 60;

/// Watches the campaign until it ends or halts, prints it, and says by the exit code how that was. An interruption ends the
/// watching, not the campaign.
pub(super) async fn to_its_end(client: &Client, view: &CampaignView, terminal: &Terminal) -> Result<Exit, Failure> {
    let view = tokio::select! {
        watched = watch(client, view, terminal) => watched?,
        interrupted = process::interrupted() => {
            interrupted?;
            let id = &view.id;
            return Err(Failure::interrupted(format!(
                "Stopped watching; the campaign continues: `realmctl campaigns watch {id}`, or `realmctl campaigns pause {id}`"
            )));
        }
    };
    terminal.data(&view, show_table)?;
    let failures = view.rolled_back + view.failed;
    match view.state.as_str() {
        "completed" if failures == 0 => Ok(Exit::Done),
        "cancelled" => Err(Failure::new(Exit::RolledBack, "cancelled", "the campaign was cancelled")),
        "completed" => Err(Failure::failed(format!(
            "completed, but {}: `realmctl campaigns members {}` says why",
            went_wrong(&view),
            view.id
        ))),
        _ => Err(Failure::failed(format!(
            "the campaign is {}: {}; `realmctl campaigns show {}` has the next step",
            view.state,
            view.error.as_ref().map_or_else(|| went_wrong(&view), |error| error.message.clone()),
            view.id
        ))),
    }
}

fn went_wrong(view: &CampaignView) -> String {
    format!("{} rolled back and {} failed", format::counted(view.rolled_back, "move"), format::count(view.failed))
}

async fn watch(client: &Client, first: &CampaignView, terminal: &Terminal) -> Result<CampaignView, Failure> {
    terminal.say(&format!("Moving {} to {} (campaign {})", format::counted(first.total, "tenant"), first.to, first.id));
    let mut told = String::new();
    let mut failures = 0;
    loop {
        match client.campaign(&first.id).await {
            Ok(view) => {
                failures = 0;
                let now = line(&view);
                if now != told {
                    terminal.say(&now);
                    told = now;
                }
                if matches!(view.state.as_str(), "completed" | "cancelled" | "halted") && view.running == 0 {
                    return Ok(view);
                }
            }
            Err(failure) if failure.exit == Exit::Failed && failures < MOST_FAILURES => {
                if failures == 0 {
                    terminal.say(&format!("  connection lost, trying again: {}", failure.message));
                }
                failures += 1;
            }
            Err(failure) => return Err(failure),
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn line(view: &CampaignView) -> String {
    format!("  {:<10} wave {:<3} {}", view.state, view.wave, counts(view))
}
