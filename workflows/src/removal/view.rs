//! A removal as the outside sees it.

use catalogue::ledger::{self, EntryState};
use engine::tables::{task_table, workflow_table};
use engine::{StoredError, TaskRecord, Workflow, WorkflowRecord};
use serde::{Deserialize, Serialize};
use store::{StoreError, Tx};

use super::late_writes::LateWritesDetail;
use super::recheck::{Recheck, RecheckStage, RecheckState};
use super::state::{Cause, RemovalStage, RemovalState};
use crate::amount::Amount;
use crate::explanation::Explanation;
use crate::removal::state_machine::Removal;
use crate::timestamps::rfc3339;

/// A removal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
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
    /// Where the service's data of the tenant is live now, by name; only when one removal is asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub live_at: Vec<String>,
    /// Where it stands.
    pub state: String,
    /// The move that queued it.
    pub queued_by: String,
    /// What it waits for, when that is out of the ordinary.
    pub waiting_for: Option<String>,
    /// Whether it looks, before it deletes, for what was written after the move: `compared`, `accepted` (a person said that exactly what
    /// was found may be deleted), or `not_verified` (a move that rolled back was adding it, so there is nothing to compare with).
    pub late_writes: String,
    /// What it found to have been written late, if that stopped it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub late_writes_found: Option<LateWritesDetail>,
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
    /// The second look at the location, once it is emptied; only when one removal is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recheck: Option<RecheckView>,
    /// While its attempts fail. It goes on trying for as long as the cause may pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retrying: Option<Retrying>,
    /// What it waits for and what can be done; only when one removal is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explain: Option<Box<Explanation>>,
}

/// The second look at an emptied location, for what lay in queues.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecheckView {
    /// Its id.
    pub id: String,
    /// `waiting`, `done`, `found` (the removal compares again) or `failed`.
    pub state: String,
    /// When it is due; `None` once it has ended.
    pub due_at: Option<String>,
    /// What its last attempt ran into, or why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<StoredError>,
}

/// Rechecks of a tenant that are looked through for that of one removal.
const RECHECKS: i64 = 500;

/// Attempts that fail, and are tried again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Retrying {
    /// Since when.
    pub since: String,
    /// How many have failed in a row: of its own step, or of the task of it that fails for longest.
    pub attempts: u32,
    /// What the last of them ran into.
    pub error: StoredError,
}

/// The removal, if there is one, with some of the keys that were written late.
pub async fn view_removal(tx: &mut Tx, id: &str) -> Result<Option<RemovalDetail>, StoreError> {
    let record = workflow_table::get(tx, id).await?.filter(|record| record.kind == Removal::KIND);
    let Some(record) = record else { return Ok(None) };
    let Some(mut detail) = views(tx, vec![record]).await?.pop() else { return Ok(None) };
    let entries = ledger::of_tenant(tx, &detail.tenant).await?.into_iter();
    let live = entries.filter(|entry| entry.service == detail.service && entry.state == EntryState::Live);
    detail.live_at = live.map(|entry| entry.location.name).collect();
    detail.recheck = recheck_of(tx, &detail.tenant, id).await?;
    if let Some(late) = &mut detail.late_writes_found {
        late.name_keys(tx, id).await?;
        let keys = late.in_words();
        if let Some(error) = detail.error.as_mut().filter(|_| !keys.is_empty()) {
            error.message = format!("{}. {keys}", error.message);
        }
    }
    Ok(Some(detail))
}

/// The newest recheck of the removal.
async fn recheck_of(tx: &mut Tx, tenant: &str, removal: &str) -> Result<Option<RecheckView>, StoreError> {
    let all = workflow_table::list(tx, Recheck::KIND, Some(tenant), None, None, RECHECKS).await?;
    let own = all.into_iter().find_map(|record| {
        let state = serde_json::from_str::<RecheckState>(&record.data).ok().filter(|state| state.removal == removal)?;
        Some((record, state))
    });
    Ok(own.map(|(record, state)| RecheckView {
        id: record.id,
        state: record.state,
        due_at: record.wake_at.map(rfc3339),
        error: match state.stage {
            RecheckStage::Failed { error } => Some(error),
            _ => record.error,
        },
    }))
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
    views(tx, records).await
}

async fn views(tx: &mut Tx, records: Vec<WorkflowRecord>) -> Result<Vec<RemovalDetail>, StoreError> {
    let tasks = task_table::failing(tx, records.iter().map(|record| record.id.clone()).collect()).await?;
    records.iter().map(|record| view(record, &tasks)).collect()
}

/// What has failed for longest: the removal's own step, or a task of it.
fn retrying(record: &WorkflowRecord, tasks: &[TaskRecord]) -> Option<Retrying> {
    let open = record.failing.filter(|_| record.wake_at.is_some());
    let own = open.and_then(|failing| Some((failing, record.attempt, record.error.clone()?)));
    let of_tasks = tasks.iter().filter(|task| task.workflow_id == record.id);
    let of_tasks = of_tasks.filter_map(|task| Some((task.failing?, task.attempt, task.error.clone()?)));
    let (failing, attempts, error) = own.into_iter().chain(of_tasks).min_by_key(|(failing, ..)| failing.since)?;
    Some(Retrying { since: rfc3339(failing.since), attempts, error })
}

fn view(record: &WorkflowRecord, tasks: &[TaskRecord]) -> Result<RemovalDetail, StoreError> {
    let retrying = retrying(record, tasks);
    let state: RemovalState = serde_json::from_str(&record.data).map_err(|error| {
        StoreError::Corrupt(format!("removal {} was written by another version: {error}", record.id))
    })?;
    let (removed, error) = match &state.stage {
        RemovalStage::Done { removed } => (Some(*removed), None),
        RemovalStage::Failed { error } => (None, Some(error.clone())),
        _ => (None, retrying.as_ref().map(|retrying| retrying.error.clone()).or_else(|| record.error.clone())),
    };
    Ok(RemovalDetail {
        id: record.id.clone(),
        tenant: record.subject.clone(),
        service: state.service.clone(),
        location: state.location.name.clone(),
        location_key: state.location.key(),
        live_at: Vec::new(),
        state: record.state.clone(),
        queued_by: state.move_id().to_owned(),
        waiting_for: state.waits_for.clone(),
        late_writes: late_writes(&state).to_owned(),
        late_writes_found: state.late.as_ref().map(LateWritesDetail::counts),
        removed,
        queued_at: rfc3339(record.created_at),
        due_at: record.wake_at.map(rfc3339),
        finished_at: record.finished_at.map(rfc3339),
        error,
        recheck: None,
        retrying,
        explain: None,
    })
}

fn late_writes(state: &RemovalState) -> &'static str {
    match &state.verified {
        _ if state.accepted.is_some() => "accepted",
        Some(_) => "compared",
        None if matches!(state.cause, Cause::Moved { .. }) => "compared",
        None => "not_verified",
    }
}
