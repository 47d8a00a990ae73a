//! The ledger as a task sees it before each write or delete: the entry, its generation, the tenant's epoch and the task's
//! own fence, read in one snapshot.

use std::sync::Arc;

use async_trait::async_trait;
use catalogue::ledger::{self, EntryState};
use catalogue::location::Location;
use catalogue::{placements, tenants, topologies};
use engine::TaskRecord;
use engine::tables::task_table;
use engine::task::driven;
use store::{Store, StoreError, Tx};
use workers::error::WorkError;
use workers::ledger_permit::{EntryFacts, Ledger, Reading};

use crate::database_clock::time_of;
use crate::mover_errors::work_error;

/// One task's view of one entry.
#[derive(Clone)]
pub(crate) struct TaskLedger {
    pub(crate) store: Store,
    pub(crate) task: Arc<TaskRecord>,
    pub(crate) tenant: String,
    pub(crate) service: String,
    /// Key of the location.
    pub(crate) key: String,
    /// The generation of the entry that the task was made for.
    pub(crate) generation: i64,
    /// The epoch the task was made under; `None` for removals, which go on while the tenant moves elsewhere.
    pub(crate) epoch: Option<i64>,
}

#[async_trait]
impl Ledger for TaskLedger {
    async fn read(&self) -> Result<Option<Reading>, WorkError> {
        let ledger = self.clone();
        driven(async move { Ok(ledger.reading().await?) }).await.map_err(work_error)
    }
}

impl TaskLedger {
    async fn reading(&self) -> Result<Option<Reading>, StoreError> {
        let mut tx = self.store.read().await?;
        // Before anything is read: the store of data counts the permit's age from here.
        let at = tx.now().await?;
        let facts = self.facts_in(&mut tx).await?;
        tx.rollback().await?;
        Ok(facts.map(|facts| Reading { facts, at: time_of(at) }))
    }

    async fn facts_in(&self, tx: &mut Tx) -> Result<Option<EntryFacts>, StoreError> {
        if !task_table::is_held(tx, &self.task.id, self.task.fence).await? {
            return Ok(None);
        }
        if let Some(epoch) = self.epoch {
            let tenant = tenants::get(tx, &self.tenant).await?;
            if tenant.is_none_or(|tenant| tenant.epoch != epoch) {
                return Ok(None);
            }
        }
        let Some(entry) = ledger::get(tx, &self.tenant, &self.service, &self.key).await? else { return Ok(None) };
        if entry.generation != self.generation {
            return Ok(None);
        }
        Ok(Some(EntryFacts { state: state_of(entry.state), placed: self.is_placed(tx).await? }))
    }

    /// Whether the tenant's current shard, by the topology in force, includes the location: asked of the placement and not
    /// of the entry, so that one wrong entry alone can't cost live data.
    async fn is_placed(&self, tx: &mut Tx) -> Result<bool, StoreError> {
        Ok(self.placed_in(tx).await?.iter().any(|location| location.key() == self.key))
    }

    /// Where the service's data of the tenant lives, by its placement.
    pub(crate) async fn placed_in(&self, tx: &mut Tx) -> Result<Vec<Location>, StoreError> {
        placed(tx, &self.tenant, &self.service).await
    }
}

async fn placed(tx: &mut Tx, tenant: &str, service: &str) -> Result<Vec<Location>, StoreError> {
    let Some(shard) = placements::of_tenant(tx, tenant).await?.remove(service) else {
        return Ok(Vec::new());
    };
    let Some(stored) = topologies::current(tx).await? else { return Ok(Vec::new()) };
    let placed = stored.topology.locations(service, &shard, tenant);
    placed.map_err(|error| StoreError::Corrupt(format!("the placement of {tenant}: {error}")))
}

/// An entry as whoever only tells its service something sees it: no task is behind that, only the ledger and the placement.
#[derive(Clone)]
pub(crate) struct EntryLedger {
    pub(crate) store: Store,
    pub(crate) tenant: String,
    pub(crate) service: String,
    /// Key of the location.
    pub(crate) key: String,
    /// The generation of the entry that is told of.
    pub(crate) generation: i64,
}

#[async_trait]
impl Ledger for EntryLedger {
    async fn read(&self) -> Result<Option<Reading>, WorkError> {
        let ledger = self.clone();
        driven(async move { Ok(ledger.reading().await?) }).await.map_err(work_error)
    }
}

impl EntryLedger {
    async fn reading(&self) -> Result<Option<Reading>, StoreError> {
        let mut tx = self.store.read().await?;
        let at = time_of(tx.now().await?);
        let entry = ledger::get(&mut tx, &self.tenant, &self.service, &self.key).await?;
        let entry = entry.filter(|entry| entry.generation == self.generation);
        let placed = placed(&mut tx, &self.tenant, &self.service).await?.iter().any(|at| at.key() == self.key);
        tx.rollback().await?;
        Ok(entry.map(|entry| Reading { facts: EntryFacts { state: state_of(entry.state), placed }, at }))
    }
}

fn state_of(state: EntryState) -> workers::ledger_permit::EntryState {
    match state {
        EntryState::Absent => workers::ledger_permit::EntryState::Absent,
        EntryState::Adding => workers::ledger_permit::EntryState::Adding,
        EntryState::Live => workers::ledger_permit::EntryState::Live,
        EntryState::Removing => workers::ledger_permit::EntryState::Removing,
    }
}
