//! `preflight`: everything that can be checked while the tenant is online. The approved plan still holds; every store is
//! reachable, of the right shape, and agrees with the database on what time it is; targets are proved empty; nothing that is removed
//! or added is linked by the store's own replication to what stays; services with hooks are asked. Counts what there is to copy.

use std::collections::{BTreeMap, BTreeSet};

use catalogue::ledger::{self, EntryState};
use catalogue::location::Location;
use catalogue::tenants::{self, Tenant};
use catalogue::topologies;
use catalogue::topology::Replication;
use engine::{Next, StepError, StepTx};
use futures::stream::{self, StreamExt, TryStreamExt};
use store::Tx;
use workers::error::WorkError;
use workers::place::Place;
use workers::{Change, Cuts, Depth, Inspection, REQUEST_TOO_OLD};

use crate::amount::Amount;
use crate::data_tasks::SAME_STORE;
use crate::deployment::Deployment;
use crate::mover_errors::step_error;
use crate::partitioning::Partitioning;
use crate::places::place_of;
use crate::plan::{Plan, ServicePlan, changed_since};
use crate::realm_move::state::{MoveState, Stage};
use crate::replica_sets::ReplicaSets;
use crate::timing::millis;
use crate::unit_limits::limited_movers;
use crate::{clock_checks, planning};

/// What preflight found.
#[derive(Debug)]
pub struct Preflight {
    /// How much there is to copy, counted over all added locations.
    expected: Amount,
    /// How it is divided.
    partitioning: Partitioning,
    /// What the stores replicate by themselves.
    sets: ReplicaSets,
    /// Which table each location is, by the location's key, where a store says that.
    tables: BTreeMap<String, String>,
}

/// Locations inspected at a time.
const INSPECTED_AT_ONCE: usize = 8;

/// Looks at the catalogue and at every store that the plan names.
pub(crate) async fn observe(deployment: &Deployment, tenant: &str, state: &MoveState) -> Result<Preflight, StepError> {
    let known = check_catalogue(deployment, tenant, &state.plan).await?;
    let (mut expected, mut partitioning, mut sets) =
        (Amount::default(), Partitioning::default(), ReplicaSets::default());
    let mut tables = BTreeMap::new();
    for service in &state.plan.services {
        if service.changes_anything() || service.compare_keep {
            let found = check_service(deployment, tenant, service, &known).await?;
            let counted = found.counted;
            partitioning.decide(&service.service, counted, &found.cuts, deployment.part_size);
            sets.extend(found.sets);
            tables.extend(found.tables);
            let copied_to = service.add.iter().filter(|at| sets.filled_by(&service.service, &at.key()).is_none());
            expected = copied_to.fold(expected, |sum, _| sum.plus(counted));
        }
    }
    Ok(Preflight { expected, partitioning, sets, tables })
}

/// Stores the count and waits for the targets to be free. A budget that not even an empty tenant's move could keep is refused:
/// the constants may have changed since the move was started.
pub(crate) async fn advance(
    deployment: &Deployment,
    step: &mut StepTx<'_>,
    state: MoveState,
    found: Preflight,
) -> Result<Next<MoveState>, StepError> {
    let least = millis(deployment.timing.least_offline());
    if state.plan.needs_offline() && state.budget_ms.is_some_and(|budget| budget <= least) {
        let message = format!(
            "draining and settling alone take {} s, which is not within the budget: start the move again with a larger one",
            (least + 999) / 1_000
        );
        return Err(StepError::permanent("budget_too_small", message));
    }
    let waiting = Stage::Waiting { since: step.now, reason: "the targets to be free".to_owned(), looked_at: None };
    let mut state =
        MoveState { expected: Some(found.expected), partitioning: found.partitioning, sets: found.sets, ..state };
    for service in &mut state.plan.services {
        service.are_tables(&found.tables);
    }
    Ok(Next::Go(state.at_stage(waiting), String::new()))
}

