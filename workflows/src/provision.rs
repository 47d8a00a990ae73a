//! Creates a tenant: its host is reserved, shards are picked, and the entries are written before the first byte.
//!
//! One transaction: either the tenant is online or there is none. Where services take part by hooks it is `provisioning` until they
//! are ready, which a workflow sees to. A tenant that a service would not prepare was never there for anybody: once what was prepared
//! is removed, it can be created again under its id.

mod undone;
mod workflow;

use std::collections::BTreeMap;

use catalogue::audit::{self, AuditEntry};
use catalogue::creation_keys::{self, Creation};
use catalogue::location::{Address, Location};
use catalogue::tenant_id::{Host, TenantId};
use catalogue::tenants::{Tenant, TenantStatus};
use catalogue::topology::Topology;
use catalogue::{changes, ledger, placements, tenants};
use engine::Workflow;
use engine::tables::workflow_table;
use engine::tables::workflow_table::NewWorkflow;
use serde_json::{Value, json};
use store::{StoreError, Tx};

use crate::actor::Actor;
use crate::deployment::Deployment;
use crate::plan::choose_shard;
use crate::planning;
use crate::refusal::Refusal;

pub use workflow::{Provision, ProvisionStage, ProvisionState, STATES};

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
pub async fn create_tenant(deployment: &Deployment, new: &NewTenant, actor: &Actor) -> Result<(Tenant, bool), Refusal> {
    create_tenant_by_key(deployment, new, None, actor).await
}

/// The same; another request with the same key finds this one's tenant, and is refused if it asks for something else.
pub async fn create_tenant_by_key(
    deployment: &Deployment,
    new: &NewTenant,
    idempotency_key: Option<&str>,
    actor: &Actor,
) -> Result<(Tenant, bool), Refusal> {
    match try_create(deployment, new, idempotency_key, actor).await {
        // Another request took the id, the host or the key at the same moment: this time it is found.
        Err(Refusal::Store(StoreError::Duplicate(_))) => try_create(deployment, new, idempotency_key, actor).await,
        other => other,
    }
}

