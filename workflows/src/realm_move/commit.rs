//! `commit`: all placements, realm, status online, epoch + 1 and all ledger cells change in one transaction, or nothing
//! does. Guarded by epoch = mine, status = moving, fence = mine (the step's row lock) and an unlapsed lease by the
//! database's clock. A lost reply is read back by the runner.

use catalogue::audit::{self, AuditEntry};
use catalogue::ledger::{self, CellState};
use catalogue::location::Location;
use catalogue::{capacity, changes, placements, tenants, topologies};
use engine::{Next, StepError, StepTx};
use serde_json::json;
use workers::Verification;

use super::drain::retreat;
use super::report::PartReport;
use super::state::{Committed, CopiedPart, MoveState, OfflinePeriod, RemovalRef, Stage, copied_amount};
use crate::deployment::Deployment;
use crate::plan::{Plan, ServicePlan};
use crate::quiet;
use crate::removal::{Cause, VerifiedPart, queue_removal};

pub(super) async fn advance(
    deployment: &Deployment,
    step: &mut StepTx<'_>,
    state: MoveState,
    offline: Option<OfflinePeriod>,
    (copied, report): (Vec<CopiedPart>, Vec<PartReport>),
) -> Result<Next<MoveState>, StepError> {
    let (tenant, id) = (step.record.subject.clone(), step.record.id.clone());
    if let (Some(offline), Some(unquiet)) = (&offline, quiet::unquiet_target(deployment, step, &state.plan).await?) {
        let message = format!("after it was verified, it turned out that the move has to wait for {}", unquiet.reason);
        return Ok(retreat(&state, offline, "target_unquiet", &message));
    }
    tenants::lock(step.tx, &tenant).await?;
    if let Some(unfit) = unfit_topology(step, &state.plan).await? {
        return match &offline {
            Some(offline) => Ok(retreat(&state, offline, "plan_changed", &unfit)),
            None => Err(StepError::permanent("plan_changed", unfit)),
        };
    }
    let epoch = match &offline {
        Some(offline) => {
            if !tenants::commit_offline_move(step.tx, &tenant, &id, offline.epoch, &state.plan.to).await? {
                return not_committed(step, &state, offline).await;
            }
            offline.epoch + 1
        }
        None => {
            if !tenants::commit_online_move(step.tx, &tenant, &id, state.plan.epoch, &state.plan.to).await? {
                let message = "the tenant changed since the plan was approved: start the move again";
                return Err(StepError::permanent("plan_changed", message));
            }
            state.plan.epoch + 1
        }
    };
    let mut removals = Vec::new();
    for service in &state.plan.services {
        switch(step, &tenant, &id, service).await?;
        for location in &service.remove {
            removals.push(remove_later(step, &tenant, service, location, &copied).await?);
        }
    }
    capacity::release(step.tx, &id).await?;
    let now = step.tx.now().await?;
    let committed = Committed {
        offline_ms: offline.as_ref().map_or(0, |offline| now - offline.since),
        copied: copied_amount(&copied),
        verified: state.verification != Verification::Off || copied.is_empty(),
        removals,
        report,
    };
    let entry = AuditEntry {
        id: step.ids.next(),
        at: now,
        who: state.requester.who.clone(),
        action: "move.commit".to_owned(),
        tenant: Some(tenant.clone()),
        why: state.requester.why.clone(),
        before: json!({ "realm": state.plan.from, "epoch": epoch - 1 }),
        after: json!({ "realm": state.plan.to, "epoch": epoch, "move": id, "planHash": state.plan_hash }),
    };
    audit::append(step.tx, &entry).await?;
    changes::append(step.tx, &tenant, epoch, "moved").await?;
    Ok(Next::Go(state.at_stage(Stage::Notify { committed }), String::new()))
}

