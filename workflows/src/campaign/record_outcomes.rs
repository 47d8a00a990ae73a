//! Records what became of a campaign's moves. They are read without a lock: a move that has ended stays as it is.

use catalogue::campaigns::{self, Member, MemberState};
use engine::tables::workflow_table;
use engine::{StepError, StepTx, StoredError};

use super::state::{CampaignStage, CampaignState};
use crate::realm_move::{MoveState, Stage};

/// Ended moves recorded in one step; the next step takes the rest.
const AT_ONCE: i64 = 200;

/// Records the moves that have ended since the last look.
pub(super) async fn record_ended(step: &mut StepTx<'_>, state: &CampaignState) -> Result<(), StepError> {
    let id = step.record.id.clone();
    for member in campaigns::ended(step.tx, &id, AT_ONCE).await? {
        let record = match &member.move_id {
            Some(move_id) => workflow_table::get(step.tx, move_id).await?,
            None => None,
        };
        let data = record.map(|record| record.data);
        let (became, why) = outcome(data.as_deref(), matches!(state.stage, CampaignStage::Cancelling { .. }));
        let (code, reason) = why.map_or((None, None), |error| (Some(error.code), Some(error.message)));
        let member = Member { state: became, code, reason, updated_at: step.now, ..member };
        campaigns::record(step.tx, &id, &member).await?;
    }
    Ok(())
}

/// What a move's stored end means for its tenant.
fn outcome(data: Option<&str>, cancelling: bool) -> (MemberState, Option<StoredError>) {
    let unknown = |code: &str, message: &str| {
        (MemberState::Failed, Some(StoredError { code: code.to_owned(), message: message.to_owned() }))
    };
    let Some(data) = data else { return unknown("move_is_gone", "its move was pruned before its end was seen") };
    match serde_json::from_str::<MoveState>(data).map(|state| state.stage) {
        Ok(Stage::Completed { .. }) => (MemberState::Done, None),
        // Somebody cancelled this one move: no sign of trouble.
        Ok(Stage::RolledBack { error, .. }) if error.code == "cancelled" => (MemberState::Cancelled, Some(error)),
        Ok(Stage::RolledBack { error, .. }) => (MemberState::RolledBack, Some(error)),
        // It was never offline: its one attempt is still to come, in another window.
        Ok(Stage::Failed { error }) if error.code == "window_missed" && !cancelling => {
            (MemberState::Waiting, Some(error))
        }
        Ok(Stage::Failed { error }) => (MemberState::Failed, Some(error)),
        _ => unknown("unreadable_state", "the end of its move was written by another version of realmctl"),
    }
}
