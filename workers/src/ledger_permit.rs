//! Permits: every write to and delete from a data store takes one, and only a reading of the ledger hands one out.
//!
//! The ledger itself lives in the catalogue; this crate knows it through the [`Ledger`] trait. A permit proves that the
//! entry was read a moment ago and allowed the work. A check alone could not fence a process that is paused between it and the
//! request, so each request is signed with the time of the reading, and the store refuses it once that is too old.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use tokio::time::Instant;

use crate::error::{Treatment, WorkError};
use crate::failure::{REQUEST_TOO_OLD, Site};
use crate::fingerprint::{Fingerprint, Mark};
use crate::late_writes::LATE_WRITES;
use crate::store_clocks::{ClockWatch, Read};
use crate::unanswered::{ANSWERS_WITHIN, Nobody, Outstanding, Sent};

/// What the ledger says about one entry (tenant, service, location) right now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryFacts {
    /// The entry's state.
    pub state: EntryState,
    /// Whether a current placement of the tenant includes this location.
    pub placed: bool,
}

/// A reading of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// What it said.
    pub facts: EntryFacts,
    /// When it was read, by the database's clock and not after what was read: requests are signed with it.
    pub at: SystemTime,
}

/// The states of a ledger entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryState {
    /// No data of the tenant may be there.
    Absent,
    /// A move is adding data.
    Adding,
    /// The tenant's data lives there.
    Live,
    /// A removal is emptying it.
    Removing,
}

/// The ledger as one unit of work sees it: bound to one entry, its generation, the epoch and the fence of the work.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Reads the entry. `None` when its generation, the tenant's epoch or the workflow's fence is no longer the one that
    /// this work was started under.
    async fn read(&self) -> Result<Option<Reading>, WorkError>;
}

/// Proof that the entry was `adding` under our epoch and fence when it was last read.
#[derive(Debug)]
pub struct WritePermit(SystemTime, i64);

impl WritePermit {
    /// When the ledger was read, by the database's clock: what the request is signed with.
    pub(crate) fn read_at(&self) -> SystemTime {
        self.0
    }

    /// The entry's generation.
    pub(crate) fn generation(&self) -> i64 {
        self.1
    }
}

/// Proof that the entry was `live`, and that a placement includes the location, when it was last read.
#[derive(Debug)]
pub struct LivePermit(SystemTime, i64);

impl LivePermit {
    /// When the ledger was read, by the database's clock: what the request is signed with.
    pub(crate) fn read_at(&self) -> SystemTime {
        self.0
    }

    /// The entry's generation.
    pub(crate) fn generation(&self) -> i64 {
        self.1
    }
}

/// Proof that the entry was `removing`, and that no placement includes the location, when it was last read.
#[derive(Debug)]
pub struct RemovalPermit(SystemTime, i64);

impl RemovalPermit {
    /// When the ledger was read, by the database's clock: what the request is signed with.
    pub(crate) fn read_at(&self) -> SystemTime {
        self.0
    }

    /// The entry's generation.
    pub(crate) fn generation(&self) -> i64 {
        self.1
    }
}

/// Hands out permits, reading the ledger again once the last reading is older than `fresh_for`.
pub struct Permits<'a> {
    ledger: &'a dyn Ledger,
    fresh_for: Duration,
    last: Mutex<Option<(Read, Reading)>>,
    watch: Option<ClockWatch>,
    outstanding: Arc<dyn Outstanding>,
    generation: i64,
    seen: Option<Mutex<Fingerprint>>,
}

impl<'a> Permits<'a> {
    /// Permits from `ledger`; a reading is used for at most `fresh_for`.
    pub fn new(ledger: &'a dyn Ledger, fresh_for: Duration) -> Self {
        let (last, outstanding) = (Mutex::new(None), Arc::new(Nobody));
        Self { ledger, fresh_for, last, watch: None, outstanding, generation: 0, seen: None }
    }

    /// The same for an entry of this generation, which the ledger has to be bound to: services with hooks are told it.
    #[must_use]
    pub fn of_generation(mut self, generation: i64) -> Self {
        self.generation = generation;
        self
    }

    /// The generation of the entry.
    pub(crate) fn generation(&self) -> i64 {
        self.generation
    }

    /// The same, refused while the database's clock and the store's differ by more than they may.
    #[must_use]
    pub fn watching(mut self, watch: ClockWatch) -> Self {
        self.watch = Some(watch);
        self
    }

    /// The same for deletes of nothing but what was seen there before: what a move verified, or somebody was shown.
    #[must_use]
    pub fn of_seen(mut self, seen: Fingerprint) -> Self {
        self.seen = Some(Mutex::new(seen));
        self
    }

    /// These have been deleted: what is there under their keys from now on is something else.
    pub(crate) fn forget_seen(&self, deleted: &[Mark]) {
        if let Some(seen) = &self.seen {
            let mut seen = seen.lock().expect("no holder of this lock panics");
            deleted.iter().for_each(|mark| seen.forget(*mark));
        }
    }

