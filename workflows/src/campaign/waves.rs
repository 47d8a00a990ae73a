//! Whose turn is next: starts the moves of a wave one by one, each in a step of its own, and rests when the wave is over.

use catalogue::campaigns::{self, Counts, Member, MemberState};
use engine::{Next, StepError, StepTx, StoredError};
use store::Millis;

use super::halt::halt;
use super::state::{CampaignStage, CampaignState};
use crate::actor::Actor;
use crate::deployment::Deployment;
use crate::realm_move::{MoveRequest, Verification, When, Window, start_in};
use crate::refusal::Refusal;
use crate::timing::millis;

pub(super) async fn advance(
    deployment: &Deployment,
    step: &mut StepTx<'_>,
    state: CampaignState,
    counts: &Counts,
    look: Millis,
) -> Result<Next<CampaignState>, StepError> {
    let (waiting, running) = (counts.of(MemberState::Waiting), counts.of(MemberState::Running));
    if waiting == 0 && running == 0 {
        return Ok(Next::Go(state.at_stage(CampaignStage::Completed), String::new()));
    }
    let full = state.in_wave >= state.options.wave_size;
    if full && running == 0 {
        return Ok(rest(state, step.now));
    }
    if waiting == 0 || full || running >= state.options.at_once {
        return Ok(Next::Stay(state, look));
    }
    match open_window(deployment, &state, step.now) {
        Ok(window) => start_next(deployment, step, state, window, look).await,
        Err(opens) if running > 0 => Ok(Next::Stay(state, opens.min(look))),
        Err(opens) => Ok(Next::Stay(state, opens)),
    }
}

/// The wave is over: rests, if it shall.
fn rest(state: CampaignState, now: Millis) -> Next<CampaignState> {
    if state.options.wave_pause_ms == 0 {
        return next_wave(state);
    }
    let until = now.saturating_add(state.options.wave_pause_ms);
    Next::Go(state.at_stage(CampaignStage::Resting { until }), String::new())
}

/// Begins the next wave.
pub(super) fn next_wave(state: CampaignState) -> Next<CampaignState> {
    let state = CampaignState { wave: state.wave + 1, in_wave: 0, ..state };
    Next::Go(state.at_stage(CampaignStage::Running), String::new())
}

/// The window that a move started now would have; none for a campaign without one. `Err`: when to look again, because it is not
/// open, or too little of it is left.
fn open_window(deployment: &Deployment, state: &CampaignState, now: Millis) -> Result<Option<Window>, Millis> {
    let Some(daily) = &state.options.window else { return Ok(None) };
    let window = daily.next(now);
    if now < window.from {
        return Err(window.from);
    }
    if window.to - now <= millis(deployment.timing.least_offline()) {
        return Err(daily.next(window.to).from);
    }
    Ok(Some(Window { from: now, to: window.to }))
}

/// Refusals that concern every tenant: going on would only skip them all.
const CONCERNS_ALL: [&str; 3] = ["unknown_realm", "no_topology", "invalid_budget"];

/// Starts one move, or records why it can't be started.
async fn start_next(
    deployment: &Deployment,
    step: &mut StepTx<'_>,
    state: CampaignState,
    window: Option<Window>,
    look: Millis,
) -> Result<Next<CampaignState>, StepError> {
    let id = step.record.id.clone();
    let Some(member) = campaigns::next_waiting(step.tx, &id).await? else { return Ok(Next::Stay(state, look)) };
    let request = MoveRequest {
        tenant: member.tenant.clone(),
        to: state.to.clone(),
        when: When { at: None, window },
        budget_ms: state.options.budget_ms,
        priority: state.options.priority,
        verification: Verification::Full,
        campaign: Some(id.clone()),
        idempotency_key: Some(format!("campaign:{id}:{}:{}", member.tenant, member.attempts + 1)),
    };
    let by = Actor { why: because(&state.actor.why, &id), ..state.actor.clone() };
    match start_in(deployment, step.tx, &request, &by).await {
        Ok(started) => {
            let member = Member {
                state: MemberState::Running,
                attempts: member.attempts + 1,
                move_id: Some(started.id),
                code: None,
                reason: None,
                updated_at: step.now,
                ..member
            };
            campaigns::record(step.tx, &id, &member).await?;
            Ok(Next::Go(CampaignState { in_wave: state.in_wave + 1, ..state }, String::new()))
        }
        Err(Refusal::Store(error)) => Err(error.into()),
        // The window has become too short while this step began.
        Err(refusal) if refusal.code() == "invalid_window" => Ok(Next::Stay(state, look)),
        Err(refusal) if CONCERNS_ALL.contains(&refusal.code()) => {
            let error = StoredError { code: refusal.code().to_owned(), message: refusal.to_string() };
            halt(step, state, error).await
        }
        Err(refusal) => {
            let member = Member {
                state: MemberState::Skipped,
                code: Some(refusal.code().to_owned()),
                reason: Some(refusal.to_string()),
                updated_at: step.now,
                ..member
            };
            campaigns::record(step.tx, &id, &member).await?;
            Ok(Next::Go(state, String::new()))
        }
    }
}

fn because(why: &str, id: &str) -> String {
    if why.is_empty() { format!("campaign {id}") } else { format!("{why} (campaign {id})") }
}