/// What the catalogue knows that preflight asks for.
struct Known {
    /// Keys of entries that are not absent.
    busy: BTreeSet<String>,
    /// Services whose stores replicate by themselves, as the topology states.
    native: BTreeSet<String>,
}

/// Checks the plan against the catalogue.
async fn check_catalogue(deployment: &Deployment, tenant: &str, plan: &Plan) -> Result<Known, StepError> {
    let mut tx = deployment.store.read().await?;
    let locked = tenants::get(&mut tx, tenant).await?;
    still_holds(&mut tx, locked.as_ref(), plan).await?;
    let entries = ledger::of_tenant(&mut tx, tenant).await?;
    let topology = topologies::current(&mut tx).await?;
    tx.rollback().await?;
    let busy = entries
        .into_iter()
        .filter(|entry| entry.state != EntryState::Absent)
        .map(|entry| entry.location.key())
        .collect();
    let services = topology.map(|stored| stored.topology.services).unwrap_or_default();
    let native = services.into_iter().filter(|(_, service)| service.replication == Replication::Native);
    Ok(Known { busy, native: native.map(|(name, _)| name).collect() })
}

/// Whether the plan is still the approved one: the tenant's epoch, and what else it rests on. Edits of the topology that do not
/// touch it do not matter.
pub(crate) async fn still_holds(tx: &mut Tx, tenant: Option<&Tenant>, plan: &Plan) -> Result<(), StepError> {
    let changed = |what: &str| {
        let message = format!("{what}, since the plan was approved: start the move again");
        Err(StepError::permanent("plan_changed", message))
    };
    let Some(tenant) = tenant else { return changed("the tenant has gone") };
    if tenant.epoch != plan.epoch {
        return changed("the tenant's placement or status has changed");
    }
    let Some(stored) = topologies::current(tx).await? else { return changed("the topology has gone") };
    let placed = planning::placed(tx, &tenant.id, &stored.topology).await?;
    match changed_since(plan, &stored.topology, &placed) {
        Some(what) => changed(&what),
        None => Ok(()),
    }
}

/// What was found of one service.
struct Found {
    /// How much the source holds, if it is copied.
    counted: Amount,
    cuts: Cuts,
    sets: ReplicaSets,
    tables: BTreeMap<String, String>,
}

async fn check_service(
    deployment: &Deployment,
    tenant: &str,
    service: &ServicePlan,
    known: &Known,
) -> Result<Found, StepError> {
    let native = known.native.contains(&service.service);
    let movers = limited_movers(deployment).await?;
    let all: Vec<&Location> = service.keep.iter().chain(&service.add).chain(&service.remove).collect();
    let places: Vec<Place> = all.iter().map(|location| place_of(location)).collect();
    let inspections = places.into_iter().map(|place| async move { movers.inspect(&place, tenant).await });
    let found: Result<Vec<Inspection>, WorkError> =
        stream::iter(inspections).buffered(INSPECTED_AT_ONCE).try_collect().await;
    let found = match found {
        // By then the store has told its own time: if that is why, say which clocks differ, and by how much.
        Err(error) if error.code == REQUEST_TOO_OLD => {
            clock_checks::check(deployment, all.iter().copied()).await?;
            return Err(step_error(error));
        }
        found => found.map_err(step_error)?,
    };
    let found: Vec<(&Location, Inspection)> = all.into_iter().zip(found).collect();
    check_places(deployment, tenant, service, &found).await?;
    check_targets(service, &found, &known.busy)?;
    let sets = replica_sets(service, &found, native)?;
    clock_checks::check(deployment, service.add.iter().chain(&service.remove)).await?;
    ask_service(deployment, tenant, service).await?;
    let tables = found.into_iter().filter_map(|(at, found)| Some((at.key(), found.table_id?))).collect();
    let (Some(source), false) = (&service.source, service.add.is_empty()) else {
        return Ok(Found { counted: Amount::default(), cuts: Cuts::default(), sets, tables });
    };
    let found = movers.survey(&place_of(source), tenant, Depth::Listed).await.map_err(step_error)?;
    Ok(Found { counted: found.size.into(), cuts: found.cuts, sets, tables })
}

