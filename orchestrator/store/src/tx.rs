//! A transaction. Dropping it without [`Tx::commit`] rolls it back.

use std::sync::Arc;

use crate::Millis;
use crate::bell::Bell;
use crate::clock::Clock;
use crate::error::StoreError;
use crate::faults::{CommitFate, Faults, Held};
use crate::postgres::PostgresTx;
use crate::sql::{clock, sql};

/// An open transaction.
pub struct Tx {
    pub(crate) inner: TxInner,
    clock: Arc<dyn Clock>,
    bell: Arc<Bell>,
    announces: bool,
    faults: Option<Arc<dyn Faults>>,
    /// Dropped last, when the transaction has ended.
    _held: Option<Held>,
}

pub(crate) enum TxInner {
    Sqlite(sqlx::Transaction<'static, sqlx::Sqlite>),
    Postgres(PostgresTx),
}

impl Tx {
    pub(crate) fn new(
        inner: TxInner,
        clock: Arc<dyn Clock>,
        bell: Arc<Bell>,
        faults: Option<Arc<dyn Faults>>,
        held: Option<Held>,
    ) -> Self {
        Self { inner, clock, bell, announces: false, faults, _held: held }
    }

    /// Once this transaction is committed, runners that wait for work are told that some is due.
    pub fn announce(&mut self) {
        self.announces = true;
    }

    /// The time by which leases are judged. On Postgres the database's `clock_timestamp()`, read anew at each call, so
    /// ask *after* a lock is held; on SQLite, where every process shares a machine, that machine's clock.
    pub async fn now(&mut self) -> Result<Millis, StoreError> {
        if self.asks_the_database() {
            return sql(concat!("SELECT ", clock!(), " AS now")).fetch_one(self).await?.int("now");
        }
        Ok(self.clock.now())
    }

    /// Whether the time is the database's, which costs a round trip unless a statement brings it along.
    pub(crate) fn asks_the_database(&self) -> bool {
        matches!(self.inner, TxInner::Postgres(_)) && !self.clock.overrides_database()
    }

    /// Commits. An `Unavailable` error here means that the outcome is unknown: read the row again.
    pub async fn commit(self) -> Result<(), StoreError> {
        let fate = self.faults.as_ref().map_or(CommitFate::Made, |faults| faults.commit());
        if fate == CommitFate::NotMade {
            self.rollback().await?;
            return Err(StoreError::broken_off());
        }
        match self.inner {
            TxInner::Sqlite(tx) => tx.commit().await?,
            TxInner::Postgres(PostgresTx { tx, with_server, .. }) => with_server.answer(tx.commit()).await?,
        }
        if self.announces {
            self.bell.ring();
        }
        if fate == CommitFate::ReplyLost { Err(StoreError::broken_off()) } else { Ok(()) }
    }

    /// Rolls back and waits until the database has done so.
    pub async fn rollback(self) -> Result<(), StoreError> {
        match self.inner {
            TxInner::Sqlite(tx) => tx.rollback().await?,
            TxInner::Postgres(PostgresTx { tx, with_server, .. }) => with_server.answer(tx.rollback()).await?,
        }
        Ok(())
    }
}
