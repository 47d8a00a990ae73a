//! Approvals on the wire.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use workflows::approval::{Action, Approval, ApprovalState, Outcome, Policy};
use workflows::timestamps::rfc3339;

use super::{Budget, text_schemas};

/// A change that waits until another person approves it. Answered with 202.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ApprovalNeeded {
    /// The request for approval.
    pub approval: ApprovalView,
}

/// A token that is good once another person has approved it. Answered with 202.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TokenAwaitsApproval {
    /// The request for approval.
    pub approval: ApprovalView,
    /// What its bearer shows. Not kept: it is shown here, and never again.
    pub secret: String,
}

/// A request for approval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalView {
    /// Its id.
    pub id: String,
    /// What is asked for.
    #[schema(value_type = String)]
    pub action: Action,
    /// About which tenant, if it is one.
    pub tenant: Option<String>,
    /// Where it stands.
    pub state: ApprovalState,
    /// What is asked for, in a sentence.
    pub summary: String,
    /// All that is carried out once it is approved.
    #[schema(value_type = Object)]
    pub content: Value,
    /// Of the content: whoever approves names it.
    pub hash: String,
    /// Who asked.
    pub requested_by: String,
    /// When.
    pub requested_at: String,
    /// The reason given.
    pub reason: String,
    /// From when on it can't be approved any more.
    pub expires_at: String,
    /// Who approved or declined it.
    pub decided_by: Option<String>,
    /// When.
    pub decided_at: Option<String>,
    /// The reason given.
    pub decision_reason: Option<String>,
    /// What came of it.
    pub outcome: Option<Outcome>,
}

impl From<Approval> for ApprovalView {
    fn from(found: Approval) -> Self {
        let Approval { stored, action, summary, content, state, outcome } = found;
        Self {
            id: stored.id,
            action,
            tenant: stored.tenant,
            state,
            summary,
            content,
            hash: stored.hash,
            requested_by: stored.requested_by,
            requested_at: rfc3339(stored.requested_at),
            reason: stored.why,
            expires_at: rfc3339(stored.expires_at),
            decided_by: stored.decided_by,
            decided_at: stored.decided_at.map(rfc3339),
            decision_reason: stored.decided_why.filter(|why| !why.is_empty()),
            outcome,
        }
    }
}

/// `POST /v1/approvals/{id}/approve`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Approve {
    /// The hash of the content that was looked at.
    #[schema(pattern = "^[0-9a-f]{32}$")]
    pub hash: String,
    /// Why; kept in the audit trail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = text_schemas::reason)]
    pub reason: Option<String>,
}

/// Which actions wait for approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalPolicyView {
    /// The actions, of `move`, `campaign`, `accepting_replay`, `topology` and `limit_zero`. While there is any, tokens and a weaker
    /// policy wait as well.
    #[schema(value_type = Vec<String>)]
    pub actions: BTreeSet<Action>,
    /// How long a request waits.
    pub valid_for_ms: i64,
    /// When it was set.
    pub set_at: Option<String>,
    /// By whom.
    pub set_by: Option<String>,
}

impl ApprovalPolicyView {
    pub(crate) fn of(policy: Policy, set: Option<(i64, String)>) -> Self {
        let (set_at, set_by) = set.map(|(at, by)| (rfc3339(at), by)).unzip();
        Self { actions: policy.actions, valid_for_ms: policy.valid_for_ms, set_at, set_by }
    }
}

/// `PUT /v1/approval-policy`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetApprovalPolicy {
    /// The actions that wait from now on.
    #[schema(schema_with = text_schemas::approval_actions)]
    pub actions: BTreeSet<Action>,
    /// How long a request waits: 10 minutes to 30 days; a day when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_for: Option<Budget>,
    /// Why; kept in the audit trail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = text_schemas::reason)]
    pub reason: Option<String>,
}
