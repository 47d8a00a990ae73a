//! Reads what an explanation is made of, in the caller's snapshot.

use catalogue::tenants::{self};
use engine::tables::{pause_table, runner_table, status_queries, task_table, workflow_table};
use engine::{Workflow, WorkflowRecord};
use store::{StoreError, Tx};

use super::decide;
use super::facts::{Facts, StageFacts, Waits};
use crate::capacity::{self};
use crate::deployment::Deployment;
use crate::realm_move::{MoveState, RealmMove, Stage, busy_entry, to_be_empty};
use crate::removal::{Recheck, RecheckState, Removal, RemovalStage, RemovalState};
use crate::timing::millis;
use crate::worker_there;

/// Whether to look behind what is in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Follow {
    OneLevel,
    No,
}

pub(super) async fn gather(
    deployment: &Deployment,
    tx: &mut Tx,
    id: &str,
    follow: Follow,
) -> Result<Option<Facts>, StoreError> {
    let Some(record) = workflow_table::get(tx, id).await? else { return Ok(None) };
    let Some(standing) = status_queries::standing(tx, id).await? else { return Ok(None) };
    let registry = crate::registry(deployment);
    let stage = match registry.unreadable_state(&record.kind, &record.data) {
        Some(why) => StageFacts::Unreadable(why),
        None => stage_facts(deployment, tx, &record, follow).await?,
    };
    let standings = status_queries::task_standings(tx, id).await?;
    let tasks = task_table::of_workflow(tx, id).await?.into_iter().zip(standings).collect();
    Ok(Some(Facts {
        pause: pause_table::holding(tx, id).await?,
        tenant: tenants::get(tx, &record.subject).await?,
        now: tx.now().await?,
        patience: millis(deployment.timing.lease),
        reaches_out: registry.reaches_out(&record.kind, &record.state),
        runners: runner_table::live(tx).await?,
        record,
        standing,
        stage,
        tasks,
    }))
}

async fn stage_facts(
    deployment: &Deployment,
    tx: &mut Tx,
    record: &WorkflowRecord,
    follow: Follow,
) -> Result<StageFacts, StoreError> {
    let unreadable = |error: serde_json::Error| StageFacts::Unreadable(error.to_string());
    if record.kind == RealmMove::KIND {
        return match serde_json::from_str::<MoveState>(&record.data) {
            Ok(state) => move_facts(deployment, tx, state, (&record.id, follow)).await,
            Err(error) => Ok(unreadable(error)),
        };
    }
    if record.kind == Removal::KIND {
        return match serde_json::from_str::<RemovalState>(&record.data) {
            Ok(state) => removal_facts(tx, &record.id, &state).await,
            Err(error) => Ok(unreadable(error)),
        };
    }
    if record.kind == Recheck::KIND {
        return Ok(match serde_json::from_str::<RecheckState>(&record.data) {
            Ok(state) => StageFacts::Recheck { place: format!("{} at {}", state.service, state.location.name) },
            Err(error) => unreadable(error),
        });
    }
    Ok(StageFacts::Other)
}

async fn move_facts(
    deployment: &Deployment,
    tx: &mut Tx,
    state: MoveState,
    (id, follow): (&str, Follow),
) -> Result<StageFacts, StoreError> {
    let waits = match &state.stage {
        _ if state.waits_for.is_some() => state.waits_for.clone().map(Waits::InDoubt),
        Stage::Waiting { reason, .. } => Some(match busy_entry(tx, &state.plan).await? {
            Some(entry) => Waits::Target {
                what: to_be_empty(&entry),
                which: behind(deployment, tx, entry.workflow.as_deref(), follow).await?,
                by: entry.workflow,
            },
            None => match capacity::waits_for(tx, id).await? {
                Some(blocked) => Waits::Capacity(blocked),
                None => match worker_there::missing(tx).await? {
                    Some(missing) => Waits::Worker(missing),
                    None => Waits::Reason(reason.clone()),
                },
            },
        }),
        Stage::Drain { until: Some(until), .. } => Some(Waits::Drain(*until)),
        _ => None,
    };
    let offline = state.stage.offline().cloned();
    let error = match state.stage {
        Stage::Failed { error } | Stage::RolledBack { error, .. } | Stage::ReOnline { error, .. } => Some(error),
        _ => None,
    };
    Ok(StageFacts::Move { window_ends: state.window.map(|window| window.to), to: state.plan.to, offline, waits, error })
}

async fn removal_facts(tx: &mut Tx, id: &str, state: &RemovalState) -> Result<StageFacts, StoreError> {
    let waits = match &state.stage {
        _ if state.waits_for.is_some() => state.waits_for.clone().map(Waits::InDoubt),
        RemovalStage::Waiting { until } => match capacity::waits_for(tx, id).await? {
            Some(blocked) => Some(Waits::Capacity(blocked)),
            None => until.map(Waits::Drain),
        },
        _ => None,
    };
    let error = match &state.stage {
        RemovalStage::Failed { error } => Some(error.clone()),
        _ => None,
    };
    let place = format!("{} at {}", state.service, state.location.name);
    Ok(StageFacts::Removal { place, waits, error, late: state.late.map(|late| late.hash()) })
}

/// What the workflow that is in the way waits for itself.
async fn behind(
    deployment: &Deployment,
    tx: &mut Tx,
    by: Option<&str>,
    follow: Follow,
) -> Result<Option<String>, StoreError> {
    let (Some(by), Follow::OneLevel) = (by, follow) else { return Ok(None) };
    let facts = Box::pin(gather(deployment, tx, by, Follow::No)).await?;
    Ok(facts.map(|facts| {
        let about = decide::explain(&facts);
        format!("{} {}, {}, waits for {}", about.kind, about.id, about.state, about.waits_for.text)
    }))
}
