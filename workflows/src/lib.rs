//! What realmctl does with tenants: creating them, moving them between realms, and removing what a move left behind.
//!
//! `plan` decides what a move would do; `realm_move` does it, one file a state; `removal` empties what is left; `campaign` moves many;
//! `data_tasks` hands the bytes to the movers with permits from the ledger.

mod audited;
pub mod campaign;
pub mod capacity;
pub mod clocks;
pub mod controls;
pub mod data_tasks;
pub mod deployment;
pub mod explain;
mod host_fitness;
pub mod plan;
pub mod planning;
pub mod provision;
mod quiet;
pub mod realm_move;
pub mod refusal;
pub mod removal;
pub mod replica_sets;
pub mod requester;
pub mod timestamps;
pub mod timing;
pub mod topology_change;
pub mod unit_limits;
pub mod upgrade_check;
pub mod worker_there;

pub use deployment::Deployment;
pub use workers::host;
