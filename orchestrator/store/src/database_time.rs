//! The time by which leases are judged, within a transaction.

use crate::Millis;
use crate::error::StoreError;
use crate::sql::{clock, sql};
use crate::tx::{Tx, TxInner};

impl Tx {
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
}
