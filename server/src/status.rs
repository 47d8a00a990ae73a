//! `/v1/status`, `/v1/workers` and `/v1/ids`: the deployment at a glance, who is there to do the work, and what an id begins.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use catalogue::tenants;
use engine::tables::pause_table::{Pause, PauseScope};
use engine::tables::status_queries::Open;
use engine::tables::{runner_table, status_queries, task_table};
use engine::{Workflow, host_and_process};
use serde::Deserialize;
use store::{Millis, StoreError, Tx};
use utoipa::IntoParams;
use workflows::approval::count_pending;
use workflows::clock_checks::{self, CLOCK_SKEW};
use workflows::removal::Removal;
use workflows::timestamps::rfc3339;
use workflows::{controls, explain};

use crate::api::{Attention, IdsView, NamedView, OfflineView, StatusView, WorkView, WorkerView, WorkersView};
use crate::app_state::App;
use crate::path::Id;
use crate::problem::ApiError;
use crate::query::{Params, present};

/// Ids that are named, at most.
const NAMED: i64 = 10;

/// What every id has in its beginning before it tells anything apart.
const SHORTEST: usize = 8;

/// The query of `GET /v1/ids/{beginning}`.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct OfKind {
    /// Only things of this kind: `move`, `removal`, `campaign`, ….
    kind: Option<String>,
}

/// `GET /v1/status`
pub(crate) async fn show(State(app): State<App>) -> Result<Json<StatusView>, ApiError> {
    let mut tx = app.deployment.store.read().await?;
    let open = status_queries::open(&mut tx).await?;
    let workers = workers(&mut tx).await?;
    let failed = status_queries::count_ended(&mut tx, Removal::KIND, "failed").await?;
    let pauses = controls::list_pauses(&mut tx).await?;
    let offline = tenants::offline(&mut tx, NAMED).await?;
    let waiting = count_pending(&mut tx).await?;
    let now = tx.now().await?;
    tx.rollback().await?;
    let skew = clock_checks::beyond_skew(&app.deployment).await?;
    let mut attention = Vec::new();
    attention.extend(offline.iter().filter_map(|tenant| lapsed(tenant, now)));
    attention.extend(failed_removals(failed));
    attention.extend(approvals(waiting));
    attention.extend(skew.into_iter().map(|text| wants(CLOCK_SKEW, text, "realmctl workers list")));
    attention.extend(idle(&workers));
    attention.extend(failing(&open));
    attention.extend(paused(&pauses.pauses));
    let work = open.into_iter().map(|open| WorkView {
        kind: open.kind,
        state: open.state,
        count: open.count,
        failing: open.failing,
    });
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let offline = offline.into_iter().map(|tenant| OfflineView {
        tenant: tenant.id,
        by: tenant.active_move,
        lease_until: tenant.lease_until.map(rfc3339),
    });
    Ok(Json(StatusView { version, attention, offline: offline.collect(), work: work.collect(), workers }))
}

/// `GET /v1/workers`
pub(crate) async fn list_workers(State(app): State<App>) -> Result<Json<WorkersView>, ApiError> {
    let mut tx = app.deployment.store.read().await?;
    let items = workers(&mut tx).await?;
    tx.rollback().await?;
    Ok(Json(WorkersView { items }))
}

/// `GET /v1/ids/{beginning}`: what has an id that begins like this.
pub(crate) async fn ids(
    State(app): State<App>,
    Id(beginning): Id,
    Params(filter): Params<OfKind>,
) -> Result<Json<IdsView>, ApiError> {
    let is_beginning = beginning.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    if beginning.len() < SHORTEST || !is_beginning {
        let detail = format!("the beginning of an id is at least {SHORTEST} hexadecimal digits and hyphens");
        return Err(ApiError::invalid("invalid_id", detail));
    }
    let mut tx = app.deployment.store.read().await?;
    let kind = present(filter.kind);
    let beginning = beginning.to_ascii_lowercase();
    let mut found = status_queries::beginning_with(&mut tx, &beginning, kind.as_deref(), NAMED + 1).await?;
    tx.rollback().await?;
    let named = usize::try_from(NAMED).expect("it is a small constant");
    let more = found.len() > named;
    found.truncate(named);
    let items = found.into_iter().map(|found| NamedView {
        id: found.id,
        kind: found.kind,
        tenant: found.subject,
        state: found.state,
    });
    Ok(Json(IdsView { items: items.collect(), more }))
}

