//! What a cancel comes to, and how it is told.

use catalogue::audit::AuditEntry;
use engine::{Intervention, StoredError};
use serde_json::json;

use crate::deployment::Deployment;
use crate::realm_move::machine::RealmMove;
use crate::requester::Requester;

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

pub(crate) fn cancelled_by(requester: &Requester) -> StoredError {
    let why = if requester.why.is_empty() { String::new() } else { format!(": {}", requester.why) };
    StoredError { code: CANCELLED.to_owned(), message: format!("cancelled by {}{why}", requester.who) }
}

pub(crate) fn audit_entry(
    deployment: &Deployment,
    held: &Intervention<'_, RealmMove>,
    requester: &Requester,
) -> AuditEntry {
    let record = &held.step.record;
    AuditEntry {
        id: deployment.ids.next(),
        at: held.step.now,
        who: requester.who.clone(),
        action: "move.cancel".to_owned(),
        tenant: Some(record.subject.clone()),
        why: requester.why.clone(),
        before: json!({ "move": record.id, "state": record.state }),
        after: json!({ "move": record.id, "state": "rolled_back" }),
    }
}
