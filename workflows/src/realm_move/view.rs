//! A move as the outside sees it: the JSON contract, with progress while it runs.

use engine::workflow_table::{self};
use engine::{Priority, StoredError, TaskRecord, TaskStatus, Workflow, WorkflowRecord, task_table};
use serde::{Deserialize, Serialize};
use store::{StoreError, Tx};
use workers::Verification;

use super::forecast::Forecast;
use super::machine::RealmMove;
use super::report::PartReport;
use super::state::{MoveState, RemovalRef, Stage, copied_amount};
use crate::data_tasks::{Amount, CopyTask};
use crate::explain::Explanation;
use crate::plan::ServicePlan;
use crate::timestamps::rfc3339;

/// A move.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MoveView {
    /// Its id.
    pub id: String,
    /// The tenant.
    pub tenant: String,
    /// The realm it leaves.
    pub from: String,
    /// The realm it goes to.
    pub to: String,
    /// Where it stands.
    pub state: String,
    /// What it does, service by service.
    pub plan: Vec<PlanView>,
    /// Names what was approved.
    pub plan_hash: String,
    /// How long the tenant has been offline for it, in milliseconds.
    pub offline_ms: i64,
    /// What has been copied and settled.
    pub copied: Amount,
    /// Whether everything added was read back and found equal to the source.
    pub verified: bool,
    /// How much of what is copied is looked at again, and what that found.
    #[serde(default)]
    pub verification: VerificationView,
    /// The removals it queued.
    pub removals: Vec<RemovalView>,
    /// When it was started.
    pub started_at: String,
    /// When it ended.
    pub finished_at: Option<String>,
    /// Why it is not going on, or went back.
    pub error: Option<StoredError>,
    /// How far the data work of the current state is.
    pub progress: Option<ProgressView>,
    /// How long the tenant may be offline for it, in milliseconds, while it is.
    #[serde(default)]
    pub offline_allowed_ms: Option<i64>,
    /// How long the tenant will have been offline, as forecast from the data work so far.
    #[serde(default)]
    pub projected_offline_ms: Option<i64>,
    /// How long until it is online again, as forecast: as likely sooner as later.
    #[serde(default)]
    pub eta_ms: Option<i64>,
    /// The same at best: nine forecasts in ten end between this and `etaHighMs`.
    #[serde(default)]
    pub eta_low_ms: Option<i64>,
    /// The same at worst.
    #[serde(default)]
    pub eta_high_ms: Option<i64>,
    /// Within which it may keep its tenant offline.
    #[serde(default)]
    pub window: Option<WindowView>,
    /// Which of what is due goes first.
    #[serde(default)]
    pub priority: Priority,
    /// The campaign that started it.
    #[serde(default)]
    pub campaign: Option<String>,
    /// What it waits for, when it waits.
    pub waiting_for: Option<String>,
    /// What could not be told to whom.
    pub warnings: Vec<String>,
    /// Who asked.
    pub requested_by: String,
    /// Why.
    pub reason: String,
    /// What it waits for and what can be done; only when one move is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explain: Option<Box<Explanation>>,
}

/// The verification of a move.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VerificationView {
    /// `full`, `sampled` or `off`.
    pub mode: Verification,
    /// What was found, part by part, once all parts were verified.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<PartReport>,
}

/// A window, its end excluded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WindowView {
    /// From when on the move may begin.
    pub from: String,
    /// When the tenant must be online again.
    pub to: String,
}

/// What a move does in one service. Locations are shown by name: the region, plus the table or bucket where the shard has a
/// store of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanView {
    /// The service.
    pub service: String,
    /// The shard it leaves.
    pub from_shard: Option<String>,
    /// The shard it goes to.
    pub to_shard: String,
    /// Gets the data.
    pub add: Vec<String>,
    /// Has it and keeps it.
    pub keep: Vec<String>,
    /// Is emptied afterwards.
    pub remove: Vec<String>,
}

