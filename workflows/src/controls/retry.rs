//! Retry now: what waits for its next attempt, or looks again later, is due at once. Nothing else about it changes: neither the
//! count of failed attempts nor who holds what.

use catalogue::audit::{self, AuditEntry};
use engine::pause_table;
use serde_json::json;

use super::{Kind, lock_open};
use crate::deployment::Deployment;
use crate::refusal::Refusal;
use crate::requester::Requester;
use crate::timestamps::rfc3339;

/// Wakes the workflow and its tasks; `false`: nothing of it was waiting.
pub async fn retry_now(deployment: &Deployment, kind: Kind, id: &str, requester: &Requester) -> Result<bool, Refusal> {
    let mut tx = deployment.store.begin().await?;
    let record = lock_open(&mut tx, kind, id).await?;
    if let Some(pause) = pause_table::holding(&mut tx, id).await? {
        let resume = match &pause.scope {
            pause_table::PauseScope::All => "realmctl resume --all".to_owned(),
            pause_table::PauseScope::Tenant(tenant) => format!("realmctl tenants resume {tenant}"),
            pause_table::PauseScope::Workflow(id) => format!("realmctl {}s resume {id}", record.kind),
        };
        let message = format!("{} {id} is paused, by {}: let it go on with `{resume}`", record.kind, pause.who);
        return Err(Refusal::conflict("paused", message));
    }
    let now = tx.now().await?;
    if record.state == "scheduled"
        && let Some(at) = record.wake_at.filter(|at| *at > now)
    {
        let message = format!(
            "{} {id} has not begun: it waits for its time, {}. To begin earlier, give it another with `realmctl moves \
             reschedule {id}`",
            record.kind,
            rfc3339(at)
        );
        return Err(Refusal::conflict("scheduled", message));
    }
    let woken = pause_table::hurry(&mut tx, id).await?;
    if woken > 0 {
        let entry = AuditEntry {
            id: deployment.ids.next(),
            at: tx.now().await?,
            who: requester.who.clone(),
            action: format!("{}.retry", record.kind),
            tenant: Some(record.subject.clone()),
            why: requester.why.clone(),
            before: json!({ kind.stored(): id, "state": record.state, "wakeAt": record.wake_at, "error": record.error }),
            after: json!({ kind.stored(): id, "state": record.state, "woken": woken }),
        };
        audit::append(&mut tx, &entry).await?;
    }
    tx.commit().await?;
    Ok(woken > 0)
}
