//! Cancels a move, in every state before the commit. The row lock decides between a cancel and a commit, and the answer
//! says which won.

use catalogue::audit::{self, AuditEntry};
use catalogue::{capacity, tenants};
use engine::{Intervention, Next, StoredError};
use serde_json::json;

use super::machine::RealmMove;
use super::re_online::bring_back;
use super::state::{MoveState, Stage};
use super::unread;
use crate::deployment::Deployment;
use crate::refusal::Refusal;
use crate::requester::Requester;

/// What a cancel came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelOutcome {
    /// The tenant is online where it was.
    Cancelled,
    /// It was rolled back before.
    AlreadyRolledBack,
}

/// Cancels the move. The tenant is back online when this returns.
pub async fn cancel_move(deployment: &Deployment, id: &str, requester: &Requester) -> Result<CancelOutcome, Refusal> {
    let mut tx = deployment.store.begin().await?;
    let held = Intervention::<RealmMove>::lock(&mut tx, deployment.ids.as_ref(), id).await?.ok_or_else(|| {
        Refusal::not_found("unknown_move", format!("there is no move {id}: see `realmctl moves list`"))
    })?;
    let outcome = match held.state() {
        Ok(state) => cancel(deployment, held, state, requester).await?,
        Err(_) => unread::cancel(deployment, held, requester).await?,
    };
    if outcome == CancelOutcome::Cancelled {
        tx.commit().await?;
    }
    Ok(outcome)
}

async fn cancel(
    deployment: &Deployment,
    mut held: Intervention<'_, RealmMove>,
    state: MoveState,
    requester: &Requester,
) -> Result<CancelOutcome, Refusal> {
    let id = held.step.record.id.clone();
    match &state.stage {
        Stage::RolledBack { .. } => return Ok(CancelOutcome::AlreadyRolledBack),
        Stage::Failed { .. } => {
            return Err(Refusal::conflict(
                "move_ended",
                format!("move {id} has failed already; the tenant was never offline"),
            ));
        }
        Stage::Notify { .. } | Stage::Completed { .. } => {
            let message =
                format!("too late: move {id} has committed; to go back, move the tenant to {}", state.plan.from);
            return Err(Refusal::conflict("already_committed", message));
        }
        _ => {}
    }
    let error = cancelled_by(requester);
    let stage = match state.stage.offline() {
        Some(offline) => bring_back(&mut held.step, (offline, &state.sets), error.clone(), requester).await?,
        None => {
            let subject = held.step.record.subject.clone();
            tenants::release(held.step.tx, &subject, &id).await?;
            capacity::release(held.step.tx, &id).await?;
            Stage::RolledBack { error: error.clone(), offline_ms: 0, removals: Vec::new() }
        }
    };
    let entry = audit_entry(deployment, &held, requester);
    audit::append(held.step.tx, &entry).await?;
    let next = Next::Go(state.at_stage(stage), error.message.clone());
    held.go(&next, Some(&error)).await?;
    Ok(CancelOutcome::Cancelled)
}

/// The code of a move that a person has called off.
pub(crate) const CANCELLED: &str = "cancelled";

pub(super) fn cancelled_by(requester: &Requester) -> StoredError {
    let why = if requester.why.is_empty() { String::new() } else { format!(": {}", requester.why) };
    StoredError { code: CANCELLED.to_owned(), message: format!("cancelled by {}{why}", requester.who) }
}

pub(super) fn audit_entry(
    deployment: &Deployment,
    held: &Intervention<'_, RealmMove>,
    requester: &Requester,
) -> AuditEntry {
    let record = &held.step.record;
    AuditEntry {
        id: deployment.ids.next(),
        at: held.step.now,
        who: requester.who.clone(),
        action: "move.cancel".to_owned(),
        tenant: Some(record.subject.clone()),
        why: requester.why.clone(),
        before: json!({ "move": record.id, "state": record.state }),
        after: json!({ "move": record.id, "state": "rolled_back" }),
    }
}
