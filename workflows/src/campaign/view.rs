//! A campaign as the outside sees it.

use catalogue::campaigns::{self, Counts, Member, MemberState};
use engine::tables::workflow_table;
use engine::{Priority, StoredError, Workflow, WorkflowRecord};
use serde::{Deserialize, Serialize};
use store::{Millis, StoreError, Tx};

use super::state::{CampaignStage, CampaignState};
use crate::campaign::state_machine::Campaign;
use crate::timestamps::{rfc3339, utc};

/// A campaign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CampaignView {
    /// Its id.
    pub id: String,
    /// The realm that its tenants are moved to.
    pub to: String,
    /// Where it stands.
    pub state: String,
    /// Its tenants.
    pub total: u64,
    /// Those whose turn has not come.
    pub waiting: u64,
    /// Those whose move is going on.
    pub running: u64,
    /// Those moved.
    pub done: u64,
    /// Those whose move rolled back: they are online where they were.
    pub rolled_back: u64,
    /// Those whose move failed before it was offline.
    pub failed: u64,
    /// Those that could not be moved; no move was started.
    pub skipped: u64,
    /// Those cancelled.
    pub cancelled: u64,
    /// Retreats and failures that count against the allowance.
    pub failures: u64,
    /// How many of them halt it: a number, or a share.
    pub max_failures: String,
    /// The current wave.
    pub wave: u64,
    /// Moves in a wave.
    pub wave_size: u64,
    /// The rest between two waves, in milliseconds.
    pub wave_pause_ms: i64,
    /// Moves that run at the same time, at most.
    pub at_once: u64,
    /// When moves may be started, every day in UTC.
    pub window: Option<String>,
    /// The offline budget of each move, in milliseconds.
    pub budget_ms: Option<i64>,
    /// The priority of each move.
    pub priority: Priority,
    /// Moves that have ended in an hour, since it was created.
    pub per_hour: Option<u64>,
    /// How long until all have had their turn, at that rate, in milliseconds; only while it runs.
    pub eta_ms: Option<i64>,
    /// What it waits for, when it waits.
    pub waiting_for: Option<String>,
    /// Why it halted, or what its last attempt at a step ran into.
    pub error: Option<StoredError>,
    /// When it was created.
    pub started_at: String,
    /// When it ended.
    pub finished_at: Option<String>,
    /// Who asked.
    pub requested_by: String,
    /// Why.
    pub reason: String,
}

/// A tenant of a campaign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MemberView {
    /// The tenant.
    pub tenant: String,
    /// What became of it.
    pub state: String,
    /// Its latest move.
    pub move_id: Option<String>,
    /// Moves started for it; more than one only if none of them went offline.
    pub attempts: i64,
    /// Why it is not done, as a stable code.
    pub code: Option<String>,
    /// Why it is not done, in words.
    pub reason: Option<String>,
    /// When that was recorded.
    pub updated_at: String,
}

/// The campaign, if there is one.
pub async fn view_campaign(tx: &mut Tx, id: &str) -> Result<Option<CampaignView>, StoreError> {
    match workflow_table::get(tx, id).await? {
        Some(record) if record.kind == Campaign::KIND => view(tx, &record).await.map(Some),
        _ => Ok(None),
    }
}

/// Campaigns, newest first, older than the id `before`; optionally in one state.
pub async fn list_campaigns(
    tx: &mut Tx,
    state: Option<&str>,
    before: Option<&str>,
    limit: i64,
) -> Result<Vec<CampaignView>, StoreError> {
    let records = workflow_table::list(tx, Campaign::KIND, None, state, before, limit).await?;
    let mut views = Vec::with_capacity(records.len());
    for record in &records {
        views.push(view(tx, record).await?);
    }
    Ok(views)
}

/// The tenants of a campaign in the order of their ids, after `after`; optionally in one state. `None`: no such campaign.
pub async fn list_members(
    tx: &mut Tx,
    id: &str,
    state: Option<MemberState>,
    after: Option<&str>,
    limit: i64,
) -> Result<Option<Vec<MemberView>>, StoreError> {
    match workflow_table::get(tx, id).await? {
        Some(record) if record.kind == Campaign::KIND => {
            let members = campaigns::members(tx, id, state, after, limit).await?;
            Ok(Some(members.into_iter().map(member_view).collect()))
        }
        _ => Ok(None),
    }
}

