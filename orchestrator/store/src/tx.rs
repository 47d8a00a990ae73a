//! A transaction. Dropping it without [`Tx::commit`] rolls it back.

use std::sync::Arc;

use crate::clock::Clock;
use crate::error::StoreError;
use crate::faults::{CommitFate, Faults, Held};
use crate::notifier::Notifier;
use crate::postgres::PostgresTx;

/// An open transaction.
pub struct Tx {
    pub(crate) inner: TxInner,
    pub(crate) clock: Arc<dyn Clock>,
    notifier: Arc<Notifier>,
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
        notifier: Arc<Notifier>,
        faults: Option<Arc<dyn Faults>>,
        held: Option<Held>,
    ) -> Self {
        Self { inner, clock, notifier, announces: false, faults, _held: held }
    }

    /// Once this transaction is committed, runners that wait for work are told that some is due.
    pub fn announce(&mut self) {
        self.announces = true;
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
            self.notifier.notify();
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
