//! Starts workflows, so many that the same number is always in flight, and counts those that end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use engine::tables::workflow_table;
use engine::tables::workflow_table::NewWorkflow;
use engine::{Ids, RandomIds, Workflow};
use store::{Store, StoreError};
use tokio::sync::Semaphore;

use crate::five_steps::{FiveSteps, STATES, State};

/// One permit for each workflow that may be started now.
#[derive(Clone)]
pub(crate) struct Source {
    free: Arc<Semaphore>,
    ended: Arc<AtomicU64>,
}

impl Source {
    pub(crate) fn new(in_flight: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(in_flight)), ended: Arc::new(AtomicU64::new(0)) }
    }

    /// A workflow has ended: another may start.
    pub(crate) fn ended(&self) {
        self.ended.fetch_add(1, Ordering::Relaxed);
        self.free.add_permits(1);
    }

    pub(crate) fn count(&self) -> u64 {
        self.ended.load(Ordering::Relaxed)
    }

    /// Starts workflows for ever, at most `at_once` by one transaction.
    pub(crate) async fn start(&self, store: &Store, at_once: usize) -> Result<(), StoreError> {
        loop {
            let Ok(first) = self.free.acquire().await else { return Ok(()) };
            let more = self.free.available_permits().min(at_once - 1);
            first.forget();
            let more = u32::try_from(more).ok().and_then(|more| self.free.try_acquire_many(more).ok());
            let started = 1 + more.as_ref().map_or(0, tokio::sync::SemaphorePermit::num_permits);
            if let Some(more) = more {
                more.forget();
            }
            insert(store, started).await?;
        }
    }
}

/// Starts so many workflows by one transaction.
pub(crate) async fn insert(store: &Store, count: usize) -> Result<(), StoreError> {
    let ids: Vec<String> = (0..count).map(|_| RandomIds.next()).collect();
    let mut tx = store.begin().await?;
    let now = tx.now().await?;
    let new: Vec<NewWorkflow<'_>> = ids
        .iter()
        .map(|id| NewWorkflow {
            id,
            kind: FiveSteps::KIND,
            subject: "bench",
            start_key: None,
            request: "",
            state: STATES[0],
            data: State::first().to_json(),
            wake_at: now,
            priority: engine::Priority::Normal,
        })
        .collect();
    workflow_table::insert_all(&mut tx, &new, now).await?;
    tx.commit().await
}