/// How far the data work of the current state is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProgressView {
    /// Tasks that are done.
    pub tasks_done: u64,
    /// All tasks.
    pub tasks: u64,
    /// Handled so far.
    pub done: Amount,
    /// How much there is, as counted before going offline.
    pub expected: Amount,
}

/// A removal that the move queued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RemovalView {
    /// Its id.
    pub id: String,
    /// Of which service.
    pub service: String,
    /// From where.
    pub location: String,
    /// Where it stands.
    pub state: String,
}

impl From<&ServicePlan> for PlanView {
    fn from(plan: &ServicePlan) -> Self {
        let names = |locations: &[catalogue::location::Location]| locations.iter().map(|at| at.name.clone()).collect();
        Self {
            service: plan.service.clone(),
            from_shard: plan.from_shard.clone(),
            to_shard: plan.to_shard.clone(),
            add: names(&plan.add),
            keep: names(&plan.keep),
            remove: names(&plan.remove),
        }
    }
}

/// The move, if there is one.
pub async fn view_move(tx: &mut Tx, id: &str) -> Result<Option<MoveView>, StoreError> {
    match workflow_table::get(tx, id).await? {
        Some(record) if record.kind == RealmMove::KIND => view(tx, &record).await.map(Some),
        _ => Ok(None),
    }
}

/// Moves, newest first, older than the id `before`; optionally of one tenant or in one state.
pub async fn list_moves(
    tx: &mut Tx,
    tenant: Option<&str>,
    state: Option<&str>,
    before: Option<&str>,
    limit: i64,
) -> Result<Vec<MoveView>, StoreError> {
    let records = workflow_table::list(tx, RealmMove::KIND, tenant, state, before, limit).await?;
    let mut views = Vec::with_capacity(records.len());
    for record in &records {
        views.push(view(tx, record).await?);
    }
    Ok(views)
}

async fn view(tx: &mut Tx, record: &WorkflowRecord) -> Result<MoveView, StoreError> {
    let state: MoveState = serde_json::from_str(&record.data)
        .map_err(|error| StoreError::Corrupt(format!("move {} was written by another version: {error}", record.id)))?;
    let now = tx.now().await?;
    let tasks = match state.stage {
        Stage::AddData { .. } | Stage::Verify { .. } => task_table::of_workflow(tx, &record.id).await?,
        _ => Vec::new(),
    };
    let facts = Facts::of(&state.stage, now);
    let forecast = state.stage.forecast();
    let eta = |end: fn(Forecast) -> i64| forecast.map(|forecast| (end(forecast) - now).max(0));
    Ok(MoveView {
        id: record.id.clone(),
        tenant: record.subject.clone(),
        from: state.plan.from.clone(),
        to: state.plan.to.clone(),
        state: record.state.clone(),
        plan: state.plan.services.iter().map(PlanView::from).collect(),
        plan_hash: state.plan_hash.clone(),
        offline_ms: facts.offline_ms,
        copied: facts.copied,
        verified: facts.verified,
        verification: VerificationView { mode: state.verification, parts: facts.report },
        removals: removal_views(tx, &facts.removals).await?,
        started_at: rfc3339(record.created_at),
        finished_at: record.finished_at.map(rfc3339),
        error: facts.error.or_else(|| record.error.clone()),
        progress: progress(&state, &tasks),
        offline_allowed_ms: state.stage.offline().map(|offline| offline.deadline - offline.since),
        projected_offline_ms: eta(|forecast| forecast.end).map(|eta_ms| facts.offline_ms + eta_ms),
        eta_ms: eta(|forecast| forecast.end),
        eta_low_ms: eta(|forecast| forecast.low),
        eta_high_ms: eta(|forecast| forecast.high),
        window: state.window.map(|window| WindowView { from: rfc3339(window.from), to: rfc3339(window.to) }),
        priority: state.priority,
        campaign: state.campaign.clone(),
        waiting_for: waiting_for(&state, record),
        warnings: facts.warnings,
        requested_by: state.requester.who.clone(),
        reason: state.requester.why.clone(),
        explain: None,
    })
}

