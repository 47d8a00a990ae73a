//! Starts a move, once: the same request again finds the first one, another one is refused while it lasts.

use catalogue::audit::{self, AuditEntry};
use catalogue::tenants::{self, Tenant, TenantStatus};
use engine::tables::workflow_table;
use engine::tables::workflow_table::NewWorkflow;
use engine::{Priority, Workflow, WorkflowRecord};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{Millis, StoreError, Tx};
use workers::Verification;

use crate::actor::Actor;
use crate::deployment::Deployment;
use crate::partitioning::Partitioning;
use crate::pauses::pause_in;
use crate::plan::Plan;
use crate::planning;
use crate::realm_move::state::{MoveState, Stage};
use crate::realm_move::state_machine::RealmMove;
use crate::realm_move::states::scheduled::When;
use crate::refusal::Refusal;
use crate::replica_sets::ReplicaSets;
use crate::timestamps::utc;
use crate::timing::millis;

/// A request to move a tenant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MoveRequest {
    /// The tenant.
    pub tenant: String,
    /// The realm it shall be in.
    pub to: String,
    /// When to begin; at once when it says nothing.
    #[serde(flatten)]
    pub when: When,
    /// The longest time offline, in milliseconds; the deployment's deadline bounds it anyway.
    pub budget_ms: Option<i64>,
    /// Which due work goes first.
    pub priority: Priority,
    /// How much of what is copied is looked at again.
    pub verification: Verification,
    /// The campaign that asks.
    #[serde(skip)]
    pub campaign: Option<String>,
    /// A second request with the same key finds the first.
    #[serde(skip)]
    pub idempotency_key: Option<String>,
}

/// What a start came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// The move's id.
    pub id: String,
    /// Whether this request started it, and not an earlier one that was the same.
    pub new: bool,
}

/// Starts a move.
pub async fn start_move(deployment: &Deployment, request: &MoveRequest, actor: &Actor) -> Result<Started, Refusal> {
    start_with(deployment, request, actor, false).await
}

/// Starts a move that is paused: it begins when somebody resumes it.
pub async fn start_move_paused(
    deployment: &Deployment,
    request: &MoveRequest,
    actor: &Actor,
) -> Result<Started, Refusal> {
    start_with(deployment, request, actor, true).await
}

async fn start_with(
    deployment: &Deployment,
    request: &MoveRequest,
    actor: &Actor,
    paused: bool,
) -> Result<Started, Refusal> {
    match try_start(deployment, request, actor, paused).await {
        // Another request with the same key was stored at the same moment: this time it is found.
        Err(Refusal::Store(StoreError::Duplicate(_))) => try_start(deployment, request, actor, paused).await,
        other => other,
    }
}

async fn try_start(
    deployment: &Deployment,
    request: &MoveRequest,
    actor: &Actor,
    paused: bool,
) -> Result<Started, Refusal> {
    let mut tx = deployment.store.begin().await?;
    let started = start_perhaps_paused_in(deployment, &mut tx, (request, paused), actor).await?;
    tx.commit().await?;
    Ok(started)
}

/// Starts a move in the caller's transaction, paused if that is asked for.
pub(crate) async fn start_perhaps_paused_in(
    deployment: &Deployment,
    tx: &mut Tx,
    (request, paused): (&MoveRequest, bool),
    actor: &Actor,
) -> Result<Started, Refusal> {
    let started = start_in(deployment, tx, request, actor).await?;
    if paused && started.new {
        pause_in(deployment, tx, (&started.id, &request.tenant), actor).await?;
    }
    Ok(started)
}

/// Starts a move in the caller's transaction. A refusal has written nothing.
pub(crate) async fn start_in(
    deployment: &Deployment,
    tx: &mut Tx,
    request: &MoveRequest,
    actor: &Actor,
) -> Result<Started, Refusal> {
    check_budget(deployment, request)?;
    let digest = request_digest(request);
    if let Some(key) = &request.idempotency_key
        && let Some(first) = workflow_table::by_start_key(tx, key).await?
    {
        let message = "that Idempotency-Key was used for another request";
        return same_or_refused(&first, &digest, "idempotency_key_reused", message);
    }
    let tenant = lock_movable(tx, &request.tenant).await?;
    let now = tx.now().await?;
    if let Some(active_move) = &tenant.active_move {
        let first = workflow_table::get(tx, active_move).await?;
        let message = in_the_way(&tenant.id, active_move, first.as_ref());
        let Some(first) = first else { return Err(Refusal::conflict("move_in_progress", message)) };
        let started = same_or_refused(&first, &digest, "move_in_progress", &message)?;
        if let Some(key) = &request.idempotency_key {
            workflow_table::keep_start_key(tx, key, &started.id).await?;
        }
        return Ok(started);
    }
    let plan = planning::plan_move(tx, &tenant, &request.to).await?;
    let due = request.when.check(&deployment.timing, &plan, now)?;
    if tenant.status != TenantStatus::Online {
        return Err(Refusal::conflict("tenant_changed", "the tenant changed just now: look at it and try again"));
    }
    let id = insert(deployment, tx, request, actor, (&digest, due), plan).await?;
    if !tenants::reserve(tx, &tenant.id, &id).await? {
        return Err(Refusal::Store(StoreError::Corrupt(format!("tenant {} is locked and yet has changed", tenant.id))));
    }
    let entry = AuditEntry {
        id: deployment.ids.next(),
        at: tx.now().await?,
        who: actor.who.clone(),
        origin: actor.origin.clone(),
        action: "move.start".to_owned(),
        tenant: Some(tenant.id.clone()),
        why: actor.why.clone(),
        before: json!({ "realm": tenant.realm, "epoch": tenant.epoch }),
        after: json!({
            "move": id, "to": request.to, "at": request.when.at, "window": request.when.window,
            "budgetMs": request.budget_ms, "priority": request.priority, "campaign": request.campaign,
            "verification": request.verification,
        }),
    };
    audit::append(tx, &entry).await?;
    Ok(Started { id, new: true })
}