/// Why the topology in force no longer carries the plan: its realm has gone, or a shard no longer fits it. Pins the topology
/// until the commit. Edits that do not matter to this move do not stop it.
async fn unfit_topology(step: &mut StepTx<'_>, plan: &Plan) -> Result<Option<String>, StepError> {
    let Some(stored) = topologies::pin(step.tx).await? else { return Ok(Some("the topology has gone".to_owned())) };
    let topology = stored.topology;
    let Some(realm) = topology.realms.get(&plan.to) else {
        return Ok(Some(format!("realm {} was taken out of the topology during the move", plan.to)));
    };
    let unfit = plan
        .services
        .iter()
        .filter(|service| !service.stays_out_of_realm)
        .find(|service| topology.shard(&service.service, &service.to_shard).is_none_or(|shard| !shard.fits(realm)));
    Ok(unfit.map(|service| {
        let (service, shard, to) = (&service.service, &service.to_shard, &plan.to);
        format!(
            "shard {shard} of service {service} no longer fits realm {to}: the topology was changed during the move"
        )
    }))
}

/// Zero rows: nothing has been changed. Still ours but lapsed: go back online. Not ours any more: stop.
async fn not_committed(
    step: &mut StepTx<'_>,
    state: &MoveState,
    offline: &OfflinePeriod,
) -> Result<Next<MoveState>, StepError> {
    let tenant = tenants::get(step.tx, &step.record.subject).await?;
    let ours =
        tenant.is_some_and(|tenant| tenant.mover.as_deref() == Some(&step.record.id) && tenant.epoch == offline.epoch);
    if !ours {
        return Err(StepError::lost_lease());
    }
    let (code, why) = offline.why_it_lapsed(step.tx.now().await?);
    Ok(retreat(state, offline, code, &format!("when the move was about to commit: {why}")))
}

/// Moves the placement: added cells become live, kept ones stay, and all take the order of the new shard's regions.
async fn switch(step: &mut StepTx<'_>, tenant: &str, id: &str, service: &ServicePlan) -> Result<(), StepError> {
    if service.stays_out_of_realm {
        return Ok(());
    }
    placements::put(step.tx, tenant, &service.service, &service.to_shard).await?;
    for location in &service.add {
        let live = ledger::become_live(step.tx, tenant, &service.service, &location.key(), Some(id)).await?;
        expect_cell(live, "adding", location)?;
    }
    let mut order: Vec<&Location> = service.add.iter().chain(&service.keep).collect();
    order.sort_by_key(|location| service.order.iter().position(|key| *key == location.key()));
    for (location, position) in order.into_iter().zip(0..) {
        let placed = ledger::set_position(step.tx, tenant, &service.service, &location.key(), position).await?;
        expect_cell(placed, "live", location)?;
    }
    Ok(())
}

async fn remove_later(
    step: &mut StepTx<'_>,
    tenant: &str,
    service: &ServicePlan,
    location: &Location,
    copied: &[CopiedPart],
) -> Result<RemovalRef, StepError> {
    let cause = Cause::Moved { move_id: step.record.id.clone() };
    let why = (cause, verified_at(service, location, copied));
    let removal = queue_removal(step, tenant, &service.service, location, CellState::Live, why).await?;
    removal.ok_or_else(|| wrong_cell("live", location))
}

/// What the move found, part by part, at a location that it leaves. Only the source of a copy has been read.
fn verified_at(service: &ServicePlan, location: &Location, copied: &[CopiedPart]) -> Option<Vec<VerifiedPart>> {
    let is_source = service.source.as_ref().is_some_and(|source| source.key() == location.key());
    let to = service.add.first().filter(|_| is_source)?;
    let parts = copied.iter().filter(|part| part.service == service.service && part.to.key() == to.key());
    Some(parts.map(|part| VerifiedPart { part: part.part, bounds: part.bounds.clone(), tally: part.tally }).collect())
}

fn expect_cell(holds: bool, state: &str, location: &Location) -> Result<(), StepError> {
    if holds { Ok(()) } else { Err(wrong_cell(state, location)) }
}

fn wrong_cell(state: &str, location: &Location) -> StepError {
    StepError::permanent("ledger_mismatch", format!("the ledger's cell of {} is not {state}", location.key()))
}
