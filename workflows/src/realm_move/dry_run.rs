//! What a move would do and come to now: its plan, and an estimate from what its sources hold. Changes nothing.

use std::time::Duration;

use futures::stream::{self, StreamExt, TryStreamExt};
use workers::Depth;
use workers::error::WorkError;

use super::divided::expected_parts;
use super::estimate::{Estimate, Limits, Load, estimate};
use crate::data_tasks::place_of;
use crate::deployment::Deployment;
use crate::plan::{Plan, ServicePlan};
use crate::planning;
use crate::refusal::Refusal;
use crate::timing::millis;

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
    let loads = stream::iter(loads).buffered(COUNTED_AT_ONCE).try_collect::<Vec<Load>>();
    let loads = tokio::time::timeout(PATIENCE, loads).await;
    let loads = match loads {
        Ok(Ok(loads)) => loads,
        Ok(Err(error)) => return Err(error.to_string()),
        Err(_) => return Err(format!("counting takes longer than {} s", PATIENCE.as_secs())),
    };
    let deadline = millis(deployment.timing.offline_deadline);
    let limits = Limits {
        waits_ms: if plan.needs_offline() { millis(deployment.timing.least_offline()) } else { 0 },
        objects_at_once: deployment.movers.settings().object_concurrency,
        allowed_ms: budget_ms.map_or(deadline, |budget| budget.min(deadline)),
    };
    Ok(estimate(&loads, &limits))
}

async fn load(deployment: &Deployment, tenant: &str, service: &ServicePlan) -> Result<Load, WorkError> {
    let Some(source) = &service.source else { return Ok(Load::default()) };
    let size = deployment.movers.survey(&place_of(source), tenant, Depth::Sampled).await?.size;
    Ok(Load {
        items: size.items,
        objects: size.objects,
        bytes: size.bytes,
        write_units: size.write_units,
        index_units: size.index_units,
        read_units: size.read_units,
        parts: expected_parts(source, size.into(), deployment.part_size),
        adds: service.add.len() as u64,
        removes: service.remove.len() as u64,
    })
}
