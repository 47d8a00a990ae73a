//! `re_online`: brings the tenant back online where it was. One transaction, guarded by epoch = mine and a state before the
//! commit, that touches nothing but the catalogue: status online, epoch + 1, lease cleared, fence + 1, all tasks revoked,
//! entries adding -> removing, removals queued. Also what a cancel and a lapse do, each in its own transaction.

use catalogue::audit::{self, AuditEntry};
use catalogue::ledger::{self, EntryState};
use catalogue::{capacity, changes, fingerprints, tenants};
use engine::{Next, StepError, StepTx, StoredError};
use serde_json::json;

use crate::actor::Actor;
use crate::realm_move::state::{MoveState, OfflinePeriod, Stage};
use crate::removal::{Cause, Found, RemovalRef, queue_removal};
use crate::replica_sets::ReplicaSets;

pub(crate) async fn advance(
    step: &mut StepTx<'_>,
    state: MoveState,
    offline: OfflinePeriod,
    error: StoredError,
) -> Result<Next<MoveState>, StepError> {
    // The code and not the message, which may name keys: the audit trail keeps it for ever.
    let by = Actor::realmctl(&error.code);
    let rolled_back = bring_back(step, (&offline, &state.sets), error, &by).await?;
    Ok(Next::Go(state.at_stage(rolled_back), String::new()))
}

/// Brings the tenant back online in the caller's transaction; returns the stage that records it.
pub(crate) async fn bring_back(
    step: &mut StepTx<'_>,
    (offline, sets): (&OfflinePeriod, &ReplicaSets),
    error: StoredError,
    by: &Actor,
) -> Result<Stage, StepError> {
    step.fence_off().await?;
    let (tenant, id) = (step.record.subject.clone(), step.record.id.clone());
    tenants::lock(step.tx, &tenant).await?;
    if !tenants::re_online(step.tx, &tenant, &id, offline.epoch).await? {
        let message = format!("tenant {tenant} is not offline for move {id} at epoch {}", offline.epoch);
        return Err(StepError::permanent("not_offline", message));
    }
    let removals = remove_added(step, &tenant, (&id, by), sets).await?;
    fingerprints::erase_all(step.tx, &id).await?;
    capacity::release(step.tx, &id).await?;
    let now = step.tx.now().await?;
    let epoch = offline.epoch + 1;
    let entry = AuditEntry {
        id: step.ids.next(),
        at: now,
        who: by.who.clone(),
        origin: by.origin.clone(),
        action: "tenant.re_online".to_owned(),
        tenant: Some(tenant.clone()),
        why: by.why.clone(),
        before: json!({ "status": "moving", "epoch": offline.epoch, "move": id }),
        after: json!({ "status": "online", "epoch": epoch, "code": error.code }),
    };
    audit::append(step.tx, &entry).await?;
    changes::append(step.tx, &tenant, epoch, "back_online").await?;
    Ok(Stage::RolledBack { error, offline_ms: now - offline.since, removals })
}

/// Only what this move was adding is removed, and the ledger says what that is: not the plan, not memory. No place is read:
/// another version may have written it.
async fn remove_added(
    step: &mut StepTx<'_>,
    tenant: &str,
    (id, by): (&str, &Actor),
    sets: &ReplicaSets,
) -> Result<Vec<RemovalRef>, StepError> {
    let mut removals = Vec::new();
    for ledger_entry in ledger::being_added_by(step.tx, tenant, id).await? {
        let follows = sets.filled_by(&ledger_entry.service, &ledger_entry.key).map(str::to_owned);
        let why = (Cause::RolledBack { move_id: id.to_owned() }, Found { follows, ..Found::default() }, by);
        removals.extend(
            queue_removal(step, tenant, &ledger_entry.service, &ledger_entry.key, EntryState::Adding, why).await?,
        );
    }
    Ok(removals)
}
