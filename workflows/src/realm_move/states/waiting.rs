//! `waiting`: online and bounded, until every target's entry is absent (an earlier removal may still be emptying one) and
//! no request to it is in doubt, and there is room for the move's data tasks within the limits.

use catalogue::ledger::{self, EntryState, LedgerEntry};
use engine::{Next, StepError, StepTx};
use store::{Millis, StoreError, Tx};
use workers::store_clocks::CLOCK_SKEW;

use crate::capacity::{self, LOOK_AGAIN_MS, demands_of_move};
use crate::clock_checks::{self, CLOCKS_TO_AGREE};
use crate::deployment::Deployment;
use crate::plan::Plan;
use crate::realm_move::state::{MoveState, Stage};
use crate::realm_move::states::comparing;
use crate::timing::millis;
use crate::{in_doubt, worker_there};

/// The code of a move that has waited too long for capacity.
const NO_CAPACITY: &str = "no_capacity";

/// The longest that one that waits for capacity goes without a look, in milliseconds.
const LOOK_AGAIN_MOST_MS: Millis = 10_000;

pub(crate) async fn advance(
    deployment: &Deployment,
    step: &mut StepTx<'_>,
    state: MoveState,
    since: Millis,
    looked_at: Option<Millis>,
) -> Result<Next<MoveState>, StepError> {
    let Some(obstacle) = obstacle(deployment, step, &state).await? else {
        let stage = if state.plan.needs_offline() {
            Stage::Offline
        } else {
            return online(deployment, step, state).await;
        };
        return Ok(Next::Go(state.at_stage(stage), String::new()));
    };
    // It is looked at again on purpose within that: what goes beyond is a gap.
    let longest_gap = look_again_after(looked_at.map_or(0, |at| at - since)) + millis(deployment.timing.lease);
    let since = counted_since(since, looked_at, step.now, longest_gap);
    let until = since + millis(deployment.timing.wait_limit);
    if step.now >= until {
        return Err(obstacle.gave_up());
    }
    // Of all that it may wait for, capacity alone wakes it.
    let look = if obstacle.code == NO_CAPACITY { look_again_after(step.now - since) } else { LOOK_AGAIN_MS };
    let too_late = state.window.map(|window| window.to - millis(deployment.timing.least_offline()));
    let wake = before_too_late(step.now, until.min(step.now + look), too_late);
    let stage = Stage::Waiting { since, reason: obstacle.reason, looked_at: Some(step.now) };
    Ok(Next::Stay(state.at_stage(stage), wake))
}

/// A move without an offline window goes on to its commit; one that leaves replicas compares them first.
async fn online(
    deployment: &Deployment,
    step: &mut StepTx<'_>,
    state: MoveState,
) -> Result<Next<MoveState>, StepError> {
    if !state.plan.leaves_replicas() {
        let commit = Stage::Commit { offline: None, copied: Vec::new(), report: Vec::new(), compared: Vec::new() };
        return Ok(Next::Go(state.at_stage(commit), String::new()));
    }
    if let Some(blocked) = capacity::take(step, &demands_of_move(&state.plan, &state.partitioning)).await? {
        let waiting = Stage::Waiting { since: step.now, reason: blocked.text(), looked_at: None };
        let wake = step.now + LOOK_AGAIN_MS;
        return Ok(Next::Stay(state.at_stage(waiting), wake));
    }
    comparing::begin(deployment, step, &state).await?;
    Ok(Next::Go(state.at_stage(Stage::Comparing), String::new()))
}

/// How long a move that waits for capacity goes without a look, after `waited`: a tenth of that again, so that a thousand of them do not
/// look a thousand times a second. Capacity that comes free sooner wakes the first in its queue.
fn look_again_after(waited: Millis) -> Millis {
    (waited / 10).clamp(LOOK_AGAIN_MS, LOOK_AGAIN_MOST_MS)
}

/// The next look, at `wake` or sooner: once more shortly before it is too late for the move's window, and when it is.
fn before_too_late(now: Millis, wake: Millis, too_late: Option<Millis>) -> Millis {
    let moments = too_late.into_iter().flat_map(|at| [at - LOOK_AGAIN_MS, at]);
    moments.filter(|at| *at > now).fold(wake, Millis::min)
}

/// Since when the wait counts: a gap in which nobody looked, such as a pause, does not.
fn counted_since(since: Millis, looked_at: Option<Millis>, now: Millis, longest_gap: Millis) -> Millis {
    let gap = now - looked_at.unwrap_or(now);
    if gap > longest_gap { since + gap } else { since }
}

/// What keeps a move waiting.
pub(crate) struct Obstacle {
    /// In words.
    pub(crate) reason: String,
    /// The code it fails with when it has waited too long.
    code: &'static str,
    /// What to do about it.
    advice: &'static str,
}

