//! Has a store be reached at another address, once both are proved to lead to the same one. What it is called, in the ledger and in plans,
//! stays, and so does everything that is under way.

use std::collections::BTreeMap;

use catalogue::location::{Address, Location};
use catalogue::topologies::{self, StoredTopology};
use catalogue::topology::{AddressError, EndpointKind, Topology};
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::Tx;

use super::{Applied, How, put_in_force, topology_tag};
use crate::actor::Actor;
use crate::deployment::Deployment;
use crate::places::place_of;
use crate::planning;
use crate::precondition::Precondition;
use crate::refusal::Refusal;
use crate::unit_limits::{limited_movers, store_name};

/// Stands where a tenant's id does in what is asked for; nothing of a tenant is looked at.
const NOBODY: &str = "realmctl-nobody";

/// Another address for a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rename {
    /// The region.
    pub region: String,
    /// Which kind of store in it.
    pub kind: EndpointKind,
    /// Where it is reached from now on.
    pub address: String,
    /// In which topology.
    #[serde(default)]
    pub on: Precondition,
}

/// From now on the store of that kind in the region is reached at `address`. Nothing changes unless every table or bucket there that a shard
/// may use is the same by both.
///
/// # Errors
/// `unknown_region`; `address_invalid`; `another_store`; `store_not_asked` when one of the two does not answer; `topology_changed` when
/// somebody else has changed it meanwhile.
pub async fn rename_endpoint(
    deployment: &Deployment,
    (region, kind): (&str, EndpointKind),
    address: &str,
    actor: &Actor,
) -> Result<Applied, Refusal> {
    let (region, address) = (region.to_owned(), address.to_owned());
    rename(deployment, &Rename { region, kind, address, on: Precondition::Any }, actor).await
}

/// The same if the topology in force is the one that the caller has seen.
pub async fn rename(deployment: &Deployment, asked: &Rename, actor: &Actor) -> Result<Applied, Refusal> {
    let proven = prove_rename(deployment, asked).await?;
    if !proven.changes() {
        return Ok(Applied { stored: proven.current, changed: false, consequences: Vec::new() });
    }
    let mut tx = deployment.store.begin().await?;
    let applied = put_proven_in(deployment, &mut tx, (asked, proven), actor).await?;
    tx.commit().await?;
    Ok(applied)
}

/// A topology in which a store is reached at another address, and the one that it was made from.
pub(crate) struct Proven {
    current: StoredTopology,
    renamed: Topology,
}

impl Proven {
    /// Whether it says anything else.
    pub(crate) fn changes(&self) -> bool {
        self.renamed != self.current.topology
    }
}

/// Proves that both addresses lead to the same store. Changes nothing.
pub(crate) async fn prove_rename(deployment: &Deployment, asked: &Rename) -> Result<Proven, Refusal> {
    let Rename { region, kind, address, on } = asked;
    let mut tx = deployment.store.read().await?;
    let current = planning::topology(&mut tx).await?;
    tx.rollback().await?;
    on.check(&topology_tag(&current), "the topology")?;
    let renamed = current.topology.with_address(region, *kind, address).map_err(|error| match error {
        AddressError::UnknownRegion(_) => Refusal::not_found("unknown_region", error.to_string()),
        AddressError::Invalid(_) => Refusal::invalid("address_invalid", error.to_string()),
    })?;
    if renamed != current.topology {
        for site in sites(&current.topology, &renamed, *kind) {
            prove(deployment, &site, &renamed, address).await?;
        }
    }
    Ok(Proven { current, renamed })
}

/// One location of each table or bucket that would be reached in another way.
fn sites(before: &Topology, after: &Topology, kind: EndpointKind) -> Vec<Location> {
    let is_moved = |site: &Location| {
        let (of, endpoint) = match &site.address {
            Address::Dynamodb { endpoint, .. } => (EndpointKind::Dynamodb, endpoint),
            Address::S3 { endpoint, .. } => (EndpointKind::S3, endpoint),
            Address::Hooks { .. } => return false,
        };
        let store = kind.store(&site.region, endpoint.as_deref());
        of == kind && before.addresses().get(&store) != after.addresses().get(&store)
    };
    let shards =
        before.services.iter().flat_map(|(name, service)| service.shards.iter().map(move |shard| (name, shard)));
    let all = shards.filter_map(|(service, shard)| before.locations(service, &shard.shard, NOBODY).ok()).flatten();
    let moved: BTreeMap<String, Location> = all.filter(is_moved).map(|site| (site.key(), site)).collect();
    moved.into_values().collect()
}

async fn prove(deployment: &Deployment, site: &Location, renamed: &Topology, address: &str) -> Result<(), Refusal> {
    let movers = limited_movers(deployment).await?;
    let what = match &site.address {
        Address::Dynamodb { table, .. } => format!("table {table}"),
        Address::S3 { bucket, .. } => format!("bucket {bucket}"),
        Address::Hooks { .. } => return Ok(()),
    };
    let there = (renamed.addresses(), store_name as workers::StoreName);
    match movers.is_also_reached(&place_of(site), there, NOBODY).await {
        Ok(true) => Ok(()),
        Ok(false) => {
            let message = format!(
                "{what} at {address} is another one than the {what} that is in use in {}: nothing was changed. Tenants' data is moved by \
                 moves, to a region or shard of its own",
                site.region
            );
            Err(Refusal::conflict("another_store", message))
        }
        Err(error) => {
            let message = format!(
                "nothing was changed: whether {address} leads to the {what} that is in use in {} could not be found out, because it does \
                 not answer, or the address in use does not (both have to): {error}",
                site.region
            );
            Err(Refusal::conflict("store_not_asked", message))
        }
    }
}

/// Puts it in force, if nobody has changed the topology since it was proved.
pub(crate) async fn put_proven_in(
    deployment: &Deployment,
    tx: &mut Tx,
    (asked, proven): (&Rename, Proven),
    actor: &Actor,
) -> Result<Applied, Refusal> {
    let current = topologies::pin(tx).await?;
    if current.as_ref().is_none_or(|current| current.version != proven.current.version) {
        let message = "the topology was changed by somebody else meanwhile; no changes were made: try again";
        return Err(Refusal::conflict("topology_changed", message));
    }
    let says = json!({ "region": asked.region, "kind": asked.kind, "address": asked.address });
    let how = How { action: "topology.rename_endpoint", says };
    let stored = put_in_force(deployment, tx, (current.as_ref(), proven.renamed), how, actor).await?;
    Ok(Applied { stored, changed: true, consequences: Vec::new() })
}
