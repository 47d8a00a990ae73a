//! What a move would do and come to now: its plan, and an estimate from what its sources hold. Changes nothing.

use std::error::Error;
use std::time::Duration;

use catalogue::location::Location;
use futures::stream::{self, StreamExt, TryStreamExt};
use store::StoreError;
use workers::{Depth, Size};

use super::divided::{PartSize, expected_parts};
use super::estimate::{Estimate, Limits, Load, estimate};
use crate::data_tasks::place_of;
use crate::deployment::Deployment;
use crate::plan::{Plan, ServicePlan};
use crate::planning;
use crate::refusal::Refusal;
use crate::timing::millis;
use crate::unit_limits::{ByScope, Spent, in_force, least_ms, limited_movers};

/// How long counting may take. A person waits for it, and a very large tenant can be moved without it.
const PATIENCE: Duration = Duration::from_secs(20);

/// Services counted at a time.
const COUNTED_AT_ONCE: usize = 8;

/// The plan that a move would be started with now. Changes nothing.
pub async fn dry_run(deployment: &Deployment, tenant: &str, to: &str) -> Result<Plan, Refusal> {
    let mut tx = deployment.store.read().await?;
    let tenant = planning::tenant(&mut tx, tenant).await?;
    let plan = planning::plan_move(&mut tx, &tenant, to).await?;
    tx.rollback().await?;
    Ok(plan)
}

/// What carrying out the plan would come to. `Err`: why it can't be told, in words; the plan is no worse for it.
pub async fn estimate_move(deployment: &Deployment, plan: &Plan, budget_ms: Option<i64>) -> Result<Estimate, String> {
    let mut loads = Vec::new();
    for service in plan.services.iter().filter(|service| service.changes_anything()) {
        loads.push(load(deployment, &plan.tenant, service));
    }
    let loads = stream::iter(loads).buffered(COUNTED_AT_ONCE).try_collect::<Vec<_>>();
    let loads = tokio::time::timeout(PATIENCE, loads).await;
    let loads = match loads {
        Ok(Ok(loads)) => loads,
        Ok(Err(error)) => return Err(error.to_string()),
        Err(_) => return Err(format!("counting takes longer than {} s", PATIENCE.as_secs())),
    };
    let deadline = millis(deployment.timing.offline_deadline);
    let (loads, spent): (Vec<Load>, Vec<_>) = loads.into_iter().unzip();
    let in_force = limits_now(deployment).await.map_err(|error| error.to_string())?;
    let limits = Limits {
        waits_ms: if plan.needs_offline() { millis(deployment.timing.least_offline()) } else { 0 },
        objects_at_once: deployment.movers.settings().object_concurrency,
        allowed_ms: budget_ms.map_or(deadline, |budget| budget.min(deadline)),
        least_ms: least_ms(&in_force, &spent.concat()),
    };
    Ok(estimate(&loads, &limits))
}

async fn limits_now(deployment: &Deployment) -> Result<ByScope, StoreError> {
    let mut tx = deployment.store.read().await?;
    let limits = in_force(deployment, &mut tx).await?;
    tx.rollback().await?;
    Ok(limits)
}

async fn load(
    deployment: &Deployment,
    tenant: &str,
    service: &ServicePlan,
) -> Result<(Load, Vec<Spent>), Box<dyn Error + Send + Sync>> {
    let Some(source) = &service.source else { return Ok(Default::default()) };
    let size = limited_movers(deployment).await?.survey(&place_of(source), tenant, Depth::Sampled).await?.size;
    Ok((load_of(service, source, &size, deployment.part_size), spent_by(service, source, &size)))
}

/// What the offline period takes: the source is read twice for each target, and that is written, and read back.
fn spent_by(service: &ServicePlan, source: &Location, size: &Size) -> Vec<Spent> {
    let target = |at: &Location| Spent { at: at.clone(), writes: size.write_units, reads: size.read_units };
    let twice = 2 * size.read_units * service.add.len() as u64;
    let source = Spent { at: source.clone(), writes: 0, reads: twice };
    service.add.iter().map(target).chain([source]).collect()
}

fn load_of(service: &ServicePlan, source: &Location, size: &Size, part_size: PartSize) -> Load {
    Load {
        items: size.items,
        objects: size.objects,
        bytes: size.bytes,
        write_units: size.write_units,
        index_units: size.index_units,
        read_units: size.read_units,
        parts: expected_parts(source, (*size).into(), part_size),
        adds: service.add.len() as u64,
        removes: service.remove.len() as u64,
    }
}
