//! Replays a removal. Safe at any time, late, twice and after a pause: it is bound to the generation of its cell, and every
//! delete asks the ledger first.

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

/// Runs a failed removal again.
pub async fn replay_removal(
    deployment: &Deployment,
    id: &str,
    requester: &Requester,
) -> Result<ReplayOutcome, Refusal> {
    let mut tx = deployment.store.begin().await?;
    let mut held = Intervention::<Removal>::lock(&mut tx, deployment.ids.as_ref(), id).await?.ok_or_else(|| {
        Refusal::not_found("unknown_removal", format!("there is no removal {id}: see `realmctl removals list`"))
    })?;
    let state = held.state()?;
    let error = match &state.stage {
        RemovalStage::Done { .. } => return Ok(ReplayOutcome::AlreadyDone),
        RemovalStage::Waiting { .. } | RemovalStage::Removing => return Ok(ReplayOutcome::StillRunning),
        RemovalStage::Failed { error } => error.clone(),
    };
    let entry = AuditEntry {
        id: deployment.ids.next(),
        at: held.step.now,
        who: requester.who.clone(),
        action: "removal.replay".to_owned(),
        tenant: Some(held.step.record.subject.clone()),
        why: requester.why.clone(),
        before: json!({ "removal": id, "state": "failed", "error": error }),
        after: json!({ "removal": id, "state": "removing" }),
    };
    audit::append(held.step.tx, &entry).await?;
    let next = begin(deployment, &mut held.step, state).await?;
    held.go(&next, None).await?;
    tx.commit().await?;
    Ok(ReplayOutcome::Replayed)
}