/// Asks a service with hooks whether it can take part. A refusal ends the move, with the service's reason.
async fn ask_service(deployment: &Deployment, tenant: &str, service: &ServicePlan) -> Result<(), StepError> {
    let movers = &deployment.movers;
    let source = service.source.as_ref().map(place_of);
    for target in &service.add {
        movers.schedule(&place_of(target), tenant, Change::Add, source.as_ref()).await.map_err(step_error)?;
    }
    for left in &service.remove {
        movers.schedule(&place_of(left), tenant, Change::Remove, None).await.map_err(step_error)?;
    }
    Ok(())
}

/// Two names must not lead to one store: what is removed there would be what stays.
async fn check_places(
    deployment: &Deployment,
    tenant: &str,
    service: &ServicePlan,
    found: &[(&Location, Inspection)],
) -> Result<(), StepError> {
    for (n, (one, first)) in found.iter().enumerate() {
        for (other, second) in found[n + 1..].iter().filter(|(other, _)| other.key() != one.key()) {
            // What is written to the one is then found in the other, whether or not they are two.
            let reaches = |from: &Location, found: &Inspection, to: &Location| {
                found.replicates_to.iter().any(|link| from.replicates_into(link, to))
            };
            let linked = reaches(one, first, other) || reaches(other, second, one);
            let (a, b) = (place_of(one), place_of(other));
            if !linked && deployment.movers.is_one_place(&a, &b, tenant).await.map_err(step_error)? {
                let message = format!(
                    "service {}: the stores of {} and {} are one and the same, by two names ({} and {}): correct their endpoints in the topology",
                    service.service,
                    one.name,
                    other.name,
                    one.key(),
                    other.key()
                );
                return Err(StepError::permanent(SAME_STORE, message));
            }
        }
    }
    Ok(())
}

fn check_targets(
    service: &ServicePlan,
    found: &[(&Location, Inspection)],
    busy: &BTreeSet<String>,
) -> Result<(), StepError> {
    let inspection = |wanted: &Location| found.iter().find(|(at, _)| at.key() == wanted.key()).map(|(_, found)| found);
    let source = service.source.as_ref().and_then(inspection);
    for target in &service.add {
        let Some(at_target) = inspection(target) else { continue };
        if let Some(source) = source
            && source.schema != at_target.schema
        {
            let message = format!(
                "service {}: the table at {} has another key schema than the source's: make them equal",
                service.service, target.name
            );
            return Err(StepError::permanent("schema_mismatch", message));
        }
        if let Some(source) = source
            && source.expires_by != at_target.expires_by
        {
            let words = |by: &Option<String>| {
                by.as_ref().map_or("does not expire items".to_owned(), |by| format!("expires items by `{by}`"))
            };
            let message = format!(
                "service {}: the table at {} {}, and the source {}: give both the same time to live",
                service.service,
                target.name,
                words(&at_target.expires_by),
                words(&source.expires_by)
            );
            return Err(StepError::permanent("expiry_mismatch", message));
        }
        // An entry that is not absent yet belongs to a removal: `waiting` waits for it to prove the place empty.
        if !at_target.empty && !busy.contains(&target.key()) {
            let message = format!(
                "service {}: {} already holds data of the tenant that the ledger does not know of; nothing is \
                 overwritten: find out whose it is and remove it",
                service.service, target.name
            );
            return Err(StepError::permanent("target_not_empty", message));
        }
    }
    Ok(())
}

/// What is left to the stores' own replication, as their settings are now.
fn replica_sets(
    service: &ServicePlan,
    found: &[(&Location, Inspection)],
    native: bool,
) -> Result<ReplicaSets, StepError> {
    let linked: Vec<_> = found.iter().map(|(at, inspection)| (*at, inspection.replicates_to.as_slice())).collect();
    ReplicaSets::of(service, &linked, native)
        .map_err(|harmful| StepError::permanent(harmful.code(), format!("service {}: {harmful}", service.service)))
}
