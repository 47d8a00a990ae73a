//! What a removal compares before it deletes: each part, as it is, with what the move verified there.

use catalogue::ledger::{self, EntryState};
use catalogue::location::Location;
use catalogue::{fingerprints, late_writes, topologies};
use engine::task::NewTask;
use engine::{StepError, StepTx, StoredError, TaskRecord};
use serde_json::Value;
use store::Millis;
use workers::late_writes::{Compared, LATE_WRITES, LateWrites};

use super::state::{Cause, RemovalState, VerifiedPart};
use crate::data_tasks::evidence::{DELETED, DOOMED, FOUND, NOT_ACCEPTED, SEEN, STRAYS, VERIFIED};
use crate::data_tasks::{CompareInput, CompareTask, VerifyInput, VerifyResult, VerifyTask, read_input, to_value};
use crate::deployment::Deployment;
use crate::places::place_of;
use crate::timing::millis;

/// The service may have grown index shards since the entry was written: those parts are the tenant's data too.
pub(super) async fn location_now(step: &mut StepTx<'_>, state: &RemovalState) -> Result<Location, StepError> {
    Ok(match topologies::current(step.tx).await? {
        Some(stored) => stored.topology.refresh(&state.service, &state.location),
        None => state.location.clone(),
    })
}

/// What all comparisons have found together, and where.
pub(super) struct Comparison {
    pub(super) parts: Vec<VerifiedPart>,
    pub(super) late: LateWrites,
    /// The location as it was compared; `None` when an older version compared it.
    pub(super) location: Option<Location>,
}

/// Puts together what the tasks have found.
pub(super) fn found(tasks: &[TaskRecord]) -> Result<Comparison, StepError> {
    let (mut parts, mut late, mut location) = (Vec::new(), LateWrites::default(), None);
    for task in tasks {
        let result = task.result.as_ref().unwrap_or(&Value::Null);
        // An older version compared a replica that nobody had read like this; what differed failed the task.
        if task.kind == VerifyTask::KIND {
            let VerifyInput { part, bounds, .. } = read_input(&task.input)?;
            let found: VerifyResult = read_input(result)?;
            parts.push(VerifiedPart { part, bounds, tally: found.compared.unwrap_or_default() });
            continue;
        }
        let CompareInput { part, bounds, at, .. } = read_input(&task.input)?;
        let compared: Compared = read_input(result)?;
        late.merge(&compared.late);
        parts.push(VerifiedPart { part, bounds, tally: compared.seen });
        location = Some(at);
    }
    Ok(Comparison { parts, late, location })
}

/// The removal goes on with what it has seen: the next comparison is with that, less what is deleted from here on. Keys that were
/// found are erased.
pub(super) async fn go_on_with_seen(step: &mut StepTx<'_>) -> Result<(), StepError> {
    let id = step.record.id.clone();
    for outdated in [VERIFIED, NOT_ACCEPTED, DELETED, DOOMED] {
        fingerprints::erase(step.tx, &id, outdated).await?;
    }
    fingerprints::hand_over(step.tx, (&id, SEEN), (&id, VERIFIED)).await?;
    Ok(late_writes::erase_all(step.tx, &id).await?)
}

/// Where no items were known, all that was seen and not found to be late counts as verified from here on: what the tenant edits and
/// deletes at its new home until somebody has looked must not change what that accepts. `false`: items were known, or not all parts have
/// evidence.
pub(super) async fn trust_the_rest(step: &mut StepTx<'_>, parts: usize) -> Result<bool, StepError> {
    let id = step.record.id.clone();
    let known = fingerprints::count_parts(step.tx, (&id, VERIFIED)).await?;
    let seen = fingerprints::count_parts(step.tx, (&id, SEEN)).await?;
    if known > 0 || usize::try_from(seen) != Ok(parts) {
        return Ok(false);
    }
    fingerprints::erase(step.tx, &id, NOT_ACCEPTED).await?;
    fingerprints::hand_over(step.tx, (&id, SEEN), (&id, VERIFIED)).await?;
    fingerprints::hand_over(step.tx, (&id, FOUND), (&id, NOT_ACCEPTED)).await?;
    Ok(true)
}

/// Erases all that was kept to compare with, and the keys that were found.
pub(super) async fn erase_evidence(step: &mut StepTx<'_>) -> Result<(), StepError> {
    let id = step.record.id.clone();
    fingerprints::erase_all(step.tx, &id).await?;
    Ok(late_writes::erase_all(step.tx, &id).await?)
}

