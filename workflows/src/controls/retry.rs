//! Retry now: what waits for its next attempt, or looks again later, is due at once. Nothing else about it changes: neither the
//! count of failed attempts nor who holds what.

use catalogue::audit::{self, AuditEntry};
use engine::tables::pause_table;
use serde_json::json;

use super::{Kind, lock_open};
use crate::actor::Actor;
use crate::deployment::Deployment;
use crate::explain::resume;
use crate::refusal::Refusal;
use crate::timestamps::utc;

/// Wakes the workflow and its tasks; `false`: nothing of it was waiting.
pub async fn retry_now(deployment: &Deployment, kind: Kind, id: &str, actor: &Actor) -> Result<bool, Refusal> {
    let mut tx = deployment.store.begin().await?;
    let record = lock_open(&mut tx, kind, id).await?;
    if let Some(pause) = pause_table::holding(&mut tx, id).await? {
        let next = resume(&pause.scope, &record.kind).map(|command| format!(": let it go on with `{command}`"));
        let message = format!("{} {id} is paused, by {}{}", record.kind, pause.who, next.unwrap_or_default());
        return Err(Refusal::conflict("paused", message));
    }
    let now = tx.now().await?;
    if record.state == "scheduled"
        && let Some(at) = record.wake_at.filter(|at| *at > now)
    {
        let message = format!(
            "{} {id} has not begun: it waits for its start time, {}. To begin earlier, give it another with `realmctl moves \
             reschedule {id} --at TIME`",
            record.kind,
            utc(at)
        );
        return Err(Refusal::conflict("scheduled", message));
    }
    let woken = pause_table::hurry(&mut tx, id).await?;
    if woken > 0 {
        let entry = AuditEntry {
            id: deployment.ids.next(),
            at: tx.now().await?,
            who: actor.who.clone(),
            origin: actor.origin.clone(),
            action: format!("{}.retry", record.kind),
            tenant: Some(record.subject.clone()),
            why: actor.why.clone(),
            before: json!({
                kind.stored(): id, "state": record.state, "wakeAt": record.wake_at,
                "code": record.error.as_ref().map(|error| &error.code),
            }),
            after: json!({ kind.stored(): id, "state": record.state, "woken": woken }),
        };
        audit::append(&mut tx, &entry).await?;
    }
    tx.commit().await?;
    Ok(woken > 0)
}
