//! What a cancel comes to, and how it is told.

use catalogue::audit::AuditEntry;
use engine::{ExternalTransition, StoredError};
use serde_json::json;

use crate::actor::Actor;
use crate::deployment::Deployment;
use crate::realm_move::state_machine::RealmMove;

/// What a cancel came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelOutcome {
    /// The tenant is online where it was.
    Cancelled,
    /// It was rolled back before.
    AlreadyRolledBack,
}

/// The code of a move that a person has called off.
pub(crate) const CANCELLED: &str = "cancelled";

pub(crate) fn cancelled_by(actor: &Actor) -> StoredError {
    let why = if actor.why.is_empty() { String::new() } else { format!(": {}", actor.why) };
    StoredError { code: CANCELLED.to_owned(), message: format!("cancelled by {}{why}", actor.who) }
}

pub(crate) fn audit_entry(
    deployment: &Deployment,
    held: &ExternalTransition<'_, RealmMove>,
    actor: &Actor,
) -> AuditEntry {
    let record = &held.step.record;
    AuditEntry {
        id: deployment.ids.next(),
        at: held.step.now,
        who: actor.who.clone(),
        origin: actor.origin.clone(),
        action: "move.cancel".to_owned(),
        tenant: Some(record.subject.clone()),
        why: actor.why.clone(),
        before: json!({ "move": record.id, "state": record.state }),
        after: json!({ "move": record.id, "state": "rolled_back" }),
    }
}