async fn workers(tx: &mut Tx) -> Result<Vec<WorkerView>, StoreError> {
    let mut in_hand = BTreeMap::<String, u64>::new();
    for (owner, _) in task_table::at_work(tx).await? {
        *in_hand.entry(owner).or_default() += 1;
    }
    let live = runner_table::live(tx).await?.into_iter();
    let worker = live.map(|runner| WorkerView {
        in_hand: in_hand.get(&runner.owner).copied().unwrap_or_default(),
        name: runner.owner,
        tasks: runner.task_kinds,
        unfit: runner.unfit,
    });
    Ok(worker.collect())
}

fn wants(code: &str, text: impl Into<String>, can_do: impl Into<String>) -> Attention {
    Attention { code: code.to_owned(), text: text.into(), can_do: can_do.into() }
}

fn many(number: i64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// A tenant that should have been brought back online by now. (One that is offline for a move that gets on needs nobody.)
fn lapsed(tenant: &tenants::Tenant, now: Millis) -> Option<Attention> {
    tenant.lease_until.filter(|until| *until <= now)?;
    let text =
        format!("tenant {} is offline and its lease has lapsed: any running process brings it back online", tenant.id);
    Some(wants("lapsed", text, format!("realmctl explain {}", tenant.id)))
}

fn failed_removals(failed: i64) -> Option<Attention> {
    let text = format!("{} failed: data that moves left behind has not been removed", many(failed, "removal"));
    (failed > 0).then(|| wants("failed_removals", text, "realmctl removals list --failed"))
}

fn approvals(waiting: i64) -> Option<Attention> {
    let verb = if waiting == 1 { "waits" } else { "wait" };
    let text = format!("{} {verb} for the approval of another person", many(waiting, "request"));
    (waiting > 0).then(|| wants("approvals", text, "realmctl approvals list"))
}

/// Each pause of everything or of a tenant; those of single workflows together.
fn paused(pauses: &[Pause]) -> Vec<Attention> {
    let is_single = |pause: &&Pause| matches!(pause.scope, PauseScope::Workflow(_));
    let (single, wide): (Vec<&Pause>, Vec<&Pause>) = pauses.iter().partition(is_single);
    let told = wide.into_iter().take(usize::try_from(NAMED).unwrap_or(usize::MAX));
    let mut told: Vec<Attention> =
        told.map(|pause| wants("paused", explain::paused(pause), "realmctl pauses")).collect();
    if !single.is_empty() {
        let text = match single.len() {
            1 => "1 move, removal or campaign is paused individually".to_owned(),
            several => format!("{several} moves, removals and campaigns are paused individually"),
        };
        told.push(wants("paused", text, "realmctl pauses"));
    }
    told
}

/// Nobody is there, or those who are can't do data work.
fn idle(workers: &[WorkerView]) -> Vec<Attention> {
    let unfit = workers.iter().filter_map(|worker| Some((worker, worker.unfit.as_deref()?)));
    let unfit = unfit.map(|(worker, lacks)| {
        wants(
            "unfit",
            format!("{} takes no data work: {lacks}", host_and_process(&worker.name)),
            "realmctl workers list",
        )
    });
    let mut found: Vec<Attention> = unfit.collect();
    if workers.iter().all(|worker| worker.tasks.is_empty()) {
        let text = "no running process carries out data tasks: moves and removals wait";
        // Where one stands aside, another would lack the same.
        let can_do = if found.is_empty() { "realmctl worker --store URL" } else { "realmctl workers list" };
        found.push(wants("no_worker", text, can_do));
    }
    found
}

fn failing(open: &[Open]) -> Vec<Attention> {
    let mut kinds = BTreeMap::<&str, i64>::new();
    for open in open.iter().filter(|open| open.failing > 0) {
        *kinds.entry(&open.kind).or_default() += open.failing;
    }
    let told = kinds.into_iter().map(|(kind, failing)| {
        let text = format!("{} tried again after failed attempts", many(failing, kind));
        let list = match kind {
            "move" => "realmctl moves list",
            "removal" => "realmctl removals list",
            "campaign" => "realmctl campaigns list",
            _ => "realmctl explain TENANT",
        };
        wants("retrying", text, list)
    });
    told.collect()
}