/// A budget that can't be kept would take the tenant offline for nothing.
pub(crate) fn check_budget(deployment: &Deployment, request: &MoveRequest) -> Result<(), Refusal> {
    let least = millis(deployment.timing.least_offline());
    if request.budget_ms.is_none_or(|budget| budget > least) {
        return Ok(());
    }
    let message = format!(
        "the budget must be longer than {} s, which draining and settling take even for an empty tenant",
        (least + 999) / 1_000
    );
    Err(Refusal::invalid("invalid_budget", message))
}

/// Why another move can't be started, and what to do.
pub(crate) fn in_the_way(tenant: &str, active_move: &str, first: Option<&WorkflowRecord>) -> String {
    let scheduled = first.filter(|first| first.state == "scheduled").and_then(|first| first.wake_at);
    match scheduled {
        Some(at) => format!(
            "tenant {tenant} has a move scheduled for {}, {active_move}: give it another time with `realmctl moves reschedule {active_move} --at TIME`, or cancel \
             it first with `realmctl moves cancel {active_move}`",
            utc(at)
        ),
        None => format!(
            "tenant {tenant} is being moved already, by {active_move}: watch it with `realmctl moves watch {active_move}` or cancel it \
             first"
        ),
    }
}

async fn lock_movable(tx: &mut Tx, id: &str) -> Result<Tenant, Refusal> {
    planning::tenant(tx, id).await?;
    let tenant = tenants::lock(tx, id)
        .await?
        .ok_or_else(|| Refusal::not_found("unknown_tenant", format!("there is no tenant {id}")))?;
    check_movable(&tenant)?;
    Ok(tenant)
}

pub(crate) fn check_movable(tenant: &Tenant) -> Result<(), Refusal> {
    if matches!(tenant.status, TenantStatus::Online | TenantStatus::Moving) {
        return Ok(());
    }
    let message = format!("tenant {} is {} and can't be moved", tenant.id, tenant.status.as_str());
    Err(Refusal::conflict("tenant_not_online", message))
}

async fn insert(
    deployment: &Deployment,
    tx: &mut Tx,
    request: &MoveRequest,
    actor: &Actor,
    (digest, due): (&str, Millis),
    plan: Plan,
) -> Result<String, Refusal> {
    let id = deployment.ids.next();
    let now = tx.now().await?;
    let state = MoveState {
        plan_hash: plan.hash(),
        plan,
        actor: actor.clone(),
        at: request.when.at,
        budget_ms: request.budget_ms,
        expected: None,
        partitioning: Partitioning::default(),
        sets: ReplicaSets::default(),
        window: request.when.window,
        priority: request.priority,
        campaign: request.campaign.clone(),
        verification: request.verification,
        waits_for: None,
        stage: Stage::Scheduled,
    };
    let new = NewWorkflow {
        id: &id,
        kind: RealmMove::KIND,
        subject: &request.tenant,
        start_key: request.idempotency_key.as_deref(),
        request: digest,
        state: RealmMove::name(&state),
        data: serde_json::to_string(&state).expect("a move's state serialises: string keys and no failing impls"),
        wake_at: due,
        priority: request.priority,
    };
    workflow_table::insert(tx, new, now).await?;
    Ok(id)
}

fn same_or_refused(
    first: &WorkflowRecord,
    digest: &str,
    code: &'static str,
    message: &str,
) -> Result<Started, Refusal> {
    if first.kind == RealmMove::KIND && first.request == digest {
        return Ok(Started { id: first.id.clone(), new: false });
    }
    Err(Refusal::conflict(code, message))
}

/// What makes two requests the same: everything but the reason and the key. Digests are stored: what a request does not ask for
/// must not change its digest from one version to the next.
fn request_digest(request: &MoveRequest) -> String {
    let mut asked = vec![json!([request.tenant, request.to, request.when.at, request.budget_ms])];
    asked.extend(request.when.window.map(|window| json!(window)));
    asked.extend((!request.priority.is_normal()).then(|| json!(request.priority)));
    asked.extend((!request.verification.is_full()).then(|| json!({ "verification": request.verification })));
    asked.extend(request.campaign.as_ref().map(|campaign| json!(campaign)));
    let asked = if asked.len() == 1 { asked.remove(0) } else { Value::Array(asked) };
    blake3::hash(asked.to_string().as_bytes()).to_hex().to_string()
}