async fn try_create(
    deployment: &Deployment,
    new: &NewTenant,
    idempotency_key: Option<&str>,
    actor: &Actor,
) -> Result<(Tenant, bool), Refusal> {
    let mut tx = deployment.store.begin().await?;
    let known = match idempotency_key {
        Some(key) => creation_keys::get(&mut tx, key).await?,
        None => None,
    };
    if let Some(first) = known.as_ref().filter(|first| **first != asked(new)) {
        let message = format!("that Idempotency-Key was used for another request, for tenant {}", first.tenant);
        return Err(Refusal::conflict("idempotency_key_reused", message));
    }
    let new_key = idempotency_key.filter(|_| known.is_none());
    let mut epoch = 1;
    if let Some(existing) = tenants::lock(&mut tx, new.id.as_str()).await? {
        if !undone::may_be_created_again(&mut tx, &existing).await? {
            let tenant = same_or_refused(existing, new)?;
            keep_key(&mut tx, new_key, new).await?;
            tx.commit().await?;
            return Ok((tenant, false));
        }
        epoch = existing.epoch + 1;
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
    let placed = locations(&topology, &shards, new.id.as_str())?;
    let hooked = placed.iter().any(|(_, locations)| locations.iter().any(is_hooked));
    let tenant = Tenant {
        id: new.id.to_string(),
        host: Some(new.host.to_string()),
        realm: new.realm.clone(),
        created_in: new.realm.clone(),
        status: if hooked { TenantStatus::Provisioning } else { TenantStatus::Online },
        epoch,
        active_move: None,
        lease_until: None,
        created_at: tx.now().await?,
    };
    if epoch == 1 {
        tenants::insert(&mut tx, &tenant).await?;
    } else {
        tenants::create_again(&mut tx, &tenant).await?;
    }
    keep_key(&mut tx, new_key, new).await?;
    let workflow = if hooked { Some(prepare(deployment, &mut tx, &tenant.id, actor).await?) } else { None };
    for (service, locations) in &placed {
        placements::put(&mut tx, &tenant.id, service, &shards[*service]).await?;
        place(deployment, &mut tx, (&tenant.id, service), locations, (workflow.as_deref(), actor)).await?;
    }
    let entry = AuditEntry {
        id: deployment.ids.next(),
        at: tenant.created_at,
        who: actor.who.clone(),
        origin: actor.origin.clone(),
        action: "tenant.create".to_owned(),
        tenant: Some(tenant.id.clone()),
        why: actor.why.clone(),
        before: Value::Null,
        after: json!({
            "host": tenant.host, "realm": tenant.realm, "shards": shards, "status": tenant.status.as_str(), "epoch": tenant.epoch,
        }),
    };
    audit::append(&mut tx, &entry).await?;
    changes::append(&mut tx, &tenant.id, tenant.epoch, "created").await?;
    tx.commit().await?;
    Ok((tenant, true))
}

/// What was asked for, as it is kept with a key: not the reason.
fn asked(new: &NewTenant) -> Creation {
    Creation { tenant: new.id.to_string(), host: new.host.to_string(), realm: new.realm.clone() }
}

async fn keep_key(tx: &mut Tx, key: Option<&str>, new: &NewTenant) -> Result<(), StoreError> {
    match key {
        Some(key) => creation_keys::keep(tx, key, &asked(new)).await,
        None => Ok(()),
    }
}

/// The same request again finds the tenant, wherever it lives by now.
fn same_or_refused(existing: Tenant, new: &NewTenant) -> Result<Tenant, Refusal> {
    if existing.host.as_deref() == Some(new.host.as_str()) && existing.created_in == new.realm {
        return Ok(existing);
    }
    let message = match &existing.host {
        Some(host) if existing.created_in == existing.realm => format!(
            "tenant {} exists already, with host {host} in realm {}; ids are never reused",
            existing.id, existing.realm
        ),
        // Whoever asks for the realm that it lives in now would not see what differs.
        Some(host) => format!(
            "tenant {} exists already: host {host}, created in realm {}, lives in realm {} now; ids are never reused",
            existing.id, existing.created_in, existing.realm
        ),
        None => format!("tenant {} existed and is gone; ids are never reused: choose another one", existing.id),
    };
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

/// Where the data of each service will be.
fn locations<'a>(
    topology: &Topology,
    shards: &'a BTreeMap<String, String>,
    tenant: &str,
) -> Result<Vec<(&'a String, Vec<Location>)>, Refusal> {
    let named = shards.iter().map(|(service, shard)| {
        let locations = topology.locations(service, shard, tenant);
        locations
            .map(|locations| (service, locations))
            .map_err(|error| Refusal::conflict("no_location", error.to_string()))
    });
    named.collect()
}

fn is_hooked(location: &Location) -> bool {
    matches!(location.address, Address::Hooks { .. })
}

/// Starts the workflow that has the services prepare; returns its id.
async fn prepare(deployment: &Deployment, tx: &mut Tx, tenant: &str, actor: &Actor) -> Result<String, StoreError> {
    let (id, now) = (deployment.ids.next(), tx.now().await?);
    let state = ProvisionState { actor: actor.clone(), stage: ProvisionStage::Preparing };
    let new = NewWorkflow {
        id: &id,
        kind: Provision::KIND,
        subject: tenant,
        start_key: None,
        request: "",
        state: Provision::name(&state),
        data: serde_json::to_string(&state).expect("plain data with text keys"),
        wake_at: now,
        priority: Provision::PRIORITY,
    };
    workflow_table::insert(tx, new, now).await?;
    Ok(id)
}

/// Ledger entries of services with hooks stay `adding`, by the workflow, until they are ready.
async fn place(
    deployment: &Deployment,
    tx: &mut Tx,
    (tenant, service): (&str, &str),
    locations: &[Location],
    (workflow, actor): (Option<&str>, &Actor),
) -> Result<(), Refusal> {
    let ids = deployment.ids.as_ref();
    for (location, position) in locations.iter().zip(0..) {
        let key = location.key();
        let by = workflow.filter(|_| is_hooked(location));
        let begins = (by, actor.changes(ids, by));
        let fresh = ledger::begin_adding(tx, tenant, service, location, begins).await?.is_some()
            && (by.is_some()
                || (ledger::become_live(tx, tenant, service, &key, (None, actor.changes(ids, None))).await?
                    && ledger::set_position(tx, tenant, service, &key, position).await?));
        if !fresh {
            let message = format!("the ledger already has an entry of {tenant} at {key}: ids are never reused");
            return Err(Refusal::conflict("tenant_exists", message));
        }
    }
    Ok(())
}