impl Obstacle {
    fn gave_up(&self) -> StepError {
        let Self { reason, code, advice } = self;
        StepError::permanent(code, format!("waited too long for {reason}: {advice}, then start the move again"))
    }

    pub(crate) fn target(reason: String) -> Self {
        Self { reason, code: "target_busy", advice: "see `realmctl removals list`" }
    }
}

async fn obstacle(
    deployment: &Deployment,
    step: &mut StepTx<'_>,
    state: &MoveState,
) -> Result<Option<Obstacle>, StepError> {
    let plan = &state.plan;
    if let Some(reason) = busy_target(deployment, step, plan).await? {
        return Ok(Some(Obstacle::target(reason)));
    }
    if !plan.needs_offline() && !plan.leaves_replicas() {
        return Ok(None);
    }
    if let Some(reason) = worker_there::missing(step.tx).await? {
        return Ok(Some(Obstacle { reason, code: "no_worker", advice: "start one: `realmctl worker --store URL`" }));
    }
    if let Some(difference) = clock_checks::difference(deployment, step, clock_checks::targets(plan)).await? {
        let advice = "look at the time synchronisation (NTP) of both hosts";
        return Ok(Some(Obstacle { reason: format!("{CLOCKS_TO_AGREE}{difference}"), code: CLOCK_SKEW, advice }));
    }
    let blocked = capacity::look(step, &demands_of_move(plan, &state.partitioning)).await?;
    Ok(blocked.map(|blocked| Obstacle {
        reason: blocked.text(),
        code: NO_CAPACITY,
        advice: "see `realmctl limits list`",
    }))
}

/// The first target that is not free, in words; `None` when all are.
pub(crate) async fn busy_target(
    deployment: &Deployment,
    step: &mut StepTx<'_>,
    plan: &Plan,
) -> Result<Option<String>, StepError> {
    if let Some(entry) = busy_entry(step.tx, plan).await? {
        let by = entry.workflow.as_deref().map(|by| format!(", by {by}")).unwrap_or_default();
        return Ok(Some(format!("{}{by}", to_be_empty(&entry))));
    }
    Ok(in_doubt::in_doubt_target(deployment, step, plan).await?.map(|in_doubt| in_doubt.reason))
}

/// What a move waits for whose target has this entry, in words.
pub(crate) fn to_be_empty(entry: &LedgerEntry) -> String {
    let why = match entry.state {
        EntryState::Removing => "data is still being removed there",
        EntryState::Adding => "data is being added there",
        EntryState::Live => "the tenant's data is live there",
        EntryState::Absent => "it is",
    };
    format!("{} at {} to be empty: {why}", entry.service, entry.location.name)
}

/// The entry of the first target that is not free.
pub(crate) async fn busy_entry(tx: &mut Tx, plan: &Plan) -> Result<Option<LedgerEntry>, StoreError> {
    Ok(busy_entries(tx, plan).await?.into_iter().next())
}

/// The entries of all targets that are not free.
pub(crate) async fn busy_entries(tx: &mut Tx, plan: &Plan) -> Result<Vec<LedgerEntry>, StoreError> {
    let mut busy = Vec::new();
    for service in &plan.services {
        for target in &service.add {
            let entry = ledger::get(tx, &plan.tenant, &service.service, &target.key()).await?;
            busy.extend(entry.filter(|entry| entry.state != EntryState::Absent));
        }
    }
    Ok(busy)
}

#[cfg(test)]
mod tests {
    use crate::realm_move::states::waiting::*;

    #[test]
    fn who_has_waited_long_looks_less_often() {
        assert_eq!([0, 5_000, 30_000, 86_400_000].map(look_again_after), [1_000, 1_000, 3_000, 10_000]);
    }

    #[test]
    fn a_move_looks_once_more_before_its_window_is_missed() {
        assert_eq!(before_too_late(0, 10_000, None), 10_000);
        assert_eq!(before_too_late(0, 10_000, Some(60_000)), 10_000, "long before");
        assert_eq!(before_too_late(0, 10_000, Some(8_000)), 7_000, "shortly before it is too late");
        assert_eq!(before_too_late(7_000, 17_000, Some(8_000)), 8_000, "and when it is");
        assert_eq!(before_too_late(8_000, 18_000, Some(8_000)), 18_000);
    }

    #[test]
    fn a_pause_does_not_count_as_waiting() {
        assert_eq!(counted_since(100, None, 500, 30), 100, "the first look");
        assert_eq!(counted_since(100, Some(480), 500, 30), 100, "looked a moment ago");
        assert_eq!(counted_since(100, Some(200), 500, 30), 400, "nobody looked for 300");
    }
}
