//! Cancels a move, in every state before the commit. The row lock decides between a cancel and a commit, and the answer
//! says which won.

use catalogue::{audit, capacity, tenants};
use engine::{ExternalTransition, Next};

use crate::actor::Actor;
use crate::deployment::Deployment;
use crate::realm_move::commands::cancelled::{CancelOutcome, audit_entry, cancelled_by};
use crate::realm_move::commands::unreadable;
use crate::realm_move::state::{MoveState, Stage};
use crate::realm_move::state_machine::RealmMove;
use crate::realm_move::states::re_online::bring_back;
use crate::refusal::Refusal;

/// Cancels the move. The tenant is back online when this returns.
pub async fn cancel_move(deployment: &Deployment, id: &str, actor: &Actor) -> Result<CancelOutcome, Refusal> {
    let mut tx = deployment.store.begin().await?;
    let held = ExternalTransition::<RealmMove>::lock(&mut tx, deployment.ids.as_ref(), id).await?.ok_or_else(|| {
        Refusal::not_found("unknown_move", format!("there is no move {id}: see `realmctl moves list`"))
    })?;
    let outcome = match held.state() {
        Ok(state) => cancel(deployment, held, state, actor).await?,
        Err(_) => unreadable::cancel(deployment, held, actor).await?,
    };
    if outcome == CancelOutcome::Cancelled {
        tx.commit().await?;
    }
    Ok(outcome)
}

async fn cancel(
    deployment: &Deployment,
    mut held: ExternalTransition<'_, RealmMove>,
    state: MoveState,
    actor: &Actor,
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
                format!("too late: move {id} has committed; to undo it, move the tenant to {}", state.plan.from);
            return Err(Refusal::conflict("already_committed", message));
        }
        _ => {}
    }
    let error = cancelled_by(actor);
    let stage = match state.stage.offline() {
        Some(offline) => bring_back(&mut held.step, (offline, &state.sets), error.clone(), actor).await?,
        None => {
            let subject = held.step.record.subject.clone();
            tenants::release(held.step.tx, &subject, &id).await?;
            capacity::release(held.step.tx, &id).await?;
            Stage::RolledBack { error: error.clone(), offline_ms: 0, removals: Vec::new() }
        }
    };
    let entry = audit_entry(deployment, &held, actor);
    audit::append(held.step.tx, &entry).await?;
    let next = Next::Go(state.at_stage(stage), error.message.clone());
    held.go(&next, Some(&error)).await?;
    Ok(CancelOutcome::Cancelled)
}
