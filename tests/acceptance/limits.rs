//! Capacity is reserved before a tenant goes offline: never more than the limit, each in its turn, and nothing left over.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use acceptance::failpoint_actions::{Interject, Target};
use acceptance::world::{Seed, deploy, fresh_store, wait_until};
use acceptance::{Database, World};
use catalogue::capacity;
use catalogue::tenants::TenantStatus;
use engine::failpoints::{Failpoint, Failpoints, Moment, NoFailpoints};
use engine::{Runner, StepError};
use testkit::RequestAge;
use tokio_util::sync::CancellationToken;
use workflows::Deployment;
use workflows::actor::Actor;
use workflows::controls::{LimitChange, set_limit, unset_limit};
use workflows::provision::{NewTenant, create_tenant};
use workflows::realm_move::{MoveRequest, start_move, view_move};
use workflows::timing::Timing;

on_both_databases!(moves_that_compete_never_have_more_than_the_limit, competing_moves);
on_both_databases!(a_move_larger_than_the_limit_runs_alone, larger_than_the_limit);
on_both_databases!(a_lowered_limit_lets_what_runs_finish_and_holds_the_rest_online, lowered);

/// Data tasks of one move: two parts of the issues, one of the activity, and the media.
const WEIGHT: i64 = 4;
const MOVES: usize = 5;

fn by() -> Actor {
    Actor::new("ops", "throttled")
}

/// Looks, whenever a move has gone offline, how much is granted.
#[derive(Clone)]
struct Gauge {
    deployment: Deployment,
    most: Arc<AtomicI64>,
}

impl Gauge {
    fn new(deployment: &Deployment) -> Self {
        Self { deployment: deployment.clone(), most: Arc::default() }
    }
}

impl Failpoints for Gauge {
    fn step(&self, point: Failpoint<'_>) -> Result<(), StepError> {
        if (point.kind, point.state, point.moment) == ("move", "drain", Moment::Before) {
            let used = tokio::task::block_in_place(|| {
                tokio::runtime::Handle::current().block_on(async { used(&self.deployment, "overall").await })
            });
            self.most.fetch_max(used, Ordering::SeqCst);
        }
        Ok(())
    }

    fn task(&self, _: Failpoint<'_>) -> Result<(), StepError> {
        Ok(())
    }
}

async fn used(deployment: &Deployment, scope: &str) -> i64 {
    let mut tx = deployment.store.read().await.expect("a read begins");
    let (used, _) = capacity::totals(&mut tx, scope).await.expect("reservations can be read");
    tx.rollback().await.expect("a read ends");
    used
}

/// A world with tenants that have no data, and a move started for each.
async fn crowd(database: Database) -> (World, Vec<String>) {
    let (store_url, folder) = fresh_store(database).await;
    let deployment = deploy(&store_url).await;
    // On a busy machine a place in the queue may take long.
    let timing = Timing { wait_limit: Duration::from_secs(600), ..(*deployment.timing).clone() };
    let deployment = Deployment { timing: Arc::new(timing), ..deployment };
    let seed = (Seed { issues: 0, activity: 0, media: 0 }, RequestAge::AWS);
    let world = World::on(deployment, store_url, folder, seed, |yaml| yaml).await;
    let mut ids = Vec::new();
    for number in 0..MOVES {
        let id = format!("crowd-{number}");
        let new = NewTenant {
            id: id.parse().expect("a tenant id"),
            host: format!("{id}.example").parse().expect("a host"),
            realm: "us".to_owned(),
        };
        create_tenant(&world.deployment, &new, &by()).await.expect("the tenant is created");
        ids.push(id);
    }
    (world, ids)
}

async fn start(world: &World, tenant: &str) -> String {
    let request = MoveRequest { tenant: tenant.to_owned(), ..acceptance::world::request("eu") };
    start_move(&world.deployment, &request, &by()).await.expect("the move starts").id
}

async fn state(world: &World, id: &str) -> String {
    let mut tx = world.deployment.store.read().await.expect("a read begins");
    let view = view_move(&mut tx, id).await.expect("readable").expect("the move");
    tx.rollback().await.expect("a read ends");
    view.state
}

async fn all_ended(world: &World, ids: &[String]) -> bool {
    for id in ids {
        if !world.has_ended(id).await {
            return false;
        }
    }
    true
}