async fn view(tx: &mut Tx, record: &WorkflowRecord) -> Result<CampaignView, StoreError> {
    let state: CampaignState = serde_json::from_str(&record.data).map_err(|error| {
        StoreError::Corrupt(format!("campaign {} was written by another version: {error}", record.id))
    })?;
    let counts = campaigns::counts(tx, &record.id).await?;
    let now = tx.now().await?;
    let per_hour = per_hour(&counts, record.finished_at.unwrap_or(now) - record.created_at);
    let halted = match &state.stage {
        CampaignStage::Halted { error } => Some(error.clone()),
        _ => None,
    };
    Ok(CampaignView {
        id: record.id.clone(),
        to: state.to.clone(),
        state: record.state.clone(),
        total: counts.total(),
        waiting: counts.of(MemberState::Waiting),
        running: counts.of(MemberState::Running),
        done: counts.of(MemberState::Done),
        rolled_back: counts.of(MemberState::RolledBack),
        failed: counts.of(MemberState::Failed),
        skipped: counts.of(MemberState::Skipped),
        cancelled: counts.of(MemberState::Cancelled),
        failures: state.failures(&counts),
        max_failures: state.options.max_failures.to_string(),
        wave: state.wave,
        wave_size: state.options.wave_size,
        wave_pause_ms: state.options.wave_pause_ms,
        at_once: state.options.at_once,
        window: state.options.window.map(|window| window.to_string()),
        budget_ms: state.options.budget_ms,
        priority: state.options.priority,
        per_hour,
        eta_ms: eta_ms(&state, &counts, per_hour),
        waiting_for: waiting_for(&state, &counts, now),
        error: halted.or_else(|| record.error.clone()),
        started_at: rfc3339(record.created_at),
        finished_at: record.finished_at.map(rfc3339),
        requested_by: state.actor.who.clone(),
        reason: state.actor.why.clone(),
    })
}

fn member_view(member: Member) -> MemberView {
    MemberView {
        tenant: member.tenant,
        state: member.state.as_str().to_owned(),
        move_id: member.move_id,
        attempts: member.attempts,
        code: member.code,
        reason: member.reason,
        updated_at: rfc3339(member.updated_at),
    }
}

const HOUR_MS: u64 = 3_600_000;

fn per_hour(counts: &Counts, lasted: Millis) -> Option<u64> {
    let ended = [MemberState::Done, MemberState::RolledBack, MemberState::Failed];
    let ended: u64 = ended.into_iter().map(|state| counts.of(state)).sum();
    let lasted = lasted.unsigned_abs().max(1);
    (ended > 0).then(|| ended.saturating_mul(HOUR_MS) / lasted)
}

/// Pauses between waves and closed windows so far are part of the rate.
fn eta_ms(state: &CampaignState, counts: &Counts, per_hour: Option<u64>) -> Option<i64> {
    let goes_on = matches!(state.stage, CampaignStage::Running | CampaignStage::Resting { .. });
    let left = counts.of(MemberState::Waiting) + counts.of(MemberState::Running);
    let rate = per_hour.filter(|rate| goes_on && *rate > 0)?;
    i64::try_from(left.saturating_mul(HOUR_MS) / rate).ok()
}

fn waiting_for(state: &CampaignState, counts: &Counts, now: Millis) -> Option<String> {
    let (running, waiting) = (counts.of(MemberState::Running), counts.of(MemberState::Waiting));
    let moves = format!("{running} running move(s) to end");
    match &state.stage {
        CampaignStage::Resting { until } => Some(format!("the next wave, at {}", utc(*until))),
        CampaignStage::Paused { by } => Some(format!("a person to resume it; paused by {}", by.who)),
        CampaignStage::Halted { .. } => Some("a person to resume or cancel it".to_owned()),
        CampaignStage::Running => {
            let closed = state.options.window.map(|daily| daily.next(now)).filter(|window| window.from > now);
            match closed {
                Some(window) if waiting > 0 => Some(format!("its window, from {}", utc(window.from))),
                _ => (running > 0).then_some(moves),
            }
        }
        CampaignStage::Cancelling { .. } => (running > 0).then_some(moves),
        CampaignStage::Completed | CampaignStage::Cancelled { .. } => None,
    }
}
