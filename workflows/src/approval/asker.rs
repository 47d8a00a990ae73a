//! Who asks for an action or decides about it, and what the audit trail has of that.

use catalogue::approvals::StoredApproval;
use catalogue::audit::{self, AuditEntry};
use serde_json::Value;
use store::{Millis, Tx};

use crate::actor::Actor;
use crate::deployment::Deployment;
use crate::refusal::Refusal;

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    /// As the audit trail calls the caller, and why.
    pub actor: &'a Actor,
    /// Who it is, if that is proved.
    pub person: Option<&'a str>,
    /// The token that was shown.
    pub token: Option<&'a str>,
    /// How long requests are kept once they can't be approved any more; none: for ever.
    pub keep: Option<Millis>,
}

/// Several may share what proves no name: two of them could be one person.
pub(super) fn person(asker: Asker<'_>) -> Result<&str, Refusal> {
    asker.person.ok_or_else(|| {
        let message = "two people have to agree to this, so each has to show a token of their own: the server's token, a certificate, or none, \
                       tells no people apart";
        Refusal::conflict("approval_needs_a_name", message)
    })
}

/// What the audit trail has of a request.
pub(super) async fn record(
    deployment: &Deployment,
    tx: &mut Tx,
    action: &str,
    (approval, after): (&StoredApproval, Value),
    actor: &Actor,
) -> Result<(), Refusal> {
    let entry = AuditEntry {
        id: deployment.ids.next(),
        at: tx.now().await?,
        who: actor.who.clone(),
        origin: actor.origin.clone(),
        action: action.to_owned(),
        tenant: approval.tenant.clone(),
        why: actor.why.clone(),
        before: Value::Null,
        after,
    };
    Ok(audit::append(tx, &entry).await?)
}
