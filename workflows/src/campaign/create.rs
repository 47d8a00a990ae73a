//! Creates a campaign, once: the campaign and its tenants are stored in one transaction; moves are started by its steps.

use std::collections::BTreeSet;

use catalogue::audit::{self, AuditEntry};
use catalogue::campaigns;
use engine::Workflow;
use engine::tables::workflow_table;
use engine::tables::workflow_table::NewWorkflow;
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::{StoreError, Tx};

use super::state::{CampaignOptions, CampaignStage, CampaignState};
use crate::actor::Actor;
use crate::campaign::state_machine::{Campaign, subject};
use crate::deployment::Deployment;
use crate::planning;
use crate::refusal::Refusal;
use crate::timing::{Timing, millis};

/// A request to move many tenants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CampaignRequest {
    /// The realm they shall be in.
    pub to: String,
    /// Which tenants.
    pub tenants: Tenants,
    /// How they are moved.
    pub options: CampaignOptions,
    /// A second request with the same key finds the first.
    #[serde(skip)]
    pub idempotency_key: Option<String>,
}

/// Which tenants a campaign moves. Decided when it is created: who comes later is not of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Tenants {
    /// These.
    Listed(BTreeSet<String>),
    /// All that are in a realm, in the order of their ids, at most `limit`.
    OfRealm {
        /// The realm.
        realm: String,
        /// The most.
        limit: Option<u64>,
    },
}

/// What a creation came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CampaignStarted {
    /// The campaign's id.
    pub id: String,
    /// Whether this request created it, and not an earlier one that was the same.
    pub new: bool,
}

/// Creates a campaign.
pub async fn create_campaign(
    deployment: &Deployment,
    request: &CampaignRequest,
    actor: &Actor,
) -> Result<CampaignStarted, Refusal> {
    match try_create(deployment, request, actor).await {
        // Another request with the same key was stored at the same moment: this time it is found.
        Err(Refusal::Store(StoreError::Duplicate(_))) => try_create(deployment, request, actor).await,
        other => other,
    }
}

async fn try_create(
    deployment: &Deployment,
    request: &CampaignRequest,
    actor: &Actor,
) -> Result<CampaignStarted, Refusal> {
    let mut tx = deployment.store.begin().await?;
    let created = create_in(deployment, &mut tx, request, actor).await?;
    tx.commit().await?;
    Ok(created)
}

/// Creates a campaign in the caller's transaction. After a refusal it has to be rolled back.
pub(crate) async fn create_in(
    deployment: &Deployment,
    tx: &mut Tx,
    request: &CampaignRequest,
    actor: &Actor,
) -> Result<CampaignStarted, Refusal> {
    check_orders(&deployment.timing, &request.options)?;
    let digest = request_digest(request);
    if let Some(key) = &request.idempotency_key
        && let Some(first) = workflow_table::by_start_key(tx, key).await?
    {
        if first.kind == Campaign::KIND && first.request == digest {
            return Ok(CampaignStarted { id: first.id, new: false });
        }
        let message = "that Idempotency-Key was used for another request";
        return Err(Refusal::conflict("idempotency_key_reused", message));
    }
    check_realms(tx, request).await?;
    let id = deployment.ids.next();
    let now = tx.now().await?;
    let state = CampaignState {
        to: request.to.clone(),
        options: request.options.clone(),
        actor: actor.clone(),
        wave: 1,
        in_wave: 0,
        forgiven: 0,
        stage: CampaignStage::Running,
    };
    let new = NewWorkflow {
        id: &id,
        kind: Campaign::KIND,
        subject: &subject(&id),
        start_key: request.idempotency_key.as_deref(),
        request: &digest,
        state: Campaign::name(&state),
        data: serde_json::to_string(&state).expect("a campaign's state serialises: string keys and no failing impls"),
        wake_at: now,
        priority: request.options.priority,
    };
    workflow_table::insert(tx, new, now).await?;
    let total = add_members(tx, &id, &request.tenants, now).await?;
    if total == 0 {
        return Err(Refusal::conflict("nothing_to_do", "there is no such tenant: the campaign would move no tenant"));
    }
    let entry = AuditEntry {
        id: deployment.ids.next(),
        at: now,
        who: actor.who.clone(),
        origin: actor.origin.clone(),
        action: "campaign.create".to_owned(),
        tenant: None,
        why: actor.why.clone(),
        before: json!(null),
        after: json!({ "campaign": id, "to": request.to, "tenants": total, "options": request.options }),
    };
    audit::append(tx, &entry).await?;
    Ok(CampaignStarted { id, new: true })
}

/// Refuses what no move of the campaign could keep.
pub(super) fn check_orders(timing: &Timing, options: &CampaignOptions) -> Result<(), Refusal> {
    let least = millis(timing.least_offline());
    let seconds = (least + 999) / 1_000;
    if options.wave_size == 0 || options.at_once == 0 {
        return Err(Refusal::invalid("invalid_wave", "a wave has at least one move, and at least one runs at a time"));
    }
    if options.wave_pause_ms < 0 {
        return Err(Refusal::invalid("invalid_wave", "the pause between two waves can't be negative"));
    }
    if options.budget_ms.is_some_and(|budget| budget <= least) {
        let message = format!(
            "the budget must be longer than {seconds} s, which draining and settling take even for an empty tenant"
        );
        return Err(Refusal::invalid("invalid_budget", message));
    }
    if options.window.is_some_and(|window| window.lasts() <= least) {
        let message = format!(
            "the window must be longer than {seconds} s, which draining and settling take even for an empty tenant"
        );
        return Err(Refusal::invalid("invalid_window", message));
    }
    Ok(())
}

/// Refuses realms that are not there.
pub(super) async fn check_realms(tx: &mut Tx, request: &CampaignRequest) -> Result<(), Refusal> {
    let topology = planning::topology(tx).await?.topology;
    let from = match &request.tenants {
        Tenants::OfRealm { realm, .. } if *realm == request.to => {
            let message = format!("its tenants are in realm {realm} already");
            return Err(Refusal::conflict("nothing_to_do", message));
        }
        Tenants::OfRealm { realm, .. } => Some(realm),
        Tenants::Listed(_) => None,
    };
    match from.into_iter().chain([&request.to]).find(|realm| !topology.realms.contains_key(*realm)) {
        None => Ok(()),
        Some(realm) => {
            let message = format!("there is no realm {realm}; `realmctl topology show` lists the realms");
            Err(Refusal::not_found("unknown_realm", message))
        }
    }
}

async fn add_members(tx: &mut Tx, id: &str, tenants: &Tenants, now: store::Millis) -> Result<u64, StoreError> {
    match tenants {
        Tenants::Listed(listed) => {
            for tenant in listed {
                campaigns::add(tx, id, tenant, now).await?;
            }
            Ok(listed.len() as u64)
        }
        Tenants::OfRealm { realm, limit } => {
            let limit = limit.and_then(|limit| i64::try_from(limit).ok()).unwrap_or(i64::MAX);
            campaigns::add_of_realm(tx, id, realm, limit, now).await
        }
    }
}

/// What makes two requests the same: everything but the reason and the key.
fn request_digest(request: &CampaignRequest) -> String {
    let tenants = match &request.tenants {
        Tenants::Listed(listed) => json!(listed),
        Tenants::OfRealm { realm, limit } => json!({ "realm": realm, "limit": limit }),
    };
    let asked = json!([request.to, tenants, request.options]);
    blake3::hash(asked.to_string().as_bytes()).to_hex().to_string()
}
