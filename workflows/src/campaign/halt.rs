//! Where a campaign stops until a person has looked.

use catalogue::audit::{self, AuditEntry};
use engine::{Next, StepError, StepTx, StoredError};
use serde_json::json;

use super::state::{CampaignStage, CampaignState};

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