/// Why the removal stops. The keys are not part of it: it is kept for longer than they may be.
pub(super) fn stopped(id: &str, state: &RemovalState, late: &LateWrites) -> StoredError {
    let (service, at, hash) = (&state.service, &state.location.name, late.hash());
    let perhaps = match late.uncertain {
        0 => String::new(),
        n => format!(" ({n} of them perhaps not: the live copy may have been edited since)"),
    };
    let LateWrites { added, changed, deleted, .. } = late;
    let (code, what) = if state.is_unread() {
        let what = format!("is to be emptied, and {} items differ from the copy that stays", late.total());
        ("replica_diverged", what)
    } else {
        let what = format!(
            "has been written to since the move verified it: {added} added, {changed} changed and {deleted} deleted there"
        );
        (LATE_WRITES, what)
    };
    let message = format!(
        "{service} at {at} {what}{perhaps}. Nothing more is deleted. Look at the keys (`realmctl removals show {id} --keys FILE`). Repeat \
         what is needed of it where the tenant lives now and compare again: `realmctl removals replay {id}`. If none of these writes is \
         needed, accept exactly this: `realmctl removals replay {id} --accept-late-writes {hash}`"
    );
    StoredError { code: code.to_owned(), message }
}

/// Where the data of the service lives now, if it does.
async fn live_copy(step: &mut StepTx<'_>, state: &RemovalState) -> Result<Option<Location>, StepError> {
    let entries = ledger::of_tenant(step.tx, &step.record.subject.clone()).await?;
    let live = entries.into_iter().find(|entry| entry.service == state.service && entry.state == EntryState::Live);
    Ok(live.map(|entry| entry.location))
}

/// Fans out one comparison a part, with what the move verified and with where the data lives now.
pub(super) async fn fan_out_compares(
    step: &mut StepTx<'_>,
    state: &RemovalState,
    location: &Location,
    verified: &[VerifiedPart],
) -> Result<(), StepError> {
    let live = live_copy(step, state).await?;
    fan_out(step, state, (location, live), verified, None).await
}

/// A location that a move left without having read it is emptied only of what a copy that stays has as well:
/// fans out one comparison a part with where the data lives now. `false`: there is nothing to compare, for a
/// move that rolled back only wrote there.
pub(super) async fn fan_out_unread(
    deployment: &Deployment,
    step: &mut StepTx<'_>,
    state: &RemovalState,
    location: &Location,
) -> Result<bool, StepError> {
    if !matches!(state.cause, Cause::Moved { .. }) {
        return Ok(false);
    }
    let live = live_copy(step, state).await?;
    if live.is_none() {
        return Ok(false);
    }
    let (compared, again_after) = (state.compared.as_deref().unwrap_or_default(), deployment.timing.index_settle);
    fan_out(step, state, (location, live), compared, Some(millis(again_after))).await?;
    Ok(true)
}

async fn fan_out(
    step: &mut StepTx<'_>,
    state: &RemovalState,
    (location, live): (&Location, Option<Location>),
    known: &[VerifiedPart],
    unread: Option<Millis>,
) -> Result<(), StepError> {
    let (id, tenant) = (step.record.id.clone(), step.record.subject.clone());
    for outdated in [SEEN, FOUND, STRAYS] {
        fingerprints::erase(step.tx, &id, outdated).await?;
    }
    late_writes::erase_all(step.tx, &id).await?;
    // Objects are compared as they were divided then.
    let bounds = known.first().map(|known| known.bounds.clone()).unwrap_or_default();
    for part in 0..place_of(location).divided_at(&bounds).parts() {
        let known = known.iter().find(|known| known.part == part);
        let input = CompareInput {
            tenant: tenant.clone(),
            service: state.service.clone(),
            at: location.clone(),
            live: live.clone(),
            part,
            bounds: bounds.clone(),
            // A part that came later was empty then.
            verified: known.map(|known| known.tally).unwrap_or_default(),
            was_empty: known.is_none() && unread.is_none(),
            unread,
            begun: state.begun,
        };
        step.fan_out(&NewTask { kind: CompareTask::KIND, target: location.key(), input: to_value(&input) }).await?;
    }
    Ok(())
}
