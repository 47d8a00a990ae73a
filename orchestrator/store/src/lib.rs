//! The catalogue's database: SQLite (one machine) or Postgres (many), through one set of SQL statements.
//!
//! Callers write SQL in the modules that own a table, bind every value, and run it inside a [`Tx`]. There is no way to run
//! a statement outside a transaction, so that none slips out of the one it belongs to.

mod bell;
mod clock;
mod error;
mod faults;
mod migrate;
mod open;
mod pooler;
mod postgres;
mod row;
mod rows;
mod server_checks;
mod silence;
mod sql;
mod sqlite;
mod tx;

pub use clock::{Clock, ManualClock, SystemClock};
pub use error::StoreError;
pub use faults::{Admission, CommitFate, Faults, Held};
pub use migrate::SchemaVersions;
pub use open::{Store, StoreUrl};
pub use row::Row;
pub use rows::Rows;
pub use sql::{Sql, Value, sql};
pub use tx::Tx;

/// Milliseconds since the Unix epoch.
pub type Millis = i64;
