//! Wakes those that wait for room once their turn has come. Any number may wait, and nothing presses most of them: instead of each
//! looking for itself, every process looks now and then who is first where there is room again, whatever has made it. What is seen
//! without a lock decides nothing: who is woken asks as ever.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use catalogue::capacity::{self, Limit, Usage, Waiting};
use engine::tables::workflow_table;
use engine::{StepError, Sweep};
use store::{Millis, StoreError, Tx};

use super::admits;
use crate::deployment::Deployment;

/// Of those that wait in one scope, so many are looked at. Who comes after so many that have to wait in another scope looks for itself.
const LOOKED_AT: i64 = 1_000;

/// Wakes those whose turn has come.
pub struct RoomSweep(Deployment);

impl RoomSweep {
    /// A sweep on this deployment.
    pub fn new(deployment: Deployment) -> Self {
        Self(deployment)
    }
}

#[async_trait]
impl Sweep for RoomSweep {
    async fn sweep(&self) -> Result<u64, StepError> {
        let mut look = self.0.store.read().await?;
        let next = asleep_with_room(&mut look).await?;
        look.rollback().await?;
        if next.is_empty() {
            return Ok(0);
        }
        let mut tx = self.0.store.begin().await?;
        let woken = workflow_table::wake_all(&mut tx, &next).await?;
        tx.commit().await?;
        Ok(woken)
    }
}

/// Those that would be granted what they want and do not know it yet.
async fn asleep_with_room(tx: &mut Tx) -> Result<Vec<String>, StoreError> {
    let mut queues = BTreeMap::new();
    for Limit { scope, slots, .. } in capacity::limits(tx).await? {
        let Some(slots) = slots else { continue };
        let used = capacity::granted(tx, &scope).await?;
        let first =
            if used < slots { capacity::first_waiting(tx, &scope, slots.min(LOOKED_AT)).await? } else { Vec::new() };
        queues.insert(scope, first_of(slots, used, first));
    }
    if queues.values().all(BTreeMap::is_empty) {
        return Ok(Vec::new());
    }
    let now = tx.now().await?;
    let asleep = queues.values().flatten().filter(|(_, wake_at)| **wake_at > now);
    let asleep: BTreeSet<String> = asleep.map(|(workflow, _)| workflow.clone()).collect();
    if asleep.is_empty() {
        return Ok(Vec::new());
    }
    let asleep: Vec<String> = asleep.into_iter().collect();
    let mut elsewhere = BTreeSet::new();
    for (workflow, scope) in capacity::waiting_in(tx, &asleep).await? {
        if queues.get(&scope).is_some_and(|first| !first.contains_key(&workflow)) {
            elsewhere.insert(workflow);
        }
    }
    Ok(asleep.into_iter().filter(|workflow| !elsewhere.contains(workflow)).collect())
}

/// Of those that wait in a scope, in their turn: the ones that there is room for, and when each looks again by itself.
fn first_of(slots: i64, used: i64, waiting: Vec<Waiting>) -> BTreeMap<String, Millis> {
    let mut usage = Usage { used, ..Usage::default() };
    let admitted = waiting.into_iter().take_while(|waiting| {
        let admitted = admits(slots, &usage, waiting.weight);
        usage.ahead += waiting.weight;
        admitted
    });
    admitted.map(|waiting| (waiting.workflow, waiting.wake_at)).collect()
}

#[cfg(test)]
mod tests {
    use crate::capacity::wake_next::*;

    #[test]
    fn those_at_the_head_of_the_queue_are_next_as_far_as_there_is_room() {
        let first = |slots, used, weights: &[i64]| {
            let waiting =
                |(number, weight): (usize, &i64)| Waiting { workflow: number.to_string(), weight: *weight, wake_at: 0 };
            first_of(slots, used, weights.iter().enumerate().map(waiting).collect()).into_keys().collect::<Vec<_>>()
        };
        assert_eq!(first(10, 3, &[4, 3, 1]), ["0", "1"]);
        assert_eq!(first(10, 3, &[8, 1]), [""; 0], "nobody overtakes the first");
        assert_eq!(first(10, 0, &[25, 1]), ["0"], "large work runs alone");
    }
}
