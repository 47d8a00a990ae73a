//! A removal as the outside sees it.

use engine::workflow_table;
use engine::{StoredError, Workflow, WorkflowRecord};
use serde::{Deserialize, Serialize};
use store::{StoreError, Tx};

use super::machine::Removal;
use super::state::{RemovalStage, RemovalState};
use crate::data_tasks::Amount;
use crate::explain::Explanation;
use crate::timestamps::rfc3339;

/// A removal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RemovalDetail {
    /// Its id.
    pub id: String,
    /// Whose data.
    pub tenant: String,
    /// Of which service.
    pub service: String,
    /// From where, by name.
    pub location: String,
    /// The physical identity of the location.
    pub location_key: String,
    /// Where it stands.
    pub state: String,
    /// The move that queued it.
    pub queued_by: String,
    /// What it waits for, when that is out of the ordinary.
    pub waiting_for: Option<String>,
    /// Whether it looks, before it deletes, for what was written after the move: `compared`, `accepted` (a person said that it may
    /// be deleted), or `not_verified` (the move did not read this location, so there is nothing to compare with).
    pub late_writes: String,
    /// How much it deleted.
    pub removed: Option<Amount>,
    /// When it was queued.
    pub queued_at: String,
    /// When it is looked at next.
    pub due_at: Option<String>,
    /// When it ended.
    pub finished_at: Option<String>,
    /// Why it failed, or what its last attempt ran into.
    pub error: Option<StoredError>,
    /// What it waits for and what can be done; only when one removal is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explain: Option<Box<Explanation>>,
}

/// The removal, if there is one.
pub async fn view_removal(tx: &mut Tx, id: &str) -> Result<Option<RemovalDetail>, StoreError> {
    match workflow_table::get(tx, id).await? {
        Some(record) if record.kind == Removal::KIND => view(&record).map(Some),
        _ => Ok(None),
    }
}

/// Removals, newest first, older than the id `before`; optionally of one tenant or in one state.
pub async fn list_removals(
    tx: &mut Tx,
    tenant: Option<&str>,
    state: Option<&str>,
    before: Option<&str>,
    limit: i64,
) -> Result<Vec<RemovalDetail>, StoreError> {
    let records = workflow_table::list(tx, Removal::KIND, tenant, state, before, limit).await?;
    records.iter().map(view).collect()
}

fn view(record: &WorkflowRecord) -> Result<RemovalDetail, StoreError> {
    let state: RemovalState = serde_json::from_str(&record.data).map_err(|error| {
        StoreError::Corrupt(format!("removal {} was written by another version: {error}", record.id))
    })?;
    let (removed, error) = match &state.stage {
        RemovalStage::Done { removed } => (Some(*removed), None),
        RemovalStage::Failed { error } => (None, Some(error.clone())),
        _ => (None, record.error.clone()),
    };
    Ok(RemovalDetail {
        id: record.id.clone(),
        tenant: record.subject.clone(),
        service: state.service.clone(),
        location: state.location.name.clone(),
        location_key: state.location.key(),
        state: record.state.clone(),
        queued_by: state.move_id().to_owned(),
        waiting_for: state.waits_for.clone(),
        late_writes: late_writes(&state).to_owned(),
        removed,
        queued_at: rfc3339(record.created_at),
        due_at: record.wake_at.map(rfc3339),
        finished_at: record.finished_at.map(rfc3339),
        error,
        explain: None,
    })
}

fn late_writes(state: &RemovalState) -> &'static str {
    match &state.verified {
        _ if state.accept_late_writes => "accepted",
        Some(_) => "compared",
        None => "not_verified",
    }
}