    /// Makes sure that all of what is about to be deleted was seen before; of objects their keys.
    ///
    /// # Errors
    /// `late_writes`.
    pub(crate) fn check_seen(&self, site: &Site, marks: &[Mark], by_key: bool) -> Result<(), WorkError> {
        let Some(seen) = &self.seen else { return Ok(()) };
        let seen = seen.lock().expect("no holder of this lock panics");
        let unseen = marks.iter().filter(|mark| if by_key { !seen.has_key(**mark) } else { !seen.has(**mark) }).count();
        if unseen == 0 {
            return Ok(());
        }
        let message = format!(
            "{unseen} of the next {} items of {site} were not there, or were other, when it was compared",
            marks.len()
        );
        Err(WorkError::permanent(LATE_WRITES, message))
    }

    /// The same for work of which `outstanding` is told what it sends, and which may be told to send nothing more.
    #[must_use]
    pub fn reporting(mut self, outstanding: Arc<dyn Outstanding>) -> Self {
        self.outstanding = outstanding;
        self
    }

    /// Sends a request made under a permit that was read `at`: until it is answered it may still act, whatever becomes of us.
    /// A store that finds the permit too old gets one read anew.
    pub(crate) async fn answered<T>(
        &self,
        at: SystemTime,
        request: impl Future<Output = Result<T, WorkError>>,
    ) -> Result<T, WorkError> {
        let sent = Sent::now(&*self.outstanding, at);
        let answer = request.await;
        sent.ended(answer.as_ref().is_err_and(|error| error.unanswered));
        if answer.as_ref().is_err_and(|error| error.code == REQUEST_TOO_OLD) {
            *self.last.lock().expect("no holder of this lock panics") = None;
        }
        answer
    }

    /// A permit to write to the location, or [`WorkError`] with treatment `LostLease` when the ledger does not allow it.
    pub async fn write(&self) -> Result<WritePermit, WorkError> {
        let Reading { facts, at } = self.reading().await?;
        match facts {
            EntryFacts { state: EntryState::Adding, .. } => Ok(WritePermit(at, self.generation)),
            other => Err(refused("write to", &other)),
        }
    }

    /// A permit to delete from the location, or [`WorkError`] with treatment `LostLease` when the ledger does not allow it.
    pub async fn removal(&self) -> Result<RemovalPermit, WorkError> {
        let Reading { facts, at } = self.reading().await?;
        match facts {
            EntryFacts { state: EntryState::Removing, placed: false } => Ok(RemovalPermit(at, self.generation)),
            other => Err(refused("delete from", &other)),
        }
    }

    /// A permit to say that the location is in use, or [`WorkError`] with treatment `LostLease` when it is not.
    pub async fn live(&self) -> Result<LivePermit, WorkError> {
        let Reading { facts, at } = self.reading().await?;
        match facts {
            EntryFacts { state: EntryState::Live, placed: true } => Ok(LivePermit(at, self.generation)),
            other => Err(refused("announce", &other)),
        }
    }

    async fn reading(&self) -> Result<Reading, WorkError> {
        let reading = match self.read().await {
            Err(error) if error.treatment == Treatment::LostLease => {
                // Whoever hears of it first stops all others of the work: their requests shall have their answers before.
                self.outstanding.all_ended(ANSWERS_WITHIN).await;
                return Err(error);
            }
            read => read?,
        };
        if self.outstanding.is_held() {
            // What is in flight is being waited for, and then this work is dropped: no more is to be sent.
            std::future::pending::<()>().await;
        }
        Ok(reading)
    }

    async fn read(&self) -> Result<Reading, WorkError> {
        if let Some((read, reading)) = self.still_fresh() {
            return self.in_time(read).map(|()| reading);
        }
        let asked = Instant::now();
        let reading = self.ledger.read().await?.ok_or_else(|| {
            WorkError::lost_lease("the work was taken over, revoked or superseded: its permit is gone")
        })?;
        let read = Read { asked, read: Instant::now(), at: reading.at };
        *self.last.lock().expect("no holder of this lock panics") = Some((read, reading.clone()));
        self.in_time(read).map(|()| reading)
    }

    /// Whether what is signed with the time of this reading is accepted for as long as it is waited for, and no longer.
    fn in_time(&self, read: Read) -> Result<(), WorkError> {
        self.watch.as_ref().map_or(Ok(()), |watch| watch.check(read))
    }

    fn still_fresh(&self) -> Option<(Read, Reading)> {
        let last = self.last.lock().expect("no holder of this lock panics");
        last.clone().filter(|(read, _)| read.asked.elapsed() < self.fresh_for)
    }
}

fn refused(what: &str, facts: &EntryFacts) -> WorkError {
    let why = if facts.placed && facts.state == EntryState::Removing {
        "it is part of the tenant's placement".to_owned()
    } else {
        format!("its ledger entry is {:?}", facts.state).to_lowercase()
    };
    WorkError::lost_lease(format!("the ledger does not permit to {what} the location: {why}"))
}
