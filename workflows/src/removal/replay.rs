//! Replays a removal. Safe at any time, late, twice and after a pause: it is bound to the generation of its cell, and every
//! delete asks the ledger first. What was written after the switch is deleted only when a person says so.

use catalogue::audit::{self, AuditEntry};
use engine::Intervention;
use serde_json::json;

use super::machine::{Removal, begin};
use super::state::RemovalStage;
use crate::deployment::Deployment;
use crate::refusal::Refusal;
use crate::requester::Requester;

/// What a replay came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplayOutcome {
    /// It runs again.
    Replayed,
    /// It is running, or about to.
    StillRunning,
    /// It has done its work; there is nothing to replay.
    AlreadyDone,
}

/// Runs a failed removal again. With `accept_late_writes` it does not look any more whether the location has been written to
/// since it was left.
pub async fn replay_removal(
    deployment: &Deployment,
    id: &str,
    accept_late_writes: bool,
    requester: &Requester,
) -> Result<ReplayOutcome, Refusal> {
    let mut tx = deployment.store.begin().await?;
    let mut held = Intervention::<Removal>::lock(&mut tx, deployment.ids.as_ref(), id).await?.ok_or_else(|| {
        Refusal::not_found("unknown_removal", format!("there is no removal {id}: see `realmctl removals list`"))
    })?;
    let mut state = held.state()?;
    let error = match &state.stage {
        RemovalStage::Done { .. } => return Ok(ReplayOutcome::AlreadyDone),
        RemovalStage::Waiting { .. } | RemovalStage::Comparing | RemovalStage::Removing => {
            return Ok(ReplayOutcome::StillRunning);
        }
        RemovalStage::Failed { error } => error.clone(),
    };
    // With something to compare with, it looks again; without, only a person can.
    if error.code == "late_writes" && state.verified.is_none() && !accept_late_writes {
        let message = format!("removal {id} found data that was written late: look at it, then accept late writes");
        return Err(Refusal::conflict("late_writes", message));
    }
    state.accept_late_writes |= accept_late_writes;
    let entry = AuditEntry {
        id: deployment.ids.next(),
        at: held.step.now,
        who: requester.who.clone(),
        action: "removal.replay".to_owned(),
        tenant: Some(held.step.record.subject.clone()),
        why: requester.why.clone(),
        before: json!({ "removal": id, "state": "failed", "error": error }),
        after: json!({ "removal": id, "state": "replayed", "acceptLateWrites": accept_late_writes }),
    };
    audit::append(held.step.tx, &entry).await?;
    let next = begin(deployment, &mut held.step, state).await?;
    held.go(&next, None).await?;
    tx.commit().await?;
    Ok(ReplayOutcome::Replayed)
}
