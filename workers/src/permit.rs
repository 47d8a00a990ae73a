//! Permits: every write to and delete from a data store takes one, and only a reading of the ledger hands one out.
//!
//! The ledger itself lives in the catalogue; this crate knows it through the [`Ledger`] trait. A permit proves that the
//! cell was read a moment ago and allowed the work. A check alone could not fence a process that is paused between it and the
//! request, so each request is signed with the time of the reading, and the store refuses it once that is too old.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use tokio::time::Instant;

use crate::error::WorkError;
use crate::failure::{REQUEST_TOO_OLD, UNREACHABLE};

/// What the ledger says about one cell (tenant, service, location) right now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellFacts {
    /// The cell's state.
    pub state: CellState,
    /// Whether a current placement of the tenant includes this location.
    pub placed: bool,
}

/// A reading of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// What it said.
    pub facts: CellFacts,
    /// When it was read, by the database's clock and not after what was read: requests are signed with it.
    pub at: SystemTime,
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
    async fn read(&self) -> Result<Option<Reading>, WorkError>;
}

/// Proof that the cell was `adding` under our epoch and fence when it was last read.
#[derive(Debug)]
pub struct WritePermit(SystemTime, i64);

impl WritePermit {
    /// When the ledger was read, by the database's clock: what the request is signed with.
    pub(crate) fn read_at(&self) -> SystemTime {
        self.0
    }

    /// The cell's generation.
    pub(crate) fn generation(&self) -> i64 {
        self.1
    }
}

/// Proof that the cell was `live`, and that a placement includes the location, when it was last read.
#[derive(Debug)]
pub struct LivePermit(SystemTime, i64);

impl LivePermit {
    /// When the ledger was read, by the database's clock: what the request is signed with.
    pub(crate) fn read_at(&self) -> SystemTime {
        self.0
    }

    /// The cell's generation.
    pub(crate) fn generation(&self) -> i64 {
        self.1
    }
}

/// Proof that the cell was `removing`, and that no placement includes the location, when it was last read.
#[derive(Debug)]
pub struct RemovalPermit(SystemTime, i64);

impl RemovalPermit {
    /// When the ledger was read, by the database's clock: what the request is signed with.
    pub(crate) fn read_at(&self) -> SystemTime {
        self.0
    }

    /// The cell's generation.
    pub(crate) fn generation(&self) -> i64 {
        self.1
    }
}

/// Hands out permits, reading the ledger again once the last reading is older than `fresh_for`.
pub struct Permits<'a> {
    ledger: &'a dyn Ledger,
    fresh_for: Duration,
    last: Mutex<Option<(Instant, Reading)>>,
    unsettled: Arc<AtomicU32>,
    generation: i64,
}

impl<'a> Permits<'a> {
    /// Permits from `ledger`; a reading is used for at most `fresh_for`.
    pub fn new(ledger: &'a dyn Ledger, fresh_for: Duration) -> Self {
        Self { ledger, fresh_for, last: Mutex::new(None), unsettled: Arc::default(), generation: 0 }
    }

    /// The same for a cell of this generation, which the ledger has to be bound to: services with hooks are told it.
    #[must_use]
    pub fn of_generation(mut self, generation: i64) -> Self {
        self.generation = generation;
        self
    }

    /// The generation of the cell.
    pub(crate) fn generation(&self) -> i64 {
        self.generation
    }

    /// The same, counting in `unsettled` the requests that were sent and have no answer. When the work ends, however it ends,
    /// each of them may still arrive until the store finds its permit too old.
    #[must_use]
    pub fn counting(mut self, unsettled: Arc<AtomicU32>) -> Self {
        self.unsettled = unsettled;
        self
    }

    /// A request is about to be sent.
    pub(crate) fn sent(&self) {
        self.unsettled.fetch_add(1, Ordering::SeqCst);
    }

    /// It was answered, or has failed and [`Permits::after`] is told.
    pub(crate) fn settled(&self) {
        self.unsettled.fetch_sub(1, Ordering::SeqCst);
    }

    /// Sends a request made under a permit: until it is answered it may still arrive, whatever becomes of us.
    pub(crate) async fn answered<T>(
        &self,
        request: impl Future<Output = Result<T, WorkError>>,
    ) -> Result<T, WorkError> {
        self.sent();
        let answer = request.await;
        self.settled();
        answer.inspect_err(|error| self.after(error))
    }

    /// A permit to write to the location, or [`WorkError`] with treatment `LostLease` when the ledger does not allow it.
    pub async fn write(&self) -> Result<WritePermit, WorkError> {
        let Reading { facts, at } = self.reading().await?;
        match facts {
            CellFacts { state: CellState::Adding, .. } => Ok(WritePermit(at, self.generation)),
            other => Err(refused("write to", &other)),
        }
    }

    /// A permit to delete from the location, or [`WorkError`] with treatment `LostLease` when the ledger does not allow it.
    pub async fn removal(&self) -> Result<RemovalPermit, WorkError> {
        let Reading { facts, at } = self.reading().await?;
        match facts {
            CellFacts { state: CellState::Removing, placed: false } => Ok(RemovalPermit(at, self.generation)),
            other => Err(refused("delete from", &other)),
        }
    }

    /// A permit to say that the location is in use, or [`WorkError`] with treatment `LostLease` when it is not.
    pub async fn live(&self) -> Result<LivePermit, WorkError> {
        let Reading { facts, at } = self.reading().await?;
        match facts {
            CellFacts { state: CellState::Live, placed: true } => Ok(LivePermit(at, self.generation)),
            other => Err(refused("announce", &other)),
        }
    }

    /// The last request made under a permit failed so. A store that finds the permit too old gets one read anew; a request that
    /// got no answer stays unsettled.
    pub(crate) fn after(&self, failure: &WorkError) {
        if failure.code == UNREACHABLE {
            self.sent();
        }
        if failure.code == REQUEST_TOO_OLD {
            *self.last.lock().expect("no holder of this lock panics") = None;
        }
    }

    async fn reading(&self) -> Result<Reading, WorkError> {
        if let Some(reading) = self.still_fresh() {
            return Ok(reading);
        }
        let asked = Instant::now();
        let reading = self.ledger.read().await?.ok_or_else(|| {
            WorkError::lost_lease("the work was taken over, revoked or superseded: its permit is gone")
        })?;
        *self.last.lock().expect("no holder of this lock panics") = Some((asked, reading.clone()));
        Ok(reading)
    }

    fn still_fresh(&self) -> Option<Reading> {
        let last = self.last.lock().expect("no holder of this lock panics");
        last.as_ref().filter(|(at, _)| at.elapsed() < self.fresh_for).map(|(_, reading)| reading.clone())
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