/// What the stage knows, in one shape for all stages.
#[derive(Default)]
struct Facts {
    offline_ms: i64,
    copied: Amount,
    verified: bool,
    report: Vec<PartReport>,
    removals: Vec<RemovalRef>,
    error: Option<StoredError>,
    warnings: Vec<String>,
}

impl Facts {
    fn of(stage: &Stage, now: i64) -> Self {
        let mut facts = Self::default();
        if let Some(offline) = stage.offline() {
            facts.offline_ms = (now - offline.since).max(0);
        }
        match stage {
            Stage::Verify { copied, .. } => facts.copied = copied_amount(copied),
            Stage::Commit { copied, report, .. } => {
                facts.copied = copied_amount(copied);
                facts.report.clone_from(report);
                facts.verified = report.iter().all(|part| part.mode != Verification::Off);
            }
            Stage::Notify { committed } | Stage::Completed { committed, .. } => {
                facts.offline_ms = committed.offline_ms;
                facts.copied = committed.copied;
                facts.verified = committed.verified;
                facts.report.clone_from(&committed.report);
                facts.removals.clone_from(&committed.removals);
            }
            Stage::RolledBack { error, offline_ms, removals } => {
                facts.offline_ms = *offline_ms;
                facts.removals.clone_from(removals);
                facts.error = Some(error.clone());
            }
            Stage::ReOnline { error, .. } | Stage::Failed { error } => facts.error = Some(error.clone()),
            _ => {}
        }
        if let Stage::Completed { warnings, .. } = stage {
            facts.warnings.clone_from(warnings);
        }
        facts
    }
}

async fn removal_views(tx: &mut Tx, removals: &[RemovalRef]) -> Result<Vec<RemovalView>, StoreError> {
    let mut views = Vec::with_capacity(removals.len());
    for removal in removals {
        let state =
            workflow_table::get(tx, &removal.id).await?.map_or_else(|| "unknown".to_owned(), |found| found.state);
        let RemovalRef { id, service, location } = removal.clone();
        views.push(RemovalView { id, service, location, state });
    }
    Ok(views)
}

/// Copy tasks count what they wrote. While verifying, what was copied is what there is to read back.
fn progress(state: &MoveState, tasks: &[TaskRecord]) -> Option<ProgressView> {
    if tasks.is_empty() {
        return None;
    }
    let copying = tasks.iter().any(|task| task.kind == CopyTask::KIND);
    let expected = match &state.stage {
        Stage::Verify { copied, .. } if !copying => copied_amount(copied),
        _ => state.expected.unwrap_or_default(),
    };
    let amount = |task: &TaskRecord| {
        let counted = if task.status == TaskStatus::Done { task.result.as_ref() } else { Some(&task.progress) };
        counted.and_then(|value| Amount::deserialize(value).ok()).unwrap_or_default()
    };
    Some(ProgressView {
        tasks_done: tasks.iter().filter(|task| task.status == TaskStatus::Done).count() as u64,
        tasks: tasks.len() as u64,
        done: tasks.iter().map(amount).sum(),
        expected,
    })
}

fn waiting_for(state: &MoveState, record: &WorkflowRecord) -> Option<String> {
    if record.paused {
        return Some("a person: it is paused".to_owned());
    }
    match &state.stage {
        _ if state.waits_for.is_some() => state.waits_for.clone(),
        Stage::Scheduled => record.wake_at.map(|at| match state.window {
            Some(window) => format!("its window, from {} to {}", rfc3339(window.from), rfc3339(window.to)),
            None => format!("its time, {}", rfc3339(at)),
        }),
        Stage::Waiting { reason, .. } => Some(reason.clone()),
        Stage::Drain { until: Some(until), .. } => {
            Some(format!("requests from before to end, until {}", rfc3339(*until)))
        }
        _ => None,
    }
}
