//! `commit`: all placements, realm, status online, epoch + 1 and all ledger entries change in one transaction, or nothing
//! does. Guarded by epoch = mine, status = moving, fence = mine (the step's row lock) and an unlapsed lease by the
//! database's clock. A lost reply is read back by the runner.

use catalogue::audit::{self, AuditEntry};
use catalogue::ledger::{self, EntryState};
use catalogue::location::Location;
use catalogue::{capacity, changes, fingerprints, placements, tenants, topologies};
use engine::{Next, StepError, StepTx};
use serde_json::json;
use workers::Verification;

use crate::actor::Actor;
use crate::data_tasks::evidence;
use crate::deployment::Deployment;
use crate::in_doubt;
use crate::plan::{Plan, ServicePlan};
use crate::realm_move::parts::{ComparedPart, CopiedPart, PartReport};
use crate::realm_move::roll_back::roll_back;
use crate::realm_move::state::{Committed, MoveState, OfflinePeriod, Stage, copied_amount};
use crate::removal::{Cause, Found, RemovalRef, VerifiedPart, queue_removal};

pub(crate) async fn advance(
    deployment: &Deployment,
    step: &mut StepTx<'_>,
    state: MoveState,
    offline: Option<OfflinePeriod>,
    (copied, report, compared): (Vec<CopiedPart>, Vec<PartReport>, Vec<ComparedPart>),
) -> Result<Next<MoveState>, StepError> {
    let (tenant, id) = (step.record.subject.clone(), step.record.id.clone());
    if let (Some(offline), Some(in_doubt)) = (&offline, in_doubt::in_doubt_target(deployment, step, &state.plan).await?)
    {
        let message = format!("after it was verified, it turned out that the move has to wait for {}", in_doubt.reason);
        return Ok(roll_back(&state, offline, "target_in_doubt", &message));
    }
    tenants::lock(step.tx, &tenant).await?;
    if let Some(unfit) = unfit_topology(step, &state.plan).await? {
        return match &offline {
            Some(offline) => Ok(roll_back(&state, offline, "plan_changed", &unfit)),
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
        switch(step, &tenant, &id, service, &state.actor).await?;
        for location in &service.remove {
            let found = found_at(service, location, (&copied, &compared), offline.is_none());
            let follows = state.sets.emptied_by(&service.service, &location.key()).map(str::to_owned);
            let found = Found { follows, table_id: location.table_id.clone(), ..found };
            let left = (location, read_for(service, location, &copied));
            removals.push(remove_later(step, (&tenant, &state.actor), service, left, found).await?);
        }
    }
    fingerprints::erase_all(step.tx, &id).await?;
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
        who: state.actor.who.clone(),
        origin: state.actor.origin.clone(),
        action: "move.commit".to_owned(),
        tenant: Some(tenant.clone()),
        why: state.actor.why.clone(),
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
    let ours = tenant
        .is_some_and(|tenant| tenant.active_move.as_deref() == Some(&step.record.id) && tenant.epoch == offline.epoch);
    if !ours {
        return Err(StepError::lost_lease());
    }
    let (code, why) = offline.why_it_lapsed(step.tx.now().await?, state.window);
    Ok(roll_back(state, offline, code, &format!("when the move was about to commit: {why}")))
}

/// Moves the placement: added entries become live, kept ones stay, and all take the order of the new shard's regions.
async fn switch(
    step: &mut StepTx<'_>,
    tenant: &str,
    id: &str,
    service: &ServicePlan,
    actor: &Actor,
) -> Result<(), StepError> {
    if service.stays_out_of_realm {
        return Ok(());
    }
    placements::put(step.tx, tenant, &service.service, &service.to_shard).await?;
    for location in &service.add {
        let by = (Some(id), actor.changes(step.ids, Some(id)));
        let live = ledger::become_live(step.tx, tenant, &service.service, &location.key(), by).await?;
        expect_entry(live, "adding", location)?;
    }
    let mut order: Vec<&Location> = service.add.iter().chain(&service.keep).collect();
    order.sort_by_key(|location| service.order.iter().position(|key| *key == location.key()));
    for (location, position) in order.into_iter().zip(0..) {
        let placed = ledger::set_position(step.tx, tenant, &service.service, &location.key(), position).await?;
        expect_entry(placed, "live", location)?;
    }
    Ok(())
}

async fn remove_later(
    step: &mut StepTx<'_>,
    (tenant, actor): (&str, &Actor),
    service: &ServicePlan,
    (location, read_for): (&Location, Option<&Location>),
    found: Found,
) -> Result<RemovalRef, StepError> {
    let cause = Cause::Moved { move_id: step.record.id.clone() };
    let (key, why) = (location.key(), (cause, found, actor));
    let removal = queue_removal(step, tenant, &service.service, &key, EntryState::Live, why).await?;
    let removal = removal.ok_or_else(|| wrong_entry("live", location))?;
    if let Some(to) = read_for {
        let read = evidence::copied(&service.service, to);
        let move_id = step.record.id.clone();
        fingerprints::hand_over(step.tx, (&move_id, &read), (&removal.id, evidence::VERIFIED)).await?;
    }
    Ok(removal)
}

/// What the move found at a location that it leaves, by a copy or by comparing it with one that stays.
fn found_at(
    service: &ServicePlan,
    location: &Location,
    (copied, compared): (&[CopiedPart], &[ComparedPart]),
    online: bool,
) -> Found {
    let verified = verified_at(service, location, copied);
    let compared = compared_at(service, location, compared);
    match (verified, online) {
        (Some(verified), _) => Found { verified: Some(verified), ..Found::default() },
        (None, false) => Found { verified: compared, ..Found::default() },
        (None, true) => Found { compared, ..Found::default() },
    }
}

/// What the move found, part by part, at a location that it leaves. Only the source of a copy has been read.
fn verified_at(service: &ServicePlan, location: &Location, copied: &[CopiedPart]) -> Option<Vec<VerifiedPart>> {
    let to = read_for(service, location, copied)?.key();
    let parts = copied.iter().filter(|part| part.service == service.service && part.to.key() == to);
    Some(parts.map(|part| VerifiedPart { part: part.part, bounds: part.bounds.clone(), tally: part.tally }).collect())
}

/// For which copy the location was read, if it was. Of several targets the first one's: the source was read once for each.
fn read_for<'a>(service: &ServicePlan, location: &Location, copied: &'a [CopiedPart]) -> Option<&'a Location> {
    let is_source = service.source.as_ref().is_some_and(|source| source.key() == location.key());
    let first = copied.iter().find(|part| part.service == service.service);
    first.filter(|_| is_source).map(|part| &part.to)
}

/// The same of a location that no copy read, and that was compared with one that stays.
fn compared_at(service: &ServicePlan, location: &Location, compared: &[ComparedPart]) -> Option<Vec<VerifiedPart>> {
    let key = location.key();
    let parts = compared.iter().filter(|part| part.service == service.service && part.at == key);
    // The source is found once for each kept location that it was compared with.
    let mut verified: Vec<VerifiedPart> = Vec::new();
    for part in parts {
        if verified.iter().all(|known| known.part != part.part) {
            verified.push(VerifiedPart { part: part.part, bounds: part.bounds.clone(), tally: part.tally });
        }
    }
    (!verified.is_empty()).then_some(verified)
}

fn expect_entry(holds: bool, state: &str, location: &Location) -> Result<(), StepError> {
    if holds { Ok(()) } else { Err(wrong_entry(state, location)) }
}

fn wrong_entry(state: &str, location: &Location) -> StepError {
    StepError::permanent("ledger_mismatch", format!("the ledger's entry of {} is not {state}", location.key()))
}
