//! Creates a tenant: its host is reserved, shards are picked, and the cells are written before the first byte.
//!
//! One transaction, because no service takes part yet by hooks: either the tenant is online or there is none.

use std::collections::BTreeMap;

use catalogue::audit::{self, AuditEntry};
use catalogue::tenant_id::{Host, TenantId};
use catalogue::tenants::{Tenant, TenantStatus};
use catalogue::topology::Topology;
use catalogue::{changes, ledger, placements, tenants};
use serde_json::{Value, json};
use store::{StoreError, Tx};

use crate::deployment::Deployment;
use crate::plan::choose_shard;
use crate::planning;
use crate::refusal::Refusal;
use crate::requester::Requester;

/// What to create.
#[derive(Debug, Clone)]
pub struct NewTenant {
    /// Its id, never used before.
    pub id: TenantId,
    /// Its host, unique.
    pub host: Host,
    /// The realm in which its data shall rest.
    pub realm: String,
}

/// Creates the tenant, or finds it if it was created by the same request before; says which.
pub async fn create_tenant(
    deployment: &Deployment,
    new: &NewTenant,
    requester: &Requester,
) -> Result<(Tenant, bool), Refusal> {
    match try_create(deployment, new, requester).await {
        // Another request took the id or the host at the same moment: this time it is found.
        Err(Refusal::Store(StoreError::Duplicate(_))) => try_create(deployment, new, requester).await,
        other => other,
    }
}

async fn try_create(
    deployment: &Deployment,
    new: &NewTenant,
    requester: &Requester,
) -> Result<(Tenant, bool), Refusal> {
    let mut tx = deployment.store.begin().await?;
    if let Some(existing) = tenants::get(&mut tx, new.id.as_str()).await? {
        return same_or_refused(existing, new).map(|tenant| (tenant, false));
    }
    if let Some(other) = tenants::by_host(&mut tx, new.host.as_str()).await? {
        let message = format!("host {} belongs to tenant {}", new.host, other.id);
        return Err(Refusal::conflict("host_taken", message));
    }
    let topology = planning::pinned_topology(&mut tx).await?.topology;
    if !topology.realms.contains_key(&new.realm) {
        let message = format!("there is no realm {}: `realmctl topology show` lists them", new.realm);
        return Err(Refusal::not_found("unknown_realm", message));
    }
    let shards = pick_shards(&mut tx, &topology, &new.realm).await?;
    let tenant = Tenant {
        id: new.id.to_string(),
        host: Some(new.host.to_string()),
        realm: new.realm.clone(),
        created_in: new.realm.clone(),
        status: TenantStatus::Online,
        epoch: 1,
        mover: None,
        lease_until: None,
        created_at: tx.now().await?,
    };
    tenants::insert(&mut tx, &tenant).await?;
    for (service, shard) in &shards {
        place(&mut tx, &tenant.id, &topology, service, shard).await?;
    }
    let entry = AuditEntry {
        id: deployment.ids.next(),
        at: tenant.created_at,
        who: requester.who.clone(),
        action: "tenant.create".to_owned(),
        tenant: Some(tenant.id.clone()),
        why: requester.why.clone(),
        before: Value::Null,
        after: json!({ "host": tenant.host, "realm": tenant.realm, "shards": shards }),
    };
    audit::append(&mut tx, &entry).await?;
    changes::append(&mut tx, &tenant.id, tenant.epoch, "created").await?;
    tx.commit().await?;
    Ok((tenant, true))
}

/// The same request again finds the tenant, wherever it lives by now.
fn same_or_refused(existing: Tenant, new: &NewTenant) -> Result<Tenant, Refusal> {
    if existing.host.as_deref() == Some(new.host.as_str()) && existing.created_in == new.realm {
        return Ok(existing);
    }
    let host = existing.host.as_deref().unwrap_or("-");
    let message = format!(
        "tenant {} exists already, with host {host} in realm {}; ids are never reused",
        existing.id, existing.realm
    );
    Err(Refusal::conflict("tenant_exists", message))
}

/// A shard of every service; an optional service without one is left out.
async fn pick_shards(tx: &mut Tx, topology: &Topology, realm: &str) -> Result<BTreeMap<String, String>, Refusal> {
    let load = placements::load(tx).await?;
    let mut shards = BTreeMap::new();
    for (name, service) in &topology.services {
        match choose_shard(topology, name, realm, None, &load) {
            Some(shard) => drop(shards.insert(name.clone(), shard.shard.clone())),
            None if service.optional => {}
            None => {
                let message = format!(
                    "service {name} has no shard that fits realm {realm}: add one, or mark the service `optional: true`"
                );
                return Err(Refusal::conflict("no_shard", message));
            }
        }
    }
    Ok(shards)
}

async fn place(tx: &mut Tx, tenant: &str, topology: &Topology, service: &str, shard: &str) -> Result<(), Refusal> {
    let locations = topology
        .locations(service, shard, tenant)
        .map_err(|error| Refusal::conflict("no_location", error.to_string()))?;
    placements::put(tx, tenant, service, shard).await?;
    for (location, position) in locations.iter().zip(0..) {
        let key = location.key();
        let fresh = ledger::begin_adding(tx, tenant, service, location, None).await?.is_some()
            && ledger::become_live(tx, tenant, service, &key, None).await?
            && ledger::set_position(tx, tenant, service, &key, position).await?;
        if !fresh {
            let message = format!("the ledger already has a cell of {tenant} at {key}: ids are never reused");
            return Err(Refusal::conflict("tenant_exists", message));
        }
    }
    Ok(())
}
