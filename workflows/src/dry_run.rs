//! What a move would do and come to now: its plan, what stands in its way, and an estimate from what its sources hold. Changes nothing,
//! and refuses what the start would refuse.

use std::error::Error;
use std::time::Duration;

use catalogue::location::Location;
use engine::Workflow;
use engine::tables::pause_table::PauseScope;
use engine::tables::{pause_table, workflow_table};
use futures::stream::{self, StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use store::{Millis, StoreError, Tx};
use workers::{Depth, Size};

use crate::deployment::Deployment;
use crate::explain::{explain_workflow, paused, resume};
use crate::known_limits::ByScope;
use crate::partitioning::{Partitioning, expected_parts};
use crate::places::place_of;
use crate::plan::{Plan, ServicePlan};
use crate::realm_move::RealmMove;
use crate::realm_move::commands::start::{MoveRequest, check_budget, check_movable, in_the_way};
use crate::realm_move::forecast::dry_run_estimate::{Estimate, Limits, Load, estimate};
use crate::realm_move::states::waiting::{busy_entries, to_be_empty};
use crate::refusal::Refusal;
use crate::timing::millis;
use crate::unit_limits::{Spent, in_force, least_ms, limited_movers};
use crate::{capacity, planning, worker_there};

/// How long counting may take. A person waits for it, and a very large tenant can be moved without it.
const PATIENCE: Duration = Duration::from_secs(20);

/// Services counted at a time.
const COUNTED_AT_ONCE: usize = 8;

/// What a move would be started with now.
#[derive(Debug, Clone)]
pub struct Rehearsal {
    /// What it would do.
    pub plan: Plan,
    /// When it would begin.
    pub due: Millis,
    /// How long its tenant could be offline at most, in milliseconds.
    pub allowed_ms: Millis,
    /// What would keep it from starting, or from going offline once it has.
    pub obstacles: Vec<InTheWay>,
}

/// Something that is in the way of a move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InTheWay {
    /// A stable name. Never renamed.
    pub code: String,
    /// In words.
    pub text: String,
    /// What a person can do, as commands.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub can_do: Vec<String>,
}

/// Plays the start of a move. Changes nothing.
pub async fn dry_run(deployment: &Deployment, request: &MoveRequest) -> Result<Rehearsal, Refusal> {
    check_budget(deployment, request)?;
    let mut tx = deployment.store.read().await?;
    let tenant = planning::tenant(&mut tx, &request.tenant).await?;
    check_movable(&tenant)?;
    let plan = planning::plan_move(&mut tx, &tenant, &request.to).await?;
    let now = tx.now().await?;
    let due = request.when.check(&deployment.timing, &plan, now)?;
    let mut obstacles = Vec::new();
    if let Some(active_move) = &tenant.active_move {
        let first = workflow_table::get(&mut tx, active_move).await?;
        let can_do = vec![format!("realmctl moves show {active_move}"), format!("realmctl moves cancel {active_move}")];
        obstacles.push(InTheWay {
            code: "move_in_progress".to_owned(),
            text: in_the_way(&tenant.id, active_move, first.as_ref()),
            can_do,
        });
    }
    obstacles.extend(busy_targets(deployment, &mut tx, &plan).await?);
    obstacles.extend(pauses(&mut tx, &tenant.id).await?);
    if (plan.needs_offline() || plan.leaves_replicas())
        && let Some(missing) = worker_there::missing(&mut tx).await?
    {
        let can_do = vec!["realmctl workers list".to_owned(), "realmctl worker --store URL".to_owned()];
        obstacles.push(InTheWay { code: "no_worker".to_owned(), text: format!("it would wait for {missing}"), can_do });
    }
    let wants = capacity::demands_of_move(&plan, &Partitioning::default());
    if let Some(blocked) = capacity::would_wait(&mut tx, &wants, now).await? {
        let can_do = vec!["realmctl limits list".to_owned(), format!("realmctl limits set {} N", blocked.scope)];
        obstacles.push(InTheWay {
            code: "capacity".to_owned(),
            text: format!("it would wait for {}", blocked.text()),
            can_do,
        });
    }
    tx.rollback().await?;
    let allowed_ms = if plan.needs_offline() { allowed(deployment, request, due) } else { 0 };
    Ok(Rehearsal { plan, due, allowed_ms, obstacles })
}

/// What bounds the time offline: the budget, the deployment, or what is left of the window, whichever is least.
fn allowed(deployment: &Deployment, request: &MoveRequest, due: Millis) -> Millis {
    let most = millis(deployment.timing.offline_deadline);
    let most = request.budget_ms.map_or(most, |budget| budget.min(most));
    request.when.window.map_or(most, |window| most.min(window.to - due))
}

