//! The catalogue's database: SQLite (one machine) or Postgres (many), through one set of SQL statements.
//!
//! Callers write SQL in the modules that own a table, bind every value, and run it inside a [`Tx`]. There is no way to run
//! a statement outside a transaction, so that none slips out of the one it belongs to.

mod applied_versions;
mod clock;
mod database_time;
mod error;
mod faults;
mod pg_notify;
mod migrate;
mod notifier;
mod open;
mod pooler;
mod postgres;
mod row;
mod rows;
mod schema_versions;
mod server_checks;
mod dead_peer;
mod sql;
mod sqlite;
mod timeouts;
mod tx;

pub use clock::{Clock, ManualClock, SystemClock};
pub use error::StoreError;
pub use faults::{Admission, CommitFate, Faults, Held};
pub use open::{Store, StoreUrl};
pub use row::Row;
pub use rows::Rows;
pub use schema_versions::SchemaVersions;
pub use sql::{Sql, Value, sql};
pub use tx::Tx;

/// Milliseconds since the Unix epoch.
pub type Millis = i64;
