//! Pauses, resumes and cancels a campaign. A pause is the campaign's own: it starts no moves, and those that run go on.

use catalogue::audit::{self, AuditEntry};
use catalogue::campaigns::{self, MemberState};
use engine::{ExternalTransition, Next};
use serde_json::json;
use store::Tx;

use super::state::{CampaignStage, CampaignState, all_failures};
use crate::actor::Actor;
use crate::campaign::state_machine::Campaign;
use crate::deployment::Deployment;
use crate::realm_move::cancel_move;
use crate::refusal::Refusal;

/// Starts no more moves until it is resumed. One that is paused or halted already stays so.
pub async fn pause_campaign(deployment: &Deployment, id: &str, actor: &Actor) -> Result<(), Refusal> {
    let mut tx = deployment.store.begin().await?;
    let held = hold(deployment, &mut tx, id).await?;
    let state = held.state()?;
    match state.stage {
        CampaignStage::Paused { .. } | CampaignStage::Halted { .. } => return Ok(()),
        CampaignStage::Running | CampaignStage::Resting { .. } => {}
        _ => return Err(ended(id, &state)),
    }
    let stage = CampaignStage::Paused { by: actor.clone() };
    go(deployment, held, "campaign.pause", state.clone(), stage, actor).await?;
    Ok(tx.commit().await?)
}

/// Starts moves again. After a halt, the failures so far count no longer: the allowance is a new one.
pub async fn resume_campaign(deployment: &Deployment, id: &str, actor: &Actor) -> Result<(), Refusal> {
    let mut tx = deployment.store.begin().await?;
    let held = hold(deployment, &mut tx, id).await?;
    let mut state = held.state()?;
    match state.stage {
        CampaignStage::Running | CampaignStage::Resting { .. } => return Ok(()),
        CampaignStage::Paused { .. } => {}
        CampaignStage::Halted { .. } => state.forgiven = all_failures(&campaigns::counts(held.step.tx, id).await?),
        _ => return Err(ended(id, &state)),
    }
    go(deployment, held, "campaign.resume", state, CampaignStage::Running, actor).await?;
    Ok(tx.commit().await?)
}

/// Cancels the campaign: who waits is not moved. With `running`, the moves that run are cancelled too, each in a transaction of its
/// own, as far as they have not committed: repeat the request if it breaks off.
pub async fn cancel_campaign(deployment: &Deployment, id: &str, running: bool, actor: &Actor) -> Result<(), Refusal> {
    let mut tx = deployment.store.begin().await?;
    let held = hold(deployment, &mut tx, id).await?;
    let state = held.state()?;
    match state.stage {
        CampaignStage::Completed => return Err(ended(id, &state)),
        CampaignStage::Cancelling { .. } | CampaignStage::Cancelled { .. } => tx.rollback().await?,
        _ => {
            let now = held.step.now;
            campaigns::cancel_waiting(held.step.tx, id, now).await?;
            let stage = CampaignStage::Cancelling { by: actor.clone() };
            go(deployment, held, "campaign.cancel", state, stage, actor).await?;
            tx.commit().await?;
        }
    }
    if running { cancel_running(deployment, id, actor).await } else { Ok(()) }
}

async fn cancel_running(deployment: &Deployment, id: &str, actor: &Actor) -> Result<(), Refusal> {
    let mut after: Option<String> = None;
    loop {
        let mut tx = deployment.store.read().await?;
        let page = campaigns::members(&mut tx, id, Some(MemberState::Running), after.as_deref(), PAGE).await?;
        tx.rollback().await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.tenant.clone());
        for move_id in page.iter().filter_map(|member| member.move_id.as_deref()) {
            // Any other refusal means that it has committed or ended: there is nothing to cancel any more.
            if let Err(Refusal::Store(error)) = cancel_move(deployment, move_id, actor).await {
                return Err(error.into());
            }
        }
    }
}

/// Running members looked up at a time.
const PAGE: i64 = 100;

async fn hold<'a>(
    deployment: &'a Deployment,
    tx: &'a mut Tx,
    id: &str,
) -> Result<ExternalTransition<'a, Campaign>, Refusal> {
    ExternalTransition::<Campaign>::lock(tx, deployment.ids.as_ref(), id).await?.ok_or_else(|| {
        Refusal::not_found("unknown_campaign", format!("there is no campaign {id}: see `realmctl campaigns list`"))
    })
}

async fn go(
    deployment: &Deployment,
    held: ExternalTransition<'_, Campaign>,
    action: &str,
    state: CampaignState,
    stage: CampaignStage,
    by: &Actor,
) -> Result<(), Refusal> {
    let id = held.step.record.id.clone();
    let entry = AuditEntry {
        id: deployment.ids.next(),
        at: held.step.now,
        who: by.who.clone(),
        origin: by.origin.clone(),
        action: action.to_owned(),
        tenant: None,
        why: by.why.clone(),
        before: json!({ "campaign": id, "state": state.stage.name() }),
        after: json!({ "campaign": id, "state": stage.name(), "forgiven": state.forgiven }),
    };
    audit::append(held.step.tx, &entry).await?;
    let next = Next::Go(state.at_stage(stage), format!("{action} by {}", by.who));
    Ok(held.go(&next, None).await?)
}

fn ended(id: &str, state: &CampaignState) -> Refusal {
    Refusal::conflict("campaign_ended", format!("campaign {id} is {}: create another one", state.stage.name()))
}
