//! Whether an approved plan still is what it was approved as. Pure.
//!
//! A plan is bound to what it was made from and to nothing else of the topology: it is made again for the shards that were chosen,
//! and must come out the same. The choice itself is not made again: the load that broke ties changes with other people's moves.

use std::collections::BTreeMap;

use catalogue::location::{Address, Location};
use catalogue::topology::{EndpointKind, Realm, Service, Shard, Topology};

use super::build::plan_on_shard;
use super::{Placed, Plan, ServicePlan};

/// What the plan rests on and has changed, in words that follow "since the plan was approved"; `None`: nothing.
pub fn changed_since(plan: &Plan, topology: &Topology, placements: &BTreeMap<String, Placed>) -> Option<String> {
    let Some(realm) = topology.realms.get(&plan.to) else {
        return Some(format!("realm {} was taken out of the topology", plan.to));
    };
    let approved = plan.services.iter();
    let changed =
        approved.map(|approved| service_changed(plan, approved, (topology, realm), placements)).find_map(Result::err);
    changed.or_else(|| service_added(plan, topology, placements))
}

fn service_changed(
    plan: &Plan,
    approved: &ServicePlan,
    (topology, realm): (&Topology, &Realm),
    placements: &BTreeMap<String, Placed>,
) -> Result<(), String> {
    let name = &approved.service;
    let service = topology.services.get(name).ok_or_else(|| format!("service {name} was taken out of the topology"))?;
    let placed = placements.get(name).ok_or_else(|| format!("the tenant lost its placement in service {name}"))?;
    let shard = chosen(plan, approved, service, realm)?;
    let now =
        plan_on_shard(topology, &plan.tenant, (name, service), placed, shard).map_err(|error| error.to_string())?;
    difference(approved, &now).map_or(Ok(()), Err)
}

/// The shard that the plan chose, if it still may be.
fn chosen<'t>(
    plan: &Plan,
    approved: &ServicePlan,
    service: &'t Service,
    realm: &Realm,
) -> Result<Option<&'t Shard>, String> {
    let (name, to, shard) = (&approved.service, &plan.to, &approved.to_shard);
    if approved.stays_out_of_realm {
        if !service.optional {
            return Err(format!("service {name} is no longer optional, and its data would stay outside realm {to}"));
        }
        if let Some(fitting) = service.shards.iter().find(|shard| shard.fits(realm)) {
            return Err(format!("service {name} has got shard {}, which fits realm {to}", fitting.shard));
        }
        return Ok(None);
    }
    let found = service.shard(shard).ok_or_else(|| format!("shard {shard} of service {name} was taken out"))?;
    if !found.fits(realm) {
        return Err(format!("shard {shard} of service {name} no longer fits realm {to}"));
    }
    Ok(Some(found))
}

/// A service that the plan does not know and may not leave out.
fn service_added(plan: &Plan, topology: &Topology, placements: &BTreeMap<String, Placed>) -> Option<String> {
    let unknown = |name: &&String| plan.services.iter().all(|service| service.service != **name);
    topology.services.iter().filter(|(name, _)| unknown(name)).find_map(|(name, service)| {
        if placements.contains_key(name) {
            return Some(format!("the tenant was placed in service {name}"));
        }
        let mandatory =
            format!("service {name}, in which the tenant has no placement, is in the topology and not optional");
        (!service.optional).then_some(mandatory)
    })
}

/// What differs between two plans for the same shard of a service. How places are called does not count.
fn difference(approved: &ServicePlan, now: &ServicePlan) -> Option<String> {
    if approved.essence() == now.essence() {
        return None;
    }
    let name = &approved.service;
    let (before, after) = (approved.locations(), now.locations());
    let moved = || before.iter().zip(&after).any(|(before, after)| before.key() != after.key());
    let reached = || before.iter().zip(&after).find_map(|(before, after)| reached(name, before, after));
    Some(if approved.from_shard != now.from_shard {
        format!("the tenant is on another shard of service {name}")
    } else if before.len() != after.len()
        || approved.add.len() != now.add.len()
        || moved()
        || approved.order != now.order
    {
        format!("the locations of service {name} have changed")
    } else if let Some(what) = reached() {
        what
    } else if approved.key_prefix != now.key_prefix {
        format!("keyPrefix of service {name} has changed")
    } else if approved.compare_keep != now.compare_keep {
        format!("how service {name} replicates, or how consistently, has changed")
    } else {
        format!("what a move has to do in service {name} has changed")
    })
}

/// What differs in how the same place is reached.
fn reached(service: &str, before: &Location, after: &Location) -> Option<String> {
    let grown;
    let what = match (&before.address, &after.address) {
        (before, after) if before == after => return None,
        (Address::Dynamodb { shard_count: before, .. }, Address::Dynamodb { shard_count: after, .. })
            if before != after =>
        {
            grown = format!("shardCount ({before}, now {after})");
            &grown
        }
        (Address::Dynamodb { endpoint, .. }, Address::Dynamodb { endpoint: now, .. }) if endpoint == now => "the index",
        (Address::Hooks { .. }, _) => "how the hooks are called",
        _ => "the endpoint",
    };
    Some(format!("{what} of service {service} at {} has changed", before.name))
}

impl ServicePlan {
    fn locations(&self) -> Vec<&Location> {
        self.add.iter().chain(&self.keep).chain(&self.remove).collect()
    }

    /// The same without what it does not rest on: what places are called, which tables they were found to be, and how they are reached where nobody
    /// goes.
    pub(super) fn essence(&self) -> Self {
        let mut plan = self.clone();
        let idle = !plan.changes_anything() && !plan.compare_keep;
        for location in plan.add.iter_mut().chain(&mut plan.keep).chain(&mut plan.remove).chain(&mut plan.source) {
            location.name.clear();
            location.table_id = None;
            call_aws_by_one_name(&location.region, &mut location.address);
            if idle {
                forget_how_it_is_reached(&mut location.address);
            }
        }
        plan.key_prefix = plan.key_prefix.filter(|_| !idle);
        plan
    }
}

/// AWS's own endpoint may be stated or not.
fn call_aws_by_one_name(region: &str, address: &mut Address) {
    let (kind, endpoint) = match address {
        Address::Dynamodb { endpoint, .. } => (EndpointKind::Dynamodb, endpoint),
        Address::S3 { endpoint, .. } => (EndpointKind::S3, endpoint),
        Address::Hooks { .. } => return,
    };
    if kind.store(region, endpoint.as_deref()) == kind.store(region, None) {
        *endpoint = None;
    }
}

fn forget_how_it_is_reached(address: &mut Address) {
    match address {
        Address::Dynamodb { index, index_key, shard_count, .. } => {
            index.clear();
            index_key.clear();
            *shard_count = 0;
        }
        Address::S3 { .. } => {}
        Address::Hooks { secret, longest_seconds, .. } => (*secret, *longest_seconds) = (None, None),
    }
}
