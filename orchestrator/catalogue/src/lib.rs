//! The system of record: which tenant lives in which realm, on which shard of each service, and where its data may be.
//!
//! SQL stands in these modules only; their functions take a transaction and never open one. What moves tenants lives in
//! the `workflows` crate.

pub mod kept_answers;
pub mod approvals;
pub mod audit;
pub mod audit_chain;
pub mod campaigns;
pub mod capacity;
pub mod changes;
pub mod creation_keys;
pub mod fingerprints;
pub mod late_writes;
pub mod ledger;
pub mod location;
pub mod placements;
pub mod workflow_in_use;
pub mod placement_groups;
pub mod tenant_id;
pub mod sessions;
pub mod tenants;
pub mod tokens;
pub mod topologies;
pub mod topology;
pub mod webhook_deliveries;
pub mod webhooks;
