//! Holding work back, and letting it go on. A pause never keeps a tenant offline: it passes by moves whose tenant is offline,
//! which commit or roll back first, and then holds the rest of them and what they queue.

use engine::tables::pause_table::{Pause, PauseScope};
use engine::tables::{pause_table, status_queries, workflow_table};
use engine::{WorkflowRecord, pause};
use serde::{Deserialize, Serialize};
use store::{StoreError, Tx};

use super::{Kind, lock_open};
use crate::actor::Actor;
use crate::deployment::Deployment;
use crate::pauses::{pause_in, record_change, shown, store_pause};
use crate::planning;
use crate::refusal::Refusal;

/// Workflows that go on, named in an answer.
const NAMED: i64 = 100;

/// What a pause came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paused {
    /// Whether this request paused it; `false`: it was paused already, and stays so.
    pub new: bool,
    /// What the pause passes by.
    pub goes_on: Vec<GoesOn>,
}

/// A workflow that goes on in spite of a pause, because its tenant is offline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GoesOn {
    /// Its id.
    pub id: String,
    /// Its kind.
    pub kind: String,
    /// The tenant.
    pub tenant: String,
    /// Where it stands.
    pub state: String,
}

/// What is held back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pauses {
    /// The pauses in force.
    pub pauses: Vec<Pause>,
    /// How many workflows they hold.
    pub held: i64,
    /// What they pass by.
    pub goes_on: Vec<GoesOn>,
}

/// Holds back everything: what is there and what starts from now on.
pub async fn pause_all(deployment: &Deployment, actor: &Actor) -> Result<Paused, Refusal> {
    hold(deployment, PauseScope::All, None, actor).await
}

/// Holds back everything about a tenant.
pub async fn pause_tenant(deployment: &Deployment, tenant: &str, actor: &Actor) -> Result<Paused, Refusal> {
    hold(deployment, PauseScope::Tenant(tenant.to_owned()), Some(tenant), actor).await
}

/// The pause counts once its row is committed, for claims ask for it. What was claimed before is found and stopped after that.
async fn hold(
    deployment: &Deployment,
    scope: PauseScope,
    tenant: Option<&str>,
    actor: &Actor,
) -> Result<Paused, Refusal> {
    let mut tx = deployment.store.begin().await?;
    if let Some(tenant) = tenant {
        planning::tenant(&mut tx, tenant).await?;
    }
    let new = store_pause(deployment, &mut tx, &scope, tenant, actor).await?;
    tx.commit().await?;
    pause::hold(&deployment.store, tenant).await?;
    let mut tx = deployment.store.read().await?;
    let goes_on = going_on(&mut tx, tenant).await?;
    tx.rollback().await?;
    Ok(Paused { new, goes_on })
}

/// Holds back one workflow. Refused while it keeps its tenant offline.
pub async fn pause_workflow(deployment: &Deployment, kind: Kind, id: &str, actor: &Actor) -> Result<bool, Refusal> {
    let mut tx = deployment.store.begin().await?;
    let record = lock_open(&mut tx, kind, id).await?;
    if status_queries::standing(&mut tx, id).await?.is_some_and(|standing| standing.keeps_offline) {
        let message = format!(
            "{} {id} keeps tenant {} offline, and a pause would leave it there: cancel it with `realmctl moves cancel {id}`, or \
             wait until it is online again",
            record.kind, record.subject
        );
        return Err(Refusal::conflict("tenant_offline", message));
    }
    let new = pause_in(deployment, &mut tx, (id, &record.subject), actor).await?;
    tx.commit().await?;
    Ok(new)
}

/// Ends the pause of everything; `false`: there was none. What is paused by itself, or with its tenant, stays so.
pub async fn resume_all(deployment: &Deployment, actor: &Actor) -> Result<bool, Refusal> {
    let tx = deployment.store.begin().await?;
    resume(deployment, tx, &PauseScope::All, None, actor).await
}

/// Ends the pause of a tenant; `false`: there was none.
pub async fn resume_tenant(deployment: &Deployment, tenant: &str, actor: &Actor) -> Result<bool, Refusal> {
    let mut tx = deployment.store.begin().await?;
    planning::tenant(&mut tx, tenant).await?;
    resume(deployment, tx, &PauseScope::Tenant(tenant.to_owned()), Some(tenant), actor).await
}

/// Ends the pause of one workflow; `false`: it was not paused itself.
pub async fn resume_workflow(deployment: &Deployment, kind: Kind, id: &str, actor: &Actor) -> Result<bool, Refusal> {
    let mut tx = deployment.store.begin().await?;
    let tenant = lock_open(&mut tx, kind, id).await?.subject;
    resume(deployment, tx, &PauseScope::Workflow(id.to_owned()), Some(&tenant), actor).await
}

async fn resume(
    deployment: &Deployment,
    mut tx: Tx,
    scope: &PauseScope,
    tenant: Option<&str>,
    actor: &Actor,
) -> Result<bool, Refusal> {
    let Some(pause) = pause_table::remove(&mut tx, scope).await? else { return Ok(false) };
    pause_table::let_go(&mut tx).await?;
    let (before, after) = (shown(Some(&pause)), shown(None));
    record_change(deployment, &mut tx, "resume", scope, (tenant, before, after), actor).await?;
    tx.commit().await?;
    Ok(true)
}

/// What is held back, by whom, and what goes on in spite of it.
pub async fn list_pauses(tx: &mut Tx) -> Result<Pauses, StoreError> {
    let pauses = pause_table::list(tx).await?;
    if pauses.is_empty() {
        return Ok(Pauses { pauses, held: 0, goes_on: Vec::new() });
    }
    let all = pauses.iter().any(|pause| pause.scope == PauseScope::All);
    let mut goes_on = Vec::new();
    for pause in &pauses {
        match &pause.scope {
            PauseScope::All => goes_on = going_on(tx, None).await?,
            PauseScope::Tenant(tenant) if !all => goes_on.extend(going_on(tx, Some(tenant)).await?),
            _ => {}
        }
    }
    Ok(Pauses { held: status_queries::count_held(tx).await?, pauses, goes_on })
}

async fn going_on(tx: &mut Tx, tenant: Option<&str>) -> Result<Vec<GoesOn>, StoreError> {
    let mut found = Vec::new();
    for id in status_queries::going_on(tx, tenant, NAMED).await? {
        if let Some(record) = workflow_table::get(tx, &id).await? {
            let WorkflowRecord { id, kind, subject, state, .. } = record;
            found.push(GoesOn { id, kind, tenant: subject, state });
        }
    }
    Ok(found)
}
