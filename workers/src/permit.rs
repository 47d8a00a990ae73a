//! Permits: every write to and delete from a data store takes one, and only a reading of the ledger hands one out.
//!
//! The ledger itself lives in the catalogue; this crate knows it through the [`Ledger`] trait. A permit proves that the
//! cell was read a moment ago and allowed the work. It does not yet fence a process that was paused between the check and
//! the request: see docs/guarantees.md.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use async_trait::async_trait;

use crate::error::WorkError;

/// What the ledger says about one cell (tenant, service, location) right now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellFacts {
    /// The cell's state.
    pub state: CellState,
    /// Whether a current placement of the tenant includes this location.
    pub placed: bool,
}

/// The states of a ledger cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CellState {
    /// No data of the tenant may be there.
    Absent,
    /// A move is adding data.
    Adding,
    /// The tenant's data lives there.
    Live,
    /// A removal is emptying it.
    Removing,
}

/// The ledger as one unit of work sees it: bound to one cell, its generation, the epoch and the fence of the work.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Reads the cell. `None` when its generation, the tenant's epoch or the workflow's fence is no longer the one that
    /// this work was started under.
    async fn read(&self) -> Result<Option<CellFacts>, WorkError>;
}

/// Proof that the cell was `adding` under our epoch and fence when it was last read.
#[derive(Debug)]
pub struct WritePermit(());

/// Proof that the cell was `removing`, and that no placement includes the location, when it was last read.
#[derive(Debug)]
pub struct RemovalPermit(());

/// Hands out permits, reading the ledger again once the last reading is older than `fresh_for`.
pub struct Permits<'a> {
    ledger: &'a dyn Ledger,
    fresh_for: Duration,
    last: Mutex<Option<(Instant, CellFacts)>>,
}

impl<'a> Permits<'a> {
    /// Permits from `ledger`; a reading is used for at most `fresh_for`.
    pub fn new(ledger: &'a dyn Ledger, fresh_for: Duration) -> Self {
        Self { ledger, fresh_for, last: Mutex::new(None) }
    }

    /// A permit to write to the location, or [`WorkError`] with treatment `LostLease` when the ledger does not allow it.
    pub async fn write(&self) -> Result<WritePermit, WorkError> {
        match self.facts().await? {
            CellFacts { state: CellState::Adding, .. } => Ok(WritePermit(())),
            other => Err(refused("write to", &other)),
        }
    }

    /// A permit to delete from the location, or [`WorkError`] with treatment `LostLease` when the ledger does not allow it.
    pub async fn removal(&self) -> Result<RemovalPermit, WorkError> {
        match self.facts().await? {
            CellFacts { state: CellState::Removing, placed: false } => Ok(RemovalPermit(())),
            other => Err(refused("delete from", &other)),
        }
    }

    async fn facts(&self) -> Result<CellFacts, WorkError> {
        if let Some(facts) = self.still_fresh() {
            return Ok(facts);
        }
        let asked = Instant::now();
        let facts = self.ledger.read().await?.ok_or_else(|| {
            WorkError::lost_lease("the work was taken over, revoked or superseded: its permit is gone")
        })?;
        *self.last.lock().expect("no holder of this lock panics") = Some((asked, facts.clone()));
        Ok(facts)
    }

    fn still_fresh(&self) -> Option<CellFacts> {
        let last = self.last.lock().expect("no holder of this lock panics");
        last.as_ref().filter(|(at, _)| at.elapsed() < self.fresh_for).map(|(_, facts)| facts.clone())
    }
}

fn refused(what: &str, facts: &CellFacts) -> WorkError {
    let why = if facts.placed && facts.state == CellState::Removing {
        "it is part of the tenant's placement".to_owned()
    } else {
        format!("its ledger cell is {:?}", facts.state).to_lowercase()
    };
    WorkError::lost_lease(format!("the ledger does not permit to {what} the location: {why}"))
}
