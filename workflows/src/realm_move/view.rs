//! A move as the outside sees it: the JSON contract, with progress while it runs. What it shows of each thing is a file.

mod facts;
mod plan;
mod progress;
mod removals;
mod task_errors;
mod timeline;
mod unread;
mod waiting;

use engine::tables::{pause_table, task_table, workflow_table};
use engine::{Priority, StoredError, Workflow, WorkflowRecord};
use serde::{Deserialize, Serialize};
use store::{StoreError, Tx};
use workers::Verification;

use super::state::{MoveState, Stage};
use crate::amount::Amount;
use crate::explanation::Explanation;
use crate::realm_move::forecast::eta::Forecast;
use crate::realm_move::parts::PartReport;
use crate::realm_move::state_machine::RealmMove;
use crate::timestamps::rfc3339;
use facts::Facts;
use progress::progress;
use removals::removal_views;
use task_errors::task_errors;
use timeline::timeline;
use waiting::waiting_for;

pub use plan::PlanView;
pub use progress::ProgressView;
pub use removals::RemovalView;
pub use task_errors::TaskErrorView;
pub use timeline::Passage;
pub use waiting::WindowView;

/// A move.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
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
    /// Since when the tenant is, or was, offline for it; only when one move is asked for, as `offlineUntil` and `timeline`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offline_from: Option<String>,
    /// When it was online again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offline_until: Option<String>,
    /// The states that it has entered, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub timeline: Vec<Passage>,
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
    /// When it may begin, while it is scheduled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begins_at: Option<String>,
    /// When it ended.
    pub finished_at: Option<String>,
    /// Why it is not going on, or rolled back.
    pub error: Option<StoredError>,
    /// How far the data work of the current state is.
    pub progress: Option<ProgressView>,
    /// What its data tasks run into while they are tried again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub task_errors: Vec<TaskErrorView>,
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
    /// The longest time offline that was asked for, in milliseconds; the deployment's deadline and the window bound it as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget_ms: Option<i64>,
    /// Whether somebody holds it back: it, its tenant, or everything.
    #[serde(default)]
    pub paused: bool,
    /// Within which it may keep its tenant offline.
    #[serde(default)]
    pub window: Option<WindowView>,
    /// Which due work goes first.
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
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct VerificationView {
    /// `full`, `sampled` or `off`.
    #[schema(value_type = String, pattern = "^(full|sampled|off)$")]
    pub mode: Verification,
    /// What was found, part by part, once all parts were verified.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<PartReport>,
}

/// The move, if there is one, with when it was where.
pub async fn view_move(tx: &mut Tx, id: &str) -> Result<Option<MoveView>, StoreError> {
    let record = workflow_table::get(tx, id).await?.filter(|record| record.kind == RealmMove::KIND);
    let Some(record) = record else { return Ok(None) };
    let timeline = timeline(tx, id).await?;
    Ok(Some(MoveView {
        offline_from: timeline.offline_from,
        offline_until: timeline.offline_until,
        timeline: timeline.passages,
        ..view(tx, &record).await?
    }))
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
    let Ok(state) = serde_json::from_str::<MoveState>(&record.data) else { return Ok(unread::view(record)) };
    let now = tx.now().await?;
    let tasks = match state.stage {
        Stage::Comparing | Stage::AddData { .. } | Stage::Verify { .. } => {
            task_table::readable_of_workflow(tx, &record.id).await?
        }
        _ => Vec::new(),
    };
    let pause = if record.paused { pause_table::holding(tx, &record.id).await? } else { None };
    let facts = Facts::of(&state.stage, now);
    // While it waits for something out of the ordinary, what the data work tells is no forecast.
    let forecast = state.stage.forecast().filter(|_| state.waits_for.is_none());
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
        offline_from: None,
        offline_until: None,
        timeline: Vec::new(),
        copied: facts.copied,
        verified: facts.verified,
        verification: VerificationView { mode: state.verification, parts: facts.report },
        removals: removal_views(tx, &facts.removals).await?,
        started_at: rfc3339(record.created_at),
        begins_at: record.wake_at.filter(|_| matches!(state.stage, Stage::Scheduled)).map(rfc3339),
        finished_at: record.finished_at.map(rfc3339),
        error: facts.error.or_else(|| record.error.clone()),
        progress: progress(&state, &tasks),
        task_errors: task_errors(&tasks),
        offline_allowed_ms: state.stage.offline().map(|offline| offline.deadline - offline.since),
        projected_offline_ms: eta(|forecast| forecast.end).map(|eta_ms| facts.offline_ms + eta_ms),
        eta_ms: eta(|forecast| forecast.end),
        eta_low_ms: eta(|forecast| forecast.low),
        eta_high_ms: eta(|forecast| forecast.high),
        budget_ms: state.budget_ms,
        paused: record.paused,
        window: state.window.map(|window| WindowView { from: rfc3339(window.from), to: rfc3339(window.to) }),
        priority: state.priority,
        campaign: state.campaign.clone(),
        waiting_for: waiting_for(&state, record, pause.as_ref()),
        warnings: facts.warnings,
        requested_by: state.actor.who.clone(),
        reason: state.actor.why.clone(),
        explain: None,
    })
}