/// Runs two runners at once until all moves and their removals have ended.
async fn run_all(world: &World, ids: &[String], failpoints: impl Failpoints + Clone) {
    let stop = CancellationToken::new();
    let other = Runner::new(
        world.deployment.store.clone(),
        workflows::registry(&world.deployment),
        world.deployment.runner_settings(),
        "other".to_owned(),
    );
    let other = other.with_failpoints(failpoints.clone());
    let first = world.runner().with_failpoints(failpoints);
    let ended = async {
        wait_until(|| all_ended(world, ids)).await;
        stop.cancel();
    };
    tokio::join!(first.run(stop.clone()), other.run(stop.clone()), ended);
}

async fn nothing_is_reserved(world: &World) {
    let mut tx = world.deployment.store.read().await.expect("a read begins");
    let reserved = capacity::reserved_by(&mut tx).await.expect("reservations can be listed");
    tx.rollback().await.expect("a read ends");
    assert_eq!(reserved, Vec::<String>::new());
}

async fn competing_moves(database: Database) {
    let (world, tenants) = crowd(database).await;
    set_limit(&world.deployment, "overall", &LimitChange::slots(2 * WEIGHT + 1), &by())
        .await
        .expect("the limit is set");
    let mut ids = Vec::new();
    for tenant in &tenants {
        ids.push(start(&world, tenant).await);
    }
    let gauge = Gauge::new(&world.deployment);
    Box::pin(run_all(&world, &ids, gauge.clone())).await;
    for id in &ids {
        assert_eq!(state(&world, id).await, "completed");
    }
    let most = gauge.most.load(Ordering::SeqCst);
    assert!((WEIGHT..=2 * WEIGHT + 1).contains(&most), "{most} granted at a time");
    nothing_is_reserved(&world).await;
}

async fn larger_than_the_limit(database: Database) {
    let (world, tenants) = crowd(database).await;
    set_limit(&world.deployment, "region:eu-west-1", &LimitChange::slots(1), &by()).await.expect("the limit is set");
    let ids = [start(&world, &tenants[0]).await, start(&world, &tenants[1]).await];
    let gauge = Gauge::new(&world.deployment);
    Box::pin(run_all(&world, &ids, gauge.clone())).await;
    for id in &ids {
        assert_eq!(state(&world, id).await, "completed");
    }
    // Removals count too, but fall under us-east-1: here at most one move is offline at a time.
    let mut tx = world.deployment.store.read().await.expect("a read begins");
    let mut offline = Vec::new();
    for id in &ids {
        let rows = engine::tables::history::after(&mut tx, id, 0, 100).await.expect("history");
        let at = |state: &str| rows.iter().find(|row| row.to_state == state).map(|row| row.at).expect("it got there");
        offline.push((at("drain"), at("notify")));
    }
    tx.rollback().await.expect("a read ends");
    offline.sort_unstable();
    assert!(offline[0].1 <= offline[1].0, "they were offline together: {offline:?}");
    nothing_is_reserved(&world).await;
}

async fn lowered(database: Database) {
    let (world, tenants) = crowd(database).await;
    let running = start(&world, &tenants[0]).await;
    let deployment = world.deployment.clone();
    let lower = Interject::new(Target::step("move", "drain", Moment::Before), move || {
        let deployment = deployment.clone();
        async move {
            assert_eq!(used(&deployment, "region:eu-west-1").await, WEIGHT, "counted although nothing was limited");
            set_limit(&deployment, "region:eu-west-1", &LimitChange::slots(0), &by()).await.expect("the limit is set");
        }
    });
    world.run_until(lower.clone(), async || lower.has_ended()).await;
    let held = start(&world, &tenants[1]).await;
    let waits = async || state(&world, &running).await == "completed" && state(&world, &held).await == "waiting";
    world.run_until(NoFailpoints, waits).await;
    let mut tx = world.deployment.store.read().await.expect("a read begins");
    let tenant = catalogue::tenants::get(&mut tx, &tenants[1]).await.expect("readable").expect("the tenant");
    tx.rollback().await.expect("a read ends");
    assert_eq!(tenant.status, TenantStatus::Online);
    let said = async || {
        let mut tx = world.deployment.store.read().await.expect("a read begins");
        let view = view_move(&mut tx, &held).await.expect("readable").expect("the move");
        tx.rollback().await.expect("a read ends");
        view.waiting_for.unwrap_or_default().contains("the limit region:eu-west-1 is 0")
    };
    world.run_until(NoFailpoints, said).await;
    assert!(unset_limit(&world.deployment, "region:eu-west-1", &by()).await.expect("it is unset"));
    Box::pin(run_all(&world, &[running, held.clone()], NoFailpoints)).await;
    assert_eq!(state(&world, &held).await, "completed");
    nothing_is_reserved(&world).await;
}
