//! What it is measured against: the same statements in the same transactions through the same pool, without the engine: no
//! queue, no leases to keep, no state machine, nothing to go wrong.

use std::collections::VecDeque;
use std::sync::Arc;

use engine::tables::step_table::Written;
use engine::tables::{step_table, workflow_table};
use engine::{Claim, WorkflowRecord};
use store::{Millis, Store, StoreError, Tx};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use crate::five_steps::{STATES, State};
use crate::rate::{self, Load};
use crate::source::{self, Source};
use crate::{Commits, Error};

/// As long as the runner's.
const LEASE_MS: Millis = 30_000;

/// Loops that commit groups side by side: as many as the runner has.
const GROUPS: usize = 2;

/// Claims for all loops, as many at a time as are due.
#[derive(Clone)]
struct Claims {
    store: Store,
    at_once: usize,
    claimed: Arc<Mutex<VecDeque<WorkflowRecord>>>,
}

impl Claims {
    async fn take(&self, count: usize) -> Result<Vec<WorkflowRecord>, StoreError> {
        let mut claimed = self.claimed.lock().await;
        if claimed.len() < count {
            let mut tx = self.store.begin().await?;
            let all = i64::try_from(self.at_once).unwrap_or(i64::MAX);
            let claim = Claim { owner: "bare", lease: LEASE_MS, all, any: all };
            let now = tx.now().await?;
            claimed.extend(workflow_table::claim(&mut tx, &claim, now).await?);
            tx.commit().await?;
        }
        let count = count.min(claimed.len());
        Ok(claimed.drain(..count).collect())
    }
}

/// Workflows a second.
pub(crate) async fn measure(store: &Store, load: &Load) -> Result<f64, Error> {
    let source = Source::new(0);
    let claims = Claims { store: store.clone(), at_once: load.in_flight, claimed: Arc::default() };
    let mut loops = JoinSet::new();
    let (count, each) = match load.commits {
        Commits::Own => (load.in_flight, 1),
        Commits::Shared => {
            let count = GROUPS.min(load.in_flight);
            (count, load.in_flight / count)
        }
    };
    for _ in 0..count {
        let (claims, source, own) = (claims.clone(), source.clone(), load.commits == Commits::Own);
        loops.spawn(async move {
            loop {
                source::insert(&claims.store, each).await?;
                let group = claims.take(each).await?;
                let ended = group.len();
                run(&claims.store, group, own).await?;
                (0..ended).for_each(|_| source.ended());
            }
        });
    }
    let rate = tokio::select! {
        rate = rate::of(&source, load.warm_up, load.measured) => Ok(rate),
        Some(ended) = loops.join_next() => {
            let ended: Result<Result<(), StoreError>, _> = ended;
            Err(ended.map_or(Error::Panicked, |ended| ended.map_or_else(Error::from, |()| Error::Panicked)))
        }
    };
    loops.shutdown().await;
    rate
}

/// Five steps of a group of workflows.
async fn run(store: &Store, mut group: Vec<WorkflowRecord>, own: bool) -> Result<(), StoreError> {
    if group.is_empty() {
        return Ok(());
    }
    for _ in 1..STATES.len() {
        let mut tx = store.begin().await?;
        let now = if own { lock_one(&mut tx, &group[0].id).await? } else { tx.now().await? };
        let steps: Vec<Written> = group.iter().map(|record| step(record, now)).collect();
        if own {
            step_table::write(&mut tx, &steps).await.map_err(|error| StoreError::Corrupt(error.to_string()))?;
        } else if !step_table::write_unlocked(&mut tx, &steps).await?.is_empty() {
            return Err(StoreError::Corrupt("a workflow is not as it was left".to_owned()));
        }
        tx.commit().await?;
        for (record, step) in group.iter_mut().zip(steps) {
            record.state = step.state.to_owned();
            record.data = step.data;
            record.steps = step.steps;
        }
    }
    Ok(())
}

async fn lock_one(tx: &mut Tx, id: &str) -> Result<Millis, StoreError> {
    let locked = workflow_table::lock_with_time(tx, id).await?;
    locked.map(|(_, now)| now).ok_or_else(|| StoreError::Corrupt("a workflow has gone".to_owned()))
}

fn step(record: &WorkflowRecord, now: Millis) -> Written {
    let place = usize::try_from(record.steps).unwrap_or(STATES.len()) + 1;
    let ends = place == STATES.len() - 1;
    let state = (0..place).fold(State::first(), |state, _| state.next());
    Written {
        id: record.id.clone(),
        held: record.fence,
        known: record.steps,
        fence: record.fence,
        state: STATES[place],
        data: state.to_json(),
        steps: record.steps + 1,
        error: None,
        wake_at: if ends { None } else { record.wake_at },
        lease_until: if ends { 0 } else { now + LEASE_MS },
        keeps_offline: false,
        now,
        left: Some((record.state.clone(), String::new())),
    }
}
