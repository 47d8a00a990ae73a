//! The plan of a move: for each service, what is added, kept and removed, and why nothing else is touched.
//!
//! Pure: a topology, the tenant's placements and the load in, a plan out. It reads no store and writes nothing; the
//! same inputs always give the same plan, whose hash ties an approval to exactly what was approved.

mod binding;
mod build;
mod choose_shard;
mod difference;

use std::collections::BTreeMap;

use catalogue::location::Location;
use catalogue::topology::{LocationError, Topology};
use serde::{Deserialize, Serialize};

pub use binding::changed_since;
pub use build::plan;
pub use choose_shard::{Load, choose_shard};
pub use difference::{Difference, difference};

#[cfg(test)]
mod tests;

/// Everything a plan depends on.
#[derive(Debug, Clone, Copy)]
pub struct PlanInput<'a> {
    /// The topology in force.
    pub topology: &'a Topology,
    /// Its [`Topology::version_hash`], which takes long to compute for every tenant anew.
    pub version: &'a str,
    /// The tenant's id.
    pub tenant: &'a str,
    /// The tenant's epoch.
    pub epoch: i64,
    /// The realm the tenant is in.
    pub from: &'a str,
    /// The realm it shall be in; the same one for a rebalance.
    pub to: &'a str,
    /// Where the tenant is placed, by service.
    pub placements: &'a BTreeMap<String, Placed>,
    /// Tenants on each (service, shard); a shard that is missing has none.
    pub load: &'a Load,
}

/// A tenant's placement in one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Placed {
    /// The shard.
    pub shard: String,
    /// The live locations as the ledger stores them, the primary first.
    pub locations: Vec<Location>,
}

/// What a move does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The tenant that moves.
    pub tenant: String,
    /// The realm it leaves.
    pub from: String,
    /// The realm it goes to.
    pub to: String,
    /// The tenant's epoch when the plan was made.
    pub epoch: i64,
    /// [`Topology::version_hash`] of the topology the plan was made with, for people: the plan is bound to less than that.
    pub topology_version: String,
    /// One entry for each service the tenant is placed in, by name.
    pub services: Vec<ServicePlan>,
    /// Optional services in which the tenant is not placed; the move leaves them alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_adopted: Vec<String>,
}

/// What a move does in one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServicePlan {
    /// The service.
    pub service: String,
    /// The shard the tenant is on.
    pub from_shard: Option<String>,
    /// The shard it goes to; the same one when nothing changes.
    pub to_shard: String,
    /// Locations that get the tenant's data: new \ old, in the order of the new shard's regions.
    pub add: Vec<Location>,
    /// Locations that have it and keep it: new ∩ old, in the order of the new shard's regions.
    pub keep: Vec<Location>,
    /// Locations that are emptied after the commit: old \ new, in the ledger's order.
    pub remove: Vec<Location>,
    /// Keys of the new shard's locations in the order of its regions: the first becomes the primary.
    pub order: Vec<String>,
    /// The old primary, which copies read and verification compares with. `None` when neither happens.
    pub source: Option<Location>,
    /// Replicas of this service may lag, so every kept location is compared with the source before the commit.
    pub compare_keep: bool,
    /// The service is optional and has no shard in the new realm: the data stays where it is.
    pub stays_out_of_realm: bool,
    /// What the tenant's partition keys begin with, as the service's owner states for the new shard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_prefix: Option<String>,
}

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// There is no such realm.
    #[error("there is no realm {realm}")]
    UnknownRealm {
        /// The realm asked for.
        realm: String,
    },
    /// A service that must move has no shard in the realm.
    #[error("service {service} has no shard that fits realm {realm}")]
    NoShard {
        /// The service.
        service: String,
        /// The realm.
        realm: String,
    },
    /// The tenant has no placement in a service that must move.
    #[error("the tenant is not placed in service {service}")]
    NotAdopted {
        /// The service.
        service: String,
    },
    /// The tenant is placed in a service that the topology no longer has.
    #[error("the tenant is placed in service {service}, which the topology does not have")]
    UnknownService {
        /// The service.
        service: String,
    },
    /// The ledger holds no live location for a placed service, so there is nothing to copy from.
    #[error("the ledger has no live location of the tenant in service {service}")]
    NoLiveLocation {
        /// The service.
        service: String,
    },
    /// The chosen shard's locations can't be named.
    #[error("the locations of a shard can't be named")]
    Location(#[from] LocationError),
    /// The tenant is in the realm already and on the shards it would be given.
    #[error("the tenant is in realm {realm} already, on the right shards")]
    NothingToDo {
        /// The realm.
        realm: String,
    },
}

impl PlanError {
    /// A stable name for programs and for people searching the runbooks. Never renamed.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownRealm { .. } => "unknown_realm",
            Self::NoShard { .. } => "no_shard",
            Self::NotAdopted { .. } => "not_adopted",
            Self::UnknownService { .. } => "unknown_service",
            Self::NoLiveLocation { .. } => "no_live_location",
            Self::Location(_) => "no_location",
            Self::NothingToDo { .. } => "nothing_to_do",
        }
    }
}

impl Plan {
    /// BLAKE3 in hex over the tenant and its epoch, the realms, and what is done in every service: shards, physical locations and
    /// how they are reached; that is what [`changed_since`] compares. How a location is called is not part of it, nor is the rest
    /// of the topology.
    pub fn hash(&self) -> String {
        let services: Vec<_> = self.services.iter().map(ServicePlan::essence).collect();
        let text = serde_json::to_string(&(&self.tenant, self.epoch, &self.from, &self.to, services))
            .expect("plans serialise: they have string keys and no failing impls");
        blake3::hash(text.as_bytes()).to_hex().to_string()
    }

    /// Whether the tenant must go offline: something is copied, or lagging replicas have to be compared at rest.
    pub fn needs_offline(&self) -> bool {
        self.services.iter().any(|service| !service.add.is_empty() || service.compare_keep)
    }

    /// Whether a replica is left that no copy reads.
    pub fn leaves_replicas(&self) -> bool {
        self.services.iter().any(|service| service.left_replicas().next().is_some())
    }

    /// Whether committing this plan would change anything: the realm, a shard or a location.
    pub fn changes_anything(&self) -> bool {
        self.from != self.to || self.services.iter().any(ServicePlan::changes_anything)
    }
}

impl ServicePlan {
    /// Notes which table each location was found to be, by the location's key.
    pub(crate) fn are_tables(&mut self, found: &BTreeMap<String, String>) {
        for location in self.add.iter_mut().chain(&mut self.keep).chain(&mut self.remove).chain(&mut self.source) {
            location.table_id = found.get(&location.key()).cloned();
        }
    }

    /// The locations that are left and that nothing else reads: replicas, each of which must be shown to hold
    /// nothing but what a copy that stays has as well, before it is emptied.
    pub fn left_replicas(&self) -> impl Iterator<Item = &Location> {
        // The source is copied, or every location that is kept is compared with it.
        let read = self.source.as_ref().map(Location::key);
        self.remove.iter().filter(move |left| Some(left.key()) != read)
    }

    /// The copy that stays with which they are compared: one that is kept, or else one that is added.
    pub fn staying(&self) -> Option<&Location> {
        let position = |at: &&Location| self.order.iter().position(|key| *key == at.key());
        self.keep.iter().min_by_key(position).or_else(|| self.add.iter().min_by_key(position))
    }

    /// Whether the shard or a location changes.
    pub fn changes_anything(&self) -> bool {
        self.from_shard.as_ref() != Some(&self.to_shard) || !self.add.is_empty() || !self.remove.is_empty()
    }
}
