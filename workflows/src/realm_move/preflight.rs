//! `preflight`: everything that can be checked while the tenant is online. The approved plan still holds; every store is
//! reachable and of the right shape; targets are proved empty; nothing that is removed or added is linked by the store's
//! own replication to what stays; services with hooks are asked. Counts what there is to copy.

use std::collections::BTreeSet;

use catalogue::ledger::{self, CellState};
use catalogue::location::Location;
use catalogue::tenants::{self, Tenant};
use catalogue::topologies;
use engine::{Next, StepError, StepTx};
use futures::stream::{self, StreamExt, TryStreamExt};
use store::Tx;
use workers::place::Place;
use workers::{Change, Cuts, Depth, Inspection};

use super::divided::Divided;
use super::state::{MoveState, Stage};
use crate::data_tasks::{Amount, place_of, step_error};
use crate::deployment::Deployment;
use crate::plan::{Plan, ServicePlan};
use crate::planning;
use crate::timing::millis;
use crate::unit_limits::limited_movers;

/// What preflight found.
#[derive(Debug)]
pub struct Preflight {
    /// How much there is to copy, counted over all added locations.
    expected: Amount,
    /// How it is divided.
    divided: Divided,
}

/// Locations inspected at a time.
const INSPECTED_AT_ONCE: usize = 8;

/// Looks at the catalogue and at every store that the plan names.
pub(super) async fn observe(deployment: &Deployment, tenant: &str, state: &MoveState) -> Result<Preflight, StepError> {
    let busy = check_catalogue(deployment, tenant, &state.plan).await?;
    let (mut expected, mut divided) = (Amount::default(), Divided::default());
    for service in &state.plan.services {
        if service.changes_anything() || service.compare_keep {
            let (counted, cuts) = check_service(deployment, tenant, service, &busy).await?;
            divided.decide(&service.service, counted, &cuts, deployment.part_size);
            expected = service.add.iter().fold(expected, |sum, _| sum.plus(counted));
        }
    }
    Ok(Preflight { expected, divided })
}

/// Stores the count and waits for the targets to be free. A budget that not even an empty tenant's move could keep is refused:
/// the constants may have changed since the move was started.
pub(super) async fn advance(
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
    let state = MoveState { expected: Some(found.expected), divided: found.divided, ..state };
    Ok(Next::Go(state.at_stage(waiting), String::new()))
}

/// Checks the plan against the catalogue; returns the keys of target cells that are not absent yet.
async fn check_catalogue(deployment: &Deployment, tenant: &str, plan: &Plan) -> Result<BTreeSet<String>, StepError> {
    let mut tx = deployment.store.read().await?;
    let locked = tenants::get(&mut tx, tenant).await?;
    still_holds(&mut tx, locked.as_ref(), plan).await?;
    let cells = ledger::of_tenant(&mut tx, tenant).await?;
    tx.rollback().await?;
    Ok(cells.into_iter().filter(|cell| cell.state != CellState::Absent).map(|cell| cell.location.key()).collect())
}

/// Whether the plan is still the approved one: the tenant's epoch, the topology's version, and the ledger's live
/// locations are what they were. (The load that broke ties between shards may have changed: the choice stands.)
pub(super) async fn still_holds(tx: &mut Tx, tenant: Option<&Tenant>, plan: &Plan) -> Result<(), StepError> {
    let changed = |what: &str| {
        Err(StepError::permanent("plan_changed", format!("{what} since the plan was approved: start the move again")))
    };
    let Some(tenant) = tenant else { return changed("the tenant has gone") };
    if tenant.epoch != plan.epoch {
        return changed("the tenant's placement or status has changed");
    }
    let Some(topology) = topologies::current(tx).await? else { return changed("the topology has gone") };
    if topology.hash != plan.topology_version {
        return changed("the topology has changed");
    }
    let placed = planning::placed(tx, &tenant.id, &topology.topology).await?;
    for service in &plan.services {
        let keys = |locations: &[Location]| locations.iter().map(Location::key).collect::<BTreeSet<_>>();
        let live = placed.get(&service.service).map(|placed| keys(&placed.locations)).unwrap_or_default();
        let planned: BTreeSet<_> = keys(&service.keep).union(&keys(&service.remove)).cloned().collect();
        if live != planned {
            return changed("the ledger's live locations have changed");
        }
    }
    Ok(())
}

/// Returns how much the source holds, if it is copied.
async fn check_service(
    deployment: &Deployment,
    tenant: &str,
    service: &ServicePlan,
    busy: &BTreeSet<String>,
) -> Result<(Amount, Cuts), StepError> {
    let movers = limited_movers(deployment).await?;
    let all: Vec<&Location> = service.keep.iter().chain(&service.add).chain(&service.remove).collect();
    let places: Vec<Place> = all.iter().map(|location| place_of(location)).collect();
    let inspections =
        places.into_iter().map(|place| async move { movers.inspect(&place, tenant).await.map_err(step_error) });
    let found: Vec<Inspection> = stream::iter(inspections).buffered(INSPECTED_AT_ONCE).try_collect().await?;
    let found: Vec<(&Location, Inspection)> = all.into_iter().zip(found).collect();
    check_targets(service, &found, busy)?;
    check_replication(service, &found)?;
    ask_service(deployment, tenant, service).await?;
    let (Some(source), false) = (&service.source, service.add.is_empty()) else { return Ok(Default::default()) };
    let found = movers.survey(&place_of(source), tenant, Depth::Listed).await.map_err(step_error)?;
    Ok((found.size.into(), found.cuts))
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
        // A cell that is not absent yet belongs to a removal: `waiting` waits for it to prove the place empty.
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

/// Where a store itself replicates between a location that stays and one that is removed (or, should the move roll back,
/// one that is added), deleting in one deletes in both.
fn check_replication(service: &ServicePlan, found: &[(&Location, Inspection)]) -> Result<(), StepError> {
    let keys = |locations: &[Location]| locations.iter().map(Location::key).collect::<BTreeSet<_>>();
    let emptied: BTreeSet<_> = keys(&service.remove).union(&keys(&service.add)).cloned().collect();
    for (from, inspection) in found {
        for (to, _) in found {
            let linked = from.key() != to.key() && inspection.replicates_to.iter().any(|link| to.is_named(link));
            let harmful = emptied.contains(&from.key()) || emptied.contains(&to.key());
            if linked && harmful {
                let message = format!(
                    "service {}: the store replicates {} to {} by itself, so emptying one would empty the other: unlink \
                     them first",
                    service.service, from.name, to.name
                );
                return Err(StepError::permanent("replicated_store", message));
            }
        }
    }
    Ok(())
}
