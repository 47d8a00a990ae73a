//! Where a campaign stops until a person has looked: because too many of its moves failed, or a step of its own did.

use catalogue::audit::{self, AuditEntry};
use catalogue::campaigns::{Counts, MemberState};
use engine::{Next, StepError, StepTx, StoredError};
use serde_json::json;

use super::state::{CampaignStage, CampaignState};

/// Whether too many moves rolled back or failed, in words.
pub(super) fn too_many_failed(state: &CampaignState, counts: &Counts) -> Option<StoredError> {
    if state.failures(counts) < state.options.max_failures.of(counts.total()) {
        return None;
    }
    let (rolled_back, failed) = (counts.of(MemberState::RolledBack), counts.of(MemberState::Failed));
    let message = format!(
        "too many moves were rolled back ({rolled_back}) or failed before going offline ({failed}): find out why, then resume the campaign with a new allowance, or cancel it"
    );
    Some(StoredError { code: "too_many_failures".to_owned(), message })
}

/// Stops starting moves. Those that run go on.
pub(super) async fn halt(
    step: &mut StepTx<'_>,
    state: CampaignState,
    error: StoredError,
) -> Result<Next<CampaignState>, StepError> {
    let id = &step.record.id;
    let entry = AuditEntry {
        id: step.ids.next(),
        at: step.now,
        who: "realmctl".to_owned(),
        origin: String::new(),
        action: "campaign.halt".to_owned(),
        tenant: None,
        why: error.code.clone(),
        before: json!({ "campaign": id, "state": state.stage.name() }),
        after: json!({ "campaign": id, "state": "halted" }),
    };
    audit::append(step.tx, &entry).await?;
    let note = format!("{}: {}", error.code, error.message);
    Ok(Next::Go(state.at_stage(CampaignStage::Halted { error }), note))
}
