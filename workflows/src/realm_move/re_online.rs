//! `re_online`: brings the tenant back online where it was. One transaction, guarded by epoch = mine and a state before the
//! commit, that touches nothing but the catalogue: status online, epoch + 1, lease cleared, fence + 1, all tasks revoked,
//! cells adding -> removing, removals queued. Also what a cancel and a lapse do, each in its own transaction.

use catalogue::audit::{self, AuditEntry};
use catalogue::ledger::{self, CellState};
use catalogue::{capacity, changes, tenants};
use engine::{Next, StepError, StepTx, StoredError};
use serde_json::json;

use super::state::{MoveState, OfflinePeriod, RemovalRef, Stage};
use crate::removal::{Cause, queue_removal};
use crate::requester::Requester;

pub(super) async fn advance(
    step: &mut StepTx<'_>,
    state: MoveState,
    offline: OfflinePeriod,
    error: StoredError,
) -> Result<Next<MoveState>, StepError> {
    let by = Requester::realmctl(&format!("{}: {}", error.code, error.message));
    let rolled_back = bring_back(step, &offline, error, &by).await?;
    Ok(Next::Go(state.at_stage(rolled_back), String::new()))
}

/// Brings the tenant back online in the caller's transaction; returns the stage that records it.
pub(super) async fn bring_back(
    step: &mut StepTx<'_>,
    offline: &OfflinePeriod,
    error: StoredError,
    by: &Requester,
) -> Result<Stage, StepError> {
    step.fence_off().await?;
    let (tenant, id) = (step.record.subject.clone(), step.record.id.clone());
    tenants::lock(step.tx, &tenant).await?;
    if !tenants::re_online(step.tx, &tenant, &id, offline.epoch).await? {
        let message = format!("tenant {tenant} is not offline for move {id} at epoch {}", offline.epoch);
        return Err(StepError::permanent("not_offline", message));
    }
    let removals = remove_added(step, &tenant, &id).await?;
    capacity::release(step.tx, &id).await?;
    let now = step.tx.now().await?;
    let epoch = offline.epoch + 1;
    let entry = AuditEntry {
        id: step.ids.next(),
        at: now,
        who: by.who.clone(),
        action: "tenant.re_online".to_owned(),
        tenant: Some(tenant.clone()),
        why: by.why.clone(),
        before: json!({ "status": "moving", "epoch": offline.epoch, "move": id }),
        after: json!({ "status": "online", "epoch": epoch }),
    };
    audit::append(step.tx, &entry).await?;
    changes::append(step.tx, &tenant, epoch, "back_online").await?;
    Ok(Stage::RolledBack { error, offline_ms: now - offline.since, removals })
}

/// Only what this move was adding is removed, and the ledger says what that is: not the plan, not memory.
async fn remove_added(step: &mut StepTx<'_>, tenant: &str, id: &str) -> Result<Vec<RemovalRef>, StepError> {
    let cells = ledger::of_tenant(step.tx, tenant).await?;
    let mut removals = Vec::new();
    for cell in cells.iter().filter(|c| c.state == CellState::Adding && c.workflow.as_deref() == Some(id)) {
        let cause = Cause::RolledBack { move_id: id.to_owned() };
        let (service, at) = (&cell.service, &cell.location);
        removals.extend(queue_removal(step, tenant, service, at, CellState::Adding, (cause, None)).await?);
    }
    Ok(removals)
}
