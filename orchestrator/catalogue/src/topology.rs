//! The topology: which regions, realms, services and shards there are, and where each shard keeps a tenant's data.
//!
//! Reads the YAML file that platform engineers write, reports every mistake in it at once with its line, and judges
//! whether an edit is safe while tenants are placed. It stores nothing and calls nobody: the catalogue's SQL does that.

mod addresses;
mod canonical;
mod edit;
mod endpoint;
mod limits;
mod lines;
mod model;
mod names;
mod node;
mod overlap;
mod problem;
mod read;
mod read_service;
mod resolve;
mod validate;
mod validate_store;

pub use addresses::{AddressError, EndpointKind};
pub use edit::InUse;
pub(crate) use endpoint::{dynamodb_identity, dynamodb_place, hooks_identity, s3_identity, s3_place};
pub use limits::{UNITS_MAX, UnitLimits};
pub use lines::Lines;
pub use model::{Consistency, Endpoint, Realm, Region, Replication, Service, Shard, StoreSpec, Topology};
pub(crate) use names::is_plain_name;
pub use problem::Problem;
pub use resolve::LocationError;

#[cfg(test)]
mod tests;
