//! The ledger as a removal sees it: besides what it says, the location's own replication is read anew. Where the store itself
//! replicates to a location that the tenant's placement includes, deleting here would delete there.

use std::time::Duration;

use async_trait::async_trait;
use catalogue::location::Location;
use engine::task::driven;
use tokio::sync::Mutex;
use tokio::time::Instant;
use workers::Movers;
use workers::error::WorkError;
use workers::permit::{Ledger, Reading};
use workers::place::Place;

use super::ledger_permits::TaskLedger;
use super::work_error;

/// How often the settings of a store are read at most: they change by hand, and reading them is limited.
const READ_AGAIN: Duration = Duration::from_secs(5);

/// One removal task's view of its cell and location.
pub(crate) struct RemovalLedger<'a> {
    ledger: TaskLedger,
    movers: &'a Movers,
    place: Place,
    links: Mutex<Option<(Instant, Vec<String>)>>,
}

impl<'a> RemovalLedger<'a> {
    pub(crate) fn new(ledger: TaskLedger, movers: &'a Movers, place: Place) -> Self {
        Self { ledger, movers, place, links: Mutex::default() }
    }

    async fn links(&self) -> Result<Vec<String>, WorkError> {
        let mut known = self.links.lock().await;
        if let Some((at, links)) = &*known
            && at.elapsed() < READ_AGAIN
        {
            return Ok(links.clone());
        }
        let asked = Instant::now();
        let links = self.movers.replicates_to(&self.place, &self.ledger.tenant).await?;
        *known = Some((asked, links.clone()));
        Ok(links)
    }

    async fn placed(&self) -> Result<Vec<Location>, WorkError> {
        let ledger = self.ledger.clone();
        driven(async move {
            let mut tx = ledger.store.read().await?;
            let placed = ledger.placed_in(&mut tx).await?;
            tx.rollback().await?;
            Ok(placed)
        })
        .await
        .map_err(work_error)
    }
}

#[async_trait]
impl Ledger for RemovalLedger<'_> {
    async fn read(&self) -> Result<Option<Reading>, WorkError> {
        let links = self.links().await?;
        if !links.is_empty()
            && let Some(placed) = self.placed().await?.iter().find(|at| links.iter().any(|link| at.is_named(link)))
        {
            let message = format!(
                "the store replicates {} at the location being emptied to {}, where the tenant's data lives: deleting here would \
                 delete there. Unlink them, then replay the removal",
                self.ledger.service, placed.name
            );
            return Err(WorkError::permanent("replicated_store", message));
        }
        // Last, so that the permit is as old as the reading of the ledger and no older.
        self.ledger.read().await
    }
}
