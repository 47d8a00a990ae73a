//! Gathers what a plan depends on from the catalogue, in the caller's transaction.

use std::collections::BTreeMap;

use catalogue::ledger::{self, EntryState};
use catalogue::tenants::Tenant;
use catalogue::topologies::{self, StoredTopology};
use catalogue::topology::Topology;
use catalogue::{placements, tenants};
use store::{StoreError, Tx};

use crate::plan::{Load, Placed, Plan, PlanError, PlanInput, plan};
use crate::refusal::Refusal;

/// The topology in force, or the advice to apply one.
pub async fn topology(tx: &mut Tx) -> Result<StoredTopology, Refusal> {
    topologies::current(tx).await?.ok_or_else(no_topology)
}

/// The topology in force, which nobody replaces before this transaction ends.
pub async fn pinned_topology(tx: &mut Tx) -> Result<StoredTopology, Refusal> {
    topologies::pin(tx).await?.ok_or_else(no_topology)
}

fn no_topology() -> Refusal {
    Refusal::conflict("no_topology", "no topology has been applied yet: run `realmctl topology apply FILE` first")
}

/// The tenant, or a refusal that says how to find the right id.
pub async fn tenant(tx: &mut Tx, id: &str) -> Result<Tenant, Refusal> {
    tenants::get(tx, id).await?.ok_or_else(|| {
        Refusal::not_found("unknown_tenant", format!("there is no tenant {id}: `realmctl tenants list` shows all"))
    })
}

/// The plan that would move `tenant` to the realm `to` now.
pub async fn plan_move(tx: &mut Tx, tenant: &Tenant, to: &str) -> Result<Plan, Refusal> {
    let stored = topology(tx).await?;
    let load = placements::load(tx).await?;
    let placements = placed(tx, &tenant.id, &stored.topology).await?;
    plan_with((&stored, &load), (tenant, &placements), to)
}

/// The same from what was read before: for whoever plans many.
pub fn plan_with(
    (stored, load): (&StoredTopology, &Load),
    (tenant, placements): (&Tenant, &Placements),
    to: &str,
) -> Result<Plan, Refusal> {
    let input = PlanInput {
        topology: &stored.topology,
        version: &stored.hash,
        tenant: &tenant.id,
        epoch: tenant.epoch,
        from: &tenant.realm,
        to,
        placements,
        load,
    };
    plan(&input).map_err(|error| refuse(&error))
}

/// Where a tenant is placed, by service.
pub type Placements = BTreeMap<String, Placed>;

/// Where the tenant is placed, with the live locations as the ledger stores them.
pub async fn placed(tx: &mut Tx, tenant: &str, topology: &Topology) -> Result<Placements, StoreError> {
    let shards = placements::of_tenant(tx, tenant).await?;
    let entries = ledger::of_tenant(tx, tenant).await?;
    Ok(shards
        .into_iter()
        .map(|(service, shard)| {
            let live = entries.iter().filter(|entry| entry.service == service && entry.state == EntryState::Live);
            let locations = live.map(|entry| topology.refresh(&service, &entry.location)).collect();
            (service, Placed { shard, locations })
        })
        .collect())
}

fn refuse(error: &PlanError) -> Refusal {
    let advice = match error {
        PlanError::UnknownRealm { .. } => "; `realmctl topology show` lists the realms",
        PlanError::NotAdopted { .. } => "; mark the service `optional: true` in the topology, and moves leave it alone",
        PlanError::NoShard { .. } => "; add a shard there, or mark the service `optional: true`",
        _ => "",
    };
    let message = format!("{error}{advice}");
    match error {
        PlanError::UnknownRealm { .. } => Refusal::not_found(error.code(), message),
        _ => Refusal::conflict(error.code(), message),
    }
}
