//! Builds the plan, one service at a time.

use catalogue::location::Location;
use catalogue::topology::{Service, Shard, Topology};

use super::difference::{Difference, difference};
use super::{Placed, Plan, PlanError, PlanInput, ServicePlan};
use crate::plan::choose_shard::choose_shard;

/// Plans a move, or a rebalance when both realms are the same.
///
/// # Errors
/// See [`PlanError`]. A plan that would change nothing is an error; one that only changes the realm is not.
pub fn plan(input: &PlanInput<'_>) -> Result<Plan, PlanError> {
    if !input.topology.realms.contains_key(input.to) {
        return Err(PlanError::UnknownRealm { realm: input.to.to_owned() });
    }
    if let Some(service) = input.placements.keys().find(|name| !input.topology.services.contains_key(*name)) {
        return Err(PlanError::UnknownService { service: service.clone() });
    }
    let mut plan = Plan {
        tenant: input.tenant.to_owned(),
        from: input.from.to_owned(),
        to: input.to.to_owned(),
        epoch: input.epoch,
        topology_version: input.version.to_owned(),
        services: Vec::new(),
        not_adopted: Vec::new(),
    };
    for (name, service) in &input.topology.services {
        match input.placements.get(name) {
            Some(placed) => plan.services.push(plan_service(input, name, service, placed)?),
            None if service.optional => plan.not_adopted.push(name.clone()),
            None => return Err(PlanError::NotAdopted { service: name.clone() }),
        }
    }
    if plan.changes_anything() { Ok(plan) } else { Err(PlanError::NothingToDo { realm: input.to.to_owned() }) }
}

fn plan_service(
    input: &PlanInput<'_>,
    name: &str,
    service: &Service,
    placed: &Placed,
) -> Result<ServicePlan, PlanError> {
    if placed.locations.is_empty() {
        return Err(PlanError::NoLiveLocation { service: name.to_owned() });
    }
    let shard = choose_shard(input.topology, name, input.to, Some(&placed.shard), input.load);
    if shard.is_none() && !service.optional {
        return Err(PlanError::NoShard { service: name.to_owned(), realm: input.to.to_owned() });
    }
    plan_on_shard(input.topology, input.tenant, (name, service), placed, shard)
}

/// What a move does in a service once its new shard is chosen; without one the data stays where it is.
pub(super) fn plan_on_shard(
    topology: &Topology,
    tenant: &str,
    (name, service): (&str, &Service),
    placed: &Placed,
    shard: Option<&Shard>,
) -> Result<ServicePlan, PlanError> {
    // Grown index shard counts first: a copy or removal by the count stored long ago would miss the newer values.
    let old: Vec<Location> = placed.locations.iter().map(|stored| topology.refresh(name, stored)).collect();
    let no_live = || PlanError::NoLiveLocation { service: name.to_owned() };
    let primary = old.first().ok_or_else(no_live)?.clone();
    let Some(shard) = shard else { return Ok(staying(name, placed, old)) };
    let new = topology.locations(name, &shard.shard, tenant)?;
    let Difference { add, keep, remove } = difference(&old, &new);
    let changes = placed.shard != shard.shard || !add.is_empty() || !remove.is_empty();
    // Where nothing changes, nothing is removed and the primary stays: a lagging replica is as safe as it was.
    let compare_keep = changes && service.replicates_async() && !keep.is_empty();
    let source = (!add.is_empty() || compare_keep).then_some(primary);
    Ok(ServicePlan {
        service: name.to_owned(),
        from_shard: Some(placed.shard.clone()),
        to_shard: shard.shard.clone(),
        add,
        keep,
        remove,
        order: new.iter().map(Location::key).collect(),
        source,
        compare_keep,
        stays_out_of_realm: false,
        key_prefix: topology.key_prefix(name, &shard.shard, tenant),
    })
}

fn staying(name: &str, placed: &Placed, old: Vec<Location>) -> ServicePlan {
    ServicePlan {
        service: name.to_owned(),
        from_shard: Some(placed.shard.clone()),
        to_shard: placed.shard.clone(),
        add: Vec::new(),
        order: old.iter().map(Location::key).collect(),
        keep: old,
        remove: Vec::new(),
        source: None,
        compare_keep: false,
        stays_out_of_realm: true,
        key_prefix: None,
    }
}
