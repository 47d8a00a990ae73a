//! Brings a tenant back whose move's stored state this version can't read: another version wrote it. The tenant's row says that it
//! is offline for this move and at which epoch, the ledger what was being added; no more is needed.

use catalogue::tenants::{self, Tenant, TenantStatus};
use catalogue::{audit, capacity};
use engine::{Ending, ExternalTransition, StepError, StoredError};
use serde_json::{Map, Value};
use store::Millis;

use crate::actor::Actor;
use crate::deployment::Deployment;
use crate::realm_move::commands::cancelled::{CancelOutcome, audit_entry, cancelled_by};
use crate::realm_move::state::{OfflinePeriod, Stage};
use crate::realm_move::state_machine::RealmMove;
use crate::realm_move::states::re_online::bring_back;
use crate::refusal::Refusal;
use crate::replica_sets::ReplicaSets;

/// What a state holds of the tenant's keys, and only while it is copied.
const ONLY_WHILE_COPYING: &str = "partitioning";

/// The tenant's offline lease has lapsed.
pub(crate) async fn lapsed(mut held: ExternalTransition<'_, RealmMove>, tenant: &Tenant) -> Result<(), StepError> {
    let offline = offline_period(&mut held, tenant).await?;
    let now = held.step.tx.now().await?;
    let (code, why) = offline.why_it_lapsed(now, None);
    let error = StoredError { code: code.to_owned(), message: why.clone() };
    let stage =
        bring_back(&mut held.step, (&offline, &ReplicaSets::default()), error.clone(), &Actor::realmctl(&why)).await?;
    end(held, &stage, (format!("{code}: {why}"), &error)).await
}

/// Cancels the move, as far as the catalogue says that it can be cancelled.
pub(crate) async fn cancel(
    deployment: &Deployment,
    mut held: ExternalTransition<'_, RealmMove>,
    actor: &Actor,
) -> Result<CancelOutcome, Refusal> {
    let record = held.step.record.clone();
    let tenant = tenants::lock(held.step.tx, &record.subject).await?;
    if record.wake_at.is_none() {
        return match record.state.as_str() {
            "rolled_back" => Ok(CancelOutcome::AlreadyRolledBack),
            _ => Err(Refusal::conflict(
                "move_ended",
                format!("move {} has already ended as {}", record.id, record.state),
            )),
        };
    }
    let Some(tenant) = tenant.filter(|tenant| tenant.active_move.as_ref() == Some(&record.id)) else {
        let message = format!("too late: move {} has committed; to undo it, move the tenant again", record.id);
        return Err(Refusal::conflict("already_committed", message));
    };
    let error = cancelled_by(actor);
    let stage = if tenant.status == TenantStatus::Moving {
        let offline = offline_period(&mut held, &tenant).await?;
        bring_back(&mut held.step, (&offline, &ReplicaSets::default()), error.clone(), actor).await?
    } else {
        tenants::release(held.step.tx, &tenant.id, &record.id).await?;
        capacity::release(held.step.tx, &record.id).await?;
        Stage::RolledBack { error: error.clone(), offline_ms: 0, removals: Vec::new() }
    };
    let entry = audit_entry(deployment, &held, actor);
    audit::append(held.step.tx, &entry).await?;
    let note = error.message.clone();
    end(held, &stage, (note, &error)).await?;
    Ok(CancelOutcome::Cancelled)
}

/// The offline period as the catalogue knows it. Only the move's state knows the deadline.
async fn offline_period(
    held: &mut ExternalTransition<'_, RealmMove>,
    tenant: &Tenant,
) -> Result<OfflinePeriod, StepError> {
    let since = tenants::offline_since(held.step.tx, &tenant.id).await?;
    Ok(OfflinePeriod { epoch: tenant.epoch, since, deadline: Millis::MAX })
}

async fn end(
    held: ExternalTransition<'_, RealmMove>,
    stage: &Stage,
    (note, error): (String, &StoredError),
) -> Result<(), StepError> {
    let data = at_stage(&held.step.record.data, stage);
    held.end(Ending { state: stage.name(), data, note, error }).await
}

/// The stored state at another stage; what it holds besides stays as the other version wrote it. One that is not even an object
/// stays whole: the state's name stands beside it.
fn at_stage(data: &str, stage: &Stage) -> String {
    let (Ok(mut known), Ok(stage)) = (serde_json::from_str::<Map<String, Value>>(data), serde_json::to_value(stage))
    else {
        return data.to_owned();
    };
    known.insert("stage".to_owned(), stage);
    known.remove(ONLY_WHILE_COPYING);
    Value::Object(known).to_string()
}
