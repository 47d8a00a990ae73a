//! Entries of the audit trail about changes that are no tenant's, and about what workflows find and how they fail, which nobody asked for.
//! The latter carry codes and never
//! the messages of errors: those may quote keys of the tenant's data, and the audit trail is kept for ever.

use catalogue::audit::{self, AuditEntry};
use engine::{Ids, StepTx, StoredError};
use serde_json::{Value, json};
use store::{StoreError, Tx};

use crate::actor::Actor;

/// Somebody changes something that belongs to no tenant.
pub(crate) async fn changed(
    tx: &mut Tx,
    ids: &dyn Ids,
    action: &str,
    (before, after): (Value, Value),
    actor: &Actor,
) -> Result<(), StoreError> {
    let entry = AuditEntry {
        id: ids.next(),
        at: tx.now().await?,
        who: actor.who.clone(),
        origin: actor.origin.clone(),
        action: action.to_owned(),
        tenant: None,
        why: actor.why.clone(),
        before,
        after,
    };
    audit::append(tx, &entry).await
}

/// The step's workflow, of this kind, fails.
pub(crate) async fn failed(step: &mut StepTx<'_>, kind: &str, error: &StoredError) -> Result<(), StoreError> {
    let (id, state) = (&step.record.id, &step.record.state);
    let before = json!({ kind: id, "state": state });
    let after = json!({ kind: id, "state": "failed", "code": error.code });
    record(step, (format!("{kind}.failed"), error.code.clone()), (before, after)).await
}

/// Something that the step found out about its tenant.
pub(crate) async fn found(step: &mut StepTx<'_>, action: &str, why: &str, after: Value) -> Result<(), StoreError> {
    record(step, (action.to_owned(), why.to_owned()), (Value::Null, after)).await
}

async fn record(
    step: &mut StepTx<'_>,
    (action, why): (String, String),
    (before, after): (Value, Value),
) -> Result<(), StoreError> {
    let entry = AuditEntry {
        id: step.ids.next(),
        at: step.now,
        who: "realmctl".to_owned(),
        origin: String::new(),
        action,
        tenant: Some(step.record.subject.clone()),
        why,
        before,
        after,
    };
    audit::append(step.tx, &entry).await
}
