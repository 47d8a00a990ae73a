//! A request for approval: where it stands, and finding it.

use catalogue::approvals::{self, StoredApproval};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{Millis, StoreError, Tx};

use super::action::Action;
use super::carry_out::Outcome;
use super::content::Content;
use super::shown::{readable, summary};

pub(super) const PENDING: &str = "pending";
pub(super) const APPROVED: &str = "approved";
pub(super) const DECLINED: &str = "declined";
pub(super) const WITHDRAWN: &str = "withdrawn";

/// Where a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ApprovalState {
    /// It waits for another person.
    Pending,
    /// It was approved, and so carried out.
    Approved,
    /// Another person declined it.
    Declined,
    /// Whoever asked for it has withdrawn it.
    Withdrawn,
    /// Nobody decided it in time.
    Expired,
}

/// A request for approval.
#[derive(Debug, Clone, PartialEq)]
pub struct Approval {
    /// As it is kept.
    pub stored: StoredApproval,
    /// The action.
    pub action: Action,
    /// What is asked for, in a sentence.
    pub summary: String,
    /// All that is carried out, as people read it.
    pub content: Value,
    /// Where it stands.
    pub state: ApprovalState,
    /// What came of it.
    pub outcome: Option<Outcome>,
}

impl Approval {
    pub(super) fn read(stored: StoredApproval, now: Millis) -> Result<Self, StoreError> {
        let corrupt = |what: &str| StoreError::Corrupt(format!("{what} of approval {}", stored.id));
        let action = Action::find(&stored.action).ok_or_else(|| corrupt("the action"))?;
        let content = Content::read(&stored.content)?;
        let (summary, content) = (summary(&content), readable(&content));
        let state = match stored.state.as_str() {
            PENDING if stored.expires_at <= now => ApprovalState::Expired,
            PENDING => ApprovalState::Pending,
            APPROVED => ApprovalState::Approved,
            DECLINED => ApprovalState::Declined,
            WITHDRAWN => ApprovalState::Withdrawn,
            _ => return Err(corrupt("the state")),
        };
        let outcome = stored.outcome.as_deref().map(serde_json::from_str).transpose();
        let outcome = outcome.map_err(|_| corrupt("the outcome"))?;
        Ok(Self { stored, action, summary, content, state, outcome })
    }
}

/// A request.
pub async fn find_approval(tx: &mut Tx, id: &str) -> Result<Option<Approval>, StoreError> {
    let now = tx.now().await?;
    approvals::find(tx, id).await?.map(|stored| Approval::read(stored, now)).transpose()
}

/// Requests, the newest first, older than the id `before`; of a tenant, and only those that wait.
pub async fn list_approvals(
    tx: &mut Tx,
    tenant: Option<&str>,
    only_pending: bool,
    before: Option<&str>,
    limit: i64,
) -> Result<Vec<Approval>, StoreError> {
    let now = tx.now().await?;
    let state = only_pending.then_some(PENDING);
    let found = approvals::list(tx, (tenant, state), before, limit).await?;
    found.into_iter().map(|stored| Approval::read(stored, now)).collect()
}

/// How many wait.
pub async fn count_pending(tx: &mut Tx) -> Result<i64, StoreError> {
    let now = tx.now().await?;
    approvals::count_pending(tx, now).await
}
