//! `offline`: one transaction. Room for the data tasks reserved, status moving under a lease, epoch + 1, every target entry
//! asserted absent and made adding.
//! From here on the tenant is offline, and everything the move does is guarded by the epoch set here.

use catalogue::audit::{self, AuditEntry};
use catalogue::{changes, ledger, tenants, topologies};
use engine::{Next, StepError, StepTx};
use serde_json::json;

use crate::capacity::{self, demands_of_move};
use crate::deployment::Deployment;
use crate::realm_move::state::{MoveState, OfflinePeriod, Stage};
use crate::realm_move::states::preflight::still_holds;
use crate::realm_move::states::waiting::busy_target;
use crate::timing::millis;
use crate::worker_there;

pub(crate) async fn advance(
    deployment: &Deployment,
    step: &mut StepTx<'_>,
    state: MoveState,
) -> Result<Next<MoveState>, StepError> {
    let (tenant, id) = (step.record.subject.clone(), step.record.id.clone());
    let locked = tenants::lock(step.tx, &tenant).await?;
    topologies::pin(step.tx).await?;
    still_holds(step.tx, locked.as_ref(), &state.plan).await?;
    if let Some(reason) = busy_target(deployment, step, &state.plan).await? {
        let stage = Stage::Waiting { since: step.now, reason, looked_at: None };
        return Ok(Next::Go(state.at_stage(stage), "a target is in use again".to_owned()));
    }
    if let Some(reason) = worker_there::missing(step.tx).await? {
        let stage = Stage::Waiting { since: step.now, reason, looked_at: None };
        return Ok(Next::Go(state.at_stage(stage), "the last worker has gone".to_owned()));
    }
    if let Some(blocked) = capacity::take(step, &demands_of_move(&state.plan, &state.partitioning)).await? {
        let stage = Stage::Waiting { since: step.now, reason: blocked.text(), looked_at: None };
        return Ok(Next::Go(state.at_stage(stage), "another workflow took the capacity".to_owned()));
    }
    let now = step.tx.now().await?;
    let deadline = state.deadline(now, millis(deployment.timing.offline_deadline));
    let lease_until = deadline.min(now + millis(deployment.timing.offline_lease));
    if !tenants::take_offline(step.tx, &tenant, &id, state.plan.epoch, lease_until).await? {
        return Err(StepError::permanent(
            "plan_changed",
            "the tenant changed since the plan was approved: start again",
        ));
    }
    for service in &state.plan.services {
        for target in &service.add {
            let by = (Some(id.as_str()), state.actor.changes(step.ids, Some(&id)));
            ledger::begin_adding(step.tx, &tenant, &service.service, target, by).await?.ok_or_else(|| {
                StepError::retryable("target_busy", format!("{} at {} is in use again", service.service, target.name))
            })?;
        }
    }
    let epoch = state.plan.epoch + 1;
    let offline = OfflinePeriod { epoch, since: now, deadline };
    let entry = AuditEntry {
        id: step.ids.next(),
        at: now,
        who: state.actor.who.clone(),
        origin: state.actor.origin.clone(),
        action: "tenant.offline".to_owned(),
        tenant: Some(tenant.clone()),
        why: state.actor.why.clone(),
        before: json!({ "status": "online", "epoch": state.plan.epoch }),
        after: json!({ "status": "moving", "epoch": epoch, "move": id }),
    };
    audit::append(step.tx, &entry).await?;
    changes::append(step.tx, &tenant, epoch, "offline").await?;
    Ok(Next::Go(state.at_stage(Stage::Drain { offline, until: None }), String::new()))
}
