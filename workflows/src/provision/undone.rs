//! A tenant whose creation was undone because a service would not prepare for it: whether it can be created again, and if not yet, why.

use catalogue::ledger::{self, EntryState};
use catalogue::tenants::{Tenant, TenantStatus};
use engine::Workflow;
use engine::tables::workflow_table;
use store::Tx;

use super::workflow::{Provision, ProvisionStage, ProvisionState};
use crate::refusal::Refusal;

/// `false`: it was there for others, or is. Refused while something that was prepared for it is still being removed.
pub(super) async fn may_be_created_again(tx: &mut Tx, existing: &Tenant) -> Result<bool, Refusal> {
    if existing.status != TenantStatus::Gone {
        return Ok(false);
    }
    let last = workflow_table::list(tx, Provision::KIND, Some(&existing.id), None, None, 1).await?;
    let state = last.first().and_then(|record| serde_json::from_str::<ProvisionState>(&record.data).ok());
    let Some(ProvisionState { stage: ProvisionStage::Undone { error, .. }, .. }) = state else { return Ok(false) };
    let entries = ledger::of_tenant(tx, &existing.id).await?;
    let Some(entry) = entries.into_iter().find(|entry| entry.state != EntryState::Absent) else { return Ok(true) };
    let removal =
        entry.workflow.map(|id| format!(", by removal {id}: see `realmctl explain {id}`")).unwrap_or_default();
    let message = format!(
        "tenant {} could not be created ({}), and what was prepared for it in {} is still being removed{removal}. Create it again \
         when that is done",
        existing.id, error.message, entry.service
    );
    Err(Refusal::conflict("creation_being_undone", message))
}