/// Targets that are not empty yet, with what empties them.
async fn busy_targets(deployment: &Deployment, tx: &mut Tx, plan: &Plan) -> Result<Vec<InTheWay>, StoreError> {
    let mut found = Vec::new();
    for entry in busy_entries(tx, plan).await? {
        let mut text = format!("it would wait for {}", to_be_empty(&entry));
        let mut can_do = Vec::new();
        let by = match &entry.workflow {
            Some(by) => explain_workflow(deployment, tx, by).await?,
            None => None,
        };
        if let Some(by) = by {
            text = format!("{text}; {} {}, {}, waits for {}", by.kind, by.id, by.state, by.waits_for.text);
            can_do.push(format!("realmctl explain {}", by.id));
        }
        found.push(InTheWay { code: "target_busy".to_owned(), text, can_do });
    }
    Ok(found)
}

/// What holds back whatever starts about this tenant.
async fn pauses(tx: &mut Tx, tenant: &str) -> Result<Vec<InTheWay>, StoreError> {
    let pauses = pause_table::list(tx).await?.into_iter().filter(|pause| match &pause.scope {
        PauseScope::All => true,
        PauseScope::Tenant(id) => id == tenant,
        PauseScope::Workflow(_) => false,
    });
    let told = pauses.map(|pause| InTheWay {
        code: "paused".to_owned(),
        text: format!("it would wait for a person: {}", paused(&pause)),
        can_do: resume(&pause.scope, RealmMove::KIND).into_iter().collect(),
    });
    Ok(told.collect())
}

/// What carrying out the plan would come to. `Err`: why it can't be told, in words; the plan is no worse for it.
/// `allowed_ms`: how long its tenant may be offline.
pub async fn estimate_move(deployment: &Deployment, plan: &Plan, allowed_ms: Millis) -> Result<Estimate, String> {
    let mut loads = Vec::new();
    for service in plan.services.iter().filter(|service| service.changes_anything()) {
        loads.push(load(deployment, &plan.tenant, service));
    }
    let loads = stream::iter(loads).buffered(COUNTED_AT_ONCE).try_collect::<Vec<_>>();
    let loads = tokio::time::timeout(PATIENCE, loads).await;
    let loads = match loads {
        Ok(Ok(loads)) => loads,
        Ok(Err(error)) => return Err(error.to_string()),
        Err(_) => return Err(format!("counting takes longer than {} s", PATIENCE.as_secs())),
    };
    let (loads, spent): (Vec<Load>, Vec<_>) = loads.into_iter().unzip();
    let in_force = limits_now(deployment).await.map_err(|error| error.to_string())?;
    let limits = Limits {
        waits_ms: if plan.needs_offline() { millis(deployment.timing.least_offline()) } else { 0 },
        objects_at_once: deployment.movers.settings().object_concurrency,
        allowed_ms,
        least_ms: least_ms(&in_force, &spent.concat()),
    };
    Ok(estimate(&loads, &limits))
}

async fn limits_now(deployment: &Deployment) -> Result<ByScope, StoreError> {
    let mut tx = deployment.store.read().await?;
    let limits = in_force(deployment, &mut tx).await?;
    tx.rollback().await?;
    Ok(limits)
}

async fn load(
    deployment: &Deployment,
    tenant: &str,
    service: &ServicePlan,
) -> Result<(Load, Vec<Spent>), Box<dyn Error + Send + Sync>> {
    let Some(source) = &service.source else { return Ok(Default::default()) };
    let size = limited_movers(deployment).await?.survey(&place_of(source), tenant, Depth::Sampled).await?.size;
    let parts = expected_parts(source, size.into(), deployment.part_size);
    Ok((load_of(service, parts, &size), spent_by(service, source, &size)))
}

/// What the offline period takes: the source is read twice for each target, and that is written, and read back.
fn spent_by(service: &ServicePlan, source: &Location, size: &Size) -> Vec<Spent> {
    let target = |at: &Location| Spent { at: at.clone(), writes: size.write_units, reads: size.read_units };
    let twice = 2 * size.read_units * service.add.len() as u64;
    let source = Spent { at: source.clone(), writes: 0, reads: twice };
    service.add.iter().map(target).chain([source]).collect()
}

fn load_of(service: &ServicePlan, parts: u32, size: &Size) -> Load {
    Load {
        items: size.items,
        objects: size.objects,
        bytes: size.bytes,
        write_units: size.write_units,
        index_units: size.index_units,
        read_units: size.read_units,
        parts,
        adds: service.add.len() as u64,
        removes: service.remove.len() as u64,
    }
}
