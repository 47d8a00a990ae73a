//! `/v1/status`, `/v1/workers` and `/v1/ids`: the deployment at a glance, who is there to do the work, and what an id begins.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use engine::survey_table::{self, Open};
use engine::{Workflow, runner_table, task_table};
use store::{StoreError, Tx};
use workflows::clocks::{self, CLOCK_SKEW};
use workflows::controls;
use workflows::removal::Removal;

use crate::api::{Attention, IdsView, NamedView, StatusView, WorkView, WorkerView, WorkersView};
use crate::path::Id;
use crate::problem::ApiError;
use crate::server::App;

/// Ids that are named, at most.
const NAMED: i64 = 10;

/// What every id has in its beginning before it tells anything apart.
const SHORTEST: usize = 8;

/// `GET /v1/status`
pub(crate) async fn show(State(app): State<App>) -> Result<Json<StatusView>, ApiError> {
    let mut tx = app.deployment.store.read().await?;
    let open = survey_table::open(&mut tx).await?;
    let workers = workers(&mut tx).await?;
    let failed = survey_table::count_ended(&mut tx, Removal::KIND, "failed").await?;
    let pauses = controls::list_pauses(&mut tx).await?;
    tx.rollback().await?;
    let skew = clocks::beyond_skew(&app.deployment).await?;
    let mut attention = Vec::new();
    attention.extend(offline(&open));
    attention.extend(failed_removals(failed));
    attention.extend(skew.into_iter().map(|text| wants(CLOCK_SKEW, text, "realmctl workers list")));
    attention.extend(idle(&workers));
    attention.extend(failing(&open));
    if !pauses.pauses.is_empty() {
        let text = format!("{} in force, which hold {} back", counted(pauses.pauses.len(), "pause"), pauses.held);
        attention.push(wants("paused", text, "realmctl pauses"));
    }
    let work = open.into_iter().map(|open| WorkView {
        kind: open.kind,
        state: open.state,
        count: open.count,
        offline: open.offline,
        failing: open.failing,
    });
    let version = env!("CARGO_PKG_VERSION").to_owned();
    Ok(Json(StatusView { version, attention, work: work.collect(), workers }))
}

/// `GET /v1/workers`
pub(crate) async fn list_workers(State(app): State<App>) -> Result<Json<WorkersView>, ApiError> {
    let mut tx = app.deployment.store.read().await?;
    let items = workers(&mut tx).await?;
    tx.rollback().await?;
    Ok(Json(WorkersView { items }))
}

/// `GET /v1/ids/{beginning}`: what has an id that begins like this.
pub(crate) async fn ids(State(app): State<App>, Id(beginning): Id) -> Result<Json<IdsView>, ApiError> {
    let is_beginning = beginning.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    if beginning.len() < SHORTEST || !is_beginning {
        let detail = format!("the beginning of an id is at least {SHORTEST} hexadecimal digits and hyphens");
        return Err(ApiError::invalid("invalid_id", detail));
    }
    let mut tx = app.deployment.store.read().await?;
    let found = survey_table::beginning_with(&mut tx, &beginning.to_ascii_lowercase(), NAMED).await?;
    tx.rollback().await?;
    let items = found.into_iter().map(|found| NamedView {
        id: found.id,
        kind: found.kind,
        tenant: found.subject,
        state: found.state,
    });
    Ok(Json(IdsView { items: items.collect() }))
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

fn wants(code: &str, text: impl Into<String>, can_do: &str) -> Attention {
    Attention { code: code.to_owned(), text: text.into(), can_do: can_do.to_owned() }
}

fn counted(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

fn many(number: i64, noun: &str) -> String {
    counted(usize::try_from(number).unwrap_or(0), noun)
}

fn offline(open: &[Open]) -> Option<Attention> {
    let offline = open.iter().map(|open| open.offline).sum::<i64>();
    let is = if offline == 1 { "is" } else { "are" };
    (offline > 0).then(|| {
        wants("offline", format!("{} {is} offline for a move now", many(offline, "tenant")), "realmctl moves list")
    })
}

fn failed_removals(failed: i64) -> Option<Attention> {
    let text = format!("{} failed: what moves left is not removed", many(failed, "removal"));
    (failed > 0).then(|| wants("failed_removals", text, "realmctl removals list --failed"))
}

/// Nobody is there, or those who are can't do data work.
fn idle(workers: &[WorkerView]) -> Vec<Attention> {
    let unfit = workers.iter().filter_map(|worker| Some((worker, worker.unfit.as_deref()?)));
    let unfit = unfit.map(|(worker, lacks)| {
        wants("unfit", format!("{} stands aside: {lacks}", worker.name), "realmctl workers list")
    });
    let mut found: Vec<Attention> = unfit.collect();
    if workers.iter().all(|worker| worker.tasks.is_empty()) {
        let text = "no process is there that runs data tasks: moves and removals wait";
        found.push(wants("no_worker", text, "realmctl worker --store URL"));
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
