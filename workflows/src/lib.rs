//! What realmctl does with tenants: creating them, moving them between realms, and removing what a move left behind.
//!
//! `plan` decides what a move would do; `realm_move` does it, one file a state; `removal` empties what is left; `campaign` moves many;
//! `data_tasks` hands the bytes to the movers with permits from the ledger.

// Each module uses only modules that stand above it here: tests/architecture holds that.
pub mod timestamps;
pub mod timing;
pub mod refusal;
pub mod error_codes;
pub mod actor;
mod audit_entries;
pub mod amount;
pub mod explanation;
mod mover_errors;
pub mod places;
pub mod partitioning;
pub mod scopes;
mod known_limits;
mod database_clock;
pub mod deployment;
pub mod plan;
pub mod planning;
pub mod replica_sets;

// What holds work back.
mod pauses;
pub mod capacity;
pub mod unit_limits;
pub mod clock_checks;
mod host_fitness;
pub mod audit_seal;

// The work.
pub mod data_tasks;
mod in_doubt;
pub mod worker_there;
pub mod removal;
pub mod realm_move;
pub mod provision;
pub mod campaign;
mod registry;

// What people ask and change.
pub mod access;
pub mod explain;
pub mod dry_run;
pub mod controls;
pub mod topology_change;
pub mod upgrade_check;

pub use deployment::Deployment;
pub use registry::registry;
pub use workers::host;
