//! What realmctl does with tenants: creating them, moving them between realms, and removing what a move left behind.
//!
//! **The idea.** The catalogue says where data of a tenant may be, in a ledger with an entry for each location. Nothing is written or
//! deleted without a permit that a fresh reading of the ledger gave, so that a process that was lost or paused can do no harm later.
//! A move is then a set difference: the locations of the new realm that the tenant has not yet are added and compared while it is
//! offline, one transaction switches placements, realm, status and ledger, and what is in neither is removed afterwards. Whatever happens
//! in between, one other transaction brings the tenant back online where it was.
//!
//! **The types.** [`plan::Plan`] is that difference, made by pure functions of [`plan`] and shown by [`dry_run`]. [`realm_move::RealmMove`]
//! carries it out, one file a state; [`removal::Removal`] and [`removal::Recheck`] empty what is left; [`campaign::Campaign`] starts many
//! moves; [`provision::Provision`] prepares a new tenant. All are [`engine::Workflow`]s, which [`registry`] lists with the tasks of
//! [`data_tasks`]: these hand the bytes to the movers of the `workers` crate. A [`Deployment`] is what they share. People act on them by
//! [`controls`], ask about them by [`explain`], and may do what [`access`] says.

// Each module uses only modules that stand above it here: tests/architecture holds that.
pub mod timestamps;
pub mod timing;
pub mod refusal;
pub mod precondition;
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
pub mod webhook_settings;
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
pub mod webhooks;

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
pub mod approval;
pub mod upgrade_check;

pub use deployment::Deployment;
pub use registry::registry;
pub use workers::host;
