//! The ledger as a removal sees it: besides what it says, the location's own replication is read anew, and the store is asked who it is.
//! Where the store itself replicates to a location that the tenant's placement includes, or that is live or being filled, or where it is
//! that one, by another name, deleting here would delete there.

use std::time::Duration;

use async_trait::async_trait;
use catalogue::ledger::{self, EntryState, LedgerEntry};
use catalogue::location::Location;
use engine::task::driven;
use tokio::sync::Mutex;
use tokio::time::Instant;
use workers::Movers;
use workers::error::WorkError;
use workers::ledger_permit::{Ledger, Reading};

use crate::data_tasks::store_identity::{check_apart, check_is_itself};
use crate::data_tasks::task_ledger::TaskLedger;
use crate::mover_errors::work_error;
use crate::places::place_of;

/// How often the settings of a store are read at most: they change by hand, and reading them is limited.
const READ_AGAIN: Duration = Duration::from_secs(5);

/// How often stores are asked who they are at most: what an address leads to is changed by hand, and to ask takes a few requests.
const ASK_AGAIN: Duration = Duration::from_secs(30);

/// One removal task's view of its entry and location.
pub(crate) struct RemovalGuard<'a> {
    ledger: TaskLedger,
    movers: &'a Movers,
    at: Location,
    links: Mutex<Option<(Instant, Vec<String>)>>,
    /// When it was found to be a place of its own.
    apart: Mutex<Option<Instant>>,
}

impl<'a> RemovalGuard<'a> {
    pub(crate) fn new(ledger: TaskLedger, movers: &'a Movers, at: Location) -> Self {
        Self { ledger, movers, at, links: Mutex::default(), apart: Mutex::default() }
    }

    async fn links(&self) -> Result<Vec<String>, WorkError> {
        let mut known = self.links.lock().await;
        if let Some((at, links)) = &*known
            && at.elapsed() < READ_AGAIN
        {
            return Ok(links.clone());
        }
        let asked = Instant::now();
        let links = self.movers.replicates_to(&place_of(&self.at), &self.ledger.tenant).await?;
        *known = Some((asked, links.clone()));
        Ok(links)
    }

    async fn is_apart(&self) -> Result<(), WorkError> {
        let mut found = self.apart.lock().await;
        if found.is_some_and(|at| at.elapsed() < ASK_AGAIN) {
            return Ok(());
        }
        let asked = Instant::now();
        let (in_use, of) = (self.in_use().await?, (self.ledger.service.as_str(), self.ledger.tenant.as_str()));
        check_apart(self.movers, of, &self.at, in_use.iter()).await?;
        check_is_itself(self.movers, of, &self.at, &self.ledger.task.workflow_id).await?;
        *found = Some(asked);
        Ok(())
    }

    /// Where the service's data of the tenant lives, or is being written.
    async fn in_use(&self) -> Result<Vec<Location>, WorkError> {
        let ledger = self.ledger.clone();
        driven(async move {
            let mut tx = ledger.store.read().await?;
            let mut in_use = ledger.placed_in(&mut tx).await?;
            let entries = ledger::of_tenant(&mut tx, &ledger.tenant).await?;
            tx.rollback().await?;
            let filled = |entry: &LedgerEntry| {
                entry.service == ledger.service && [EntryState::Adding, EntryState::Live].contains(&entry.state)
            };
            in_use.extend(entries.into_iter().filter(filled).map(|entry| entry.location));
            Ok(in_use)
        })
        .await
        .map_err(work_error)
    }
}

#[async_trait]
impl Ledger for RemovalGuard<'_> {
    async fn read(&self) -> Result<Option<Reading>, WorkError> {
        let links = self.links().await?;
        if !links.is_empty()
            && let Some(placed) =
                self.in_use().await?.iter().find(|to| links.iter().any(|link| self.at.replicates_into(link, to)))
        {
            let message = format!(
                "the store replicates {} at the location being emptied to {}, where the tenant's data lives or is \
                 being written: deleting here would delete there. Unlink them, then replay the removal",
                self.ledger.service, placed.name
            );
            return Err(WorkError::permanent("replicated_store", message));
        }
        self.is_apart().await?;
        // Last, so that the permit is as old as the reading of the ledger and no older.
        self.ledger.read().await
    }
}
