//! Replays a removal. Safe at any time, late, twice and after a pause: it is bound to the generation of its entry, and every
//! delete asks the ledger first. What was written after the switch is deleted only when a person says so.

use catalogue::audit::{self, AuditEntry};
use engine::ExternalTransition;
use serde_json::json;
use store::Tx;
use workers::late_writes::{LATE_WRITES, LateWrites};

use super::compare::erase_evidence;
use super::state::{Cause, OF_STRAYS, RemovalStage};
use crate::actor::Actor;
use crate::data_tasks::{ANOTHER_TABLE, NO_TABLE_ID};
use crate::deployment::Deployment;
use crate::refusal::Refusal;
use crate::removal::state_machine::{Removal, begin};

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

/// What a person has looked at, and lets a removal delete.
#[derive(Debug, Clone, Copy, Default)]
pub struct Accepted<'a> {
    /// What was written since, if it is exactly what this hash stands for: more, less or other stops it again.
    pub late_writes: Option<&'a str>,
    /// What the table of this id holds, in the place of the one that the move worked with.
    pub table: Option<&'a str>,
}

impl<'a> Accepted<'a> {
    /// Nothing: it does what it would have done by itself.
    pub const NOTHING: Accepted<'static> = Accepted { late_writes: None, table: None };

    /// What the hash stands for.
    pub fn late_writes(hash: &'a str) -> Self {
        Self { late_writes: Some(hash), ..Self::NOTHING }
    }
}

/// Runs a failed removal again; it compares again first.
///
/// # Errors
/// `unknown_removal`; `hash_invalid`; `other_late_writes` when something else has been found by now than what was accepted;
/// `table_not_found_there` when the table that is accepted is not the one that was found.
pub async fn replay_removal(
    deployment: &Deployment,
    id: &str,
    accepted: Accepted<'_>,
    actor: &Actor,
) -> Result<ReplayOutcome, Refusal> {
    let mut tx = deployment.store.begin().await?;
    let outcome = replay_in(deployment, &mut tx, (id, accepted), actor).await?;
    if outcome == ReplayOutcome::Replayed {
        tx.commit().await?;
    }
    Ok(outcome)
}

/// The same in the caller's transaction. After a refusal it has to be rolled back.
pub(crate) async fn replay_in(
    deployment: &Deployment,
    tx: &mut Tx,
    (id, accepted): (&str, Accepted<'_>),
    actor: &Actor,
) -> Result<ReplayOutcome, Refusal> {
    let accept = accepted.late_writes;
    if let Some(hash) = accept.filter(|hash| !LateWrites::is_hash(hash)) {
        let message =
            format!("`{hash}` is no hash of late writes, which has 16 digits: see `realmctl removals show {id}`");
        return Err(Refusal::invalid("hash_invalid", message));
    }
    let mut held = ExternalTransition::<Removal>::lock(tx, deployment.ids.as_ref(), id).await?.ok_or_else(|| {
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
    if let (Some(accept), Some(late)) = (accept, &state.late)
        && late.hash() != accept
    {
        let message = format!(
            "the late writes found are not {accept} but {}: look at their keys (`realmctl removals show {id} --keys FILE`) before accepting it",
            late.hash()
        );
        return Err(Refusal::conflict("other_late_writes", message));
    }
    // An older version found data at a location that it had emptied.
    if error.code == LATE_WRITES && state.verified.is_none() {
        state.verified = Some(Vec::new());
        erase_evidence(&mut held.step).await?;
    }
    let strays = OF_STRAYS.contains(&error.code.as_str());
    // The deletes that it was to follow do not arrive, or can't empty it. What is still here is compared with nothing.
    if (error.code == "replica_behind" || strays) && state.only_proves() {
        (state.left_behind, state.verified) = (true, Some(Vec::new()));
        erase_evidence(&mut held.step).await?;
    }
    // What a rollback empties is compared with nothing, unless it can't be emptied without that somebody looks.
    if strays && state.verified.is_none() && !matches!(state.cause, Cause::Moved { .. }) {
        state.verified = Some(Vec::new());
    }
    let expected = state.location.table_id.clone();
    if let Some(table) = accepted.table {
        let is_named = error.code == ANOTHER_TABLE && error.message.contains(&format!("--accept-table {table}`"));
        if !is_named {
            let message = format!(
                "`{table}` is not the table that was found: see `realmctl removals show {id}`. Nothing was replayed"
            );
            return Err(Refusal::conflict("table_not_found_there", message));
        }
        state.location.table_id = Some(table.to_owned()).filter(|table| table != NO_TABLE_ID);
    }
    state.accepted = accept.map(str::to_owned);
    state.compared_again = 0;
    state.late = None;
    let entry = AuditEntry {
        id: deployment.ids.next(),
        at: held.step.now,
        who: actor.who.clone(),
        origin: actor.origin.clone(),
        action: "removal.replay".to_owned(),
        tenant: Some(held.step.record.subject.clone()),
        why: actor.why.clone(),
        before: json!({ "removal": id, "state": "failed", "code": error.code, "table": expected }),
        after: json!({
            "removal": id, "service": state.service, "location": state.location.name, "state": "replayed",
            "acceptLateWrites": accept, "acceptTable": accepted.table,
        }),
    };
    audit::append(held.step.tx, &entry).await?;
    let next = begin(deployment, &mut held.step, state).await?;
    held.go(&next, None).await?;
    Ok(ReplayOutcome::Replayed)
}
