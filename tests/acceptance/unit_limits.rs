//! Limits on units a second, seen from the store: a table that counts what it is asked for in each moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use acceptance::world::{Seed, deploy, many_parts, wait_until};
use acceptance::{Database, World};
use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use engine::failpoints::{Failpoint, Failpoints, NoFailpoints};
use engine::{Runner, RunnerSettings, StepError, Sweep};
use testkit::fault_proxies::throttle::{Counts, Key, Limits, Place, Settings, Throttle};
use testkit::{Region, region};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use workflows::actor::Actor;
use workflows::controls::{LimitChange, set_limit};
use workflows::topology_change::apply_topology;
use workflows::unit_limits::ShareSweep;

on_both_databases!(no_second_sees_more_than_the_limit_and_a_raised_one_is_felt_in_the_middle, raised);
on_both_databases!(the_topology_limits_a_table_and_the_lower_limit_counts, stated);
on_both_databases!(two_processes_share_a_limit_and_keep_their_shares_when_they_can_not_look, shared);

/// Items of one unit.
const ITEMS: usize = 1_200;
/// BatchWriteItem takes so many.
const BATCH: usize = 25;
/// What the limits allow, at first and later, in units a second.
const SLOW: i64 = 200;
const FAST: i64 = 3_000;
const READS: i64 = 400;
/// The time between leave to send and the store's clock differs by up to so much on a busy machine.
const JITTER: f64 = 0.25;
/// How finely the store counts.
const WINDOW: Duration = Duration::from_millis(50);

fn by() -> Actor {
    Actor::new("ops", "live traffic")
}

/// A world whose issues in eu-west-1 are behind a front that counts, in a topology as `edit` makes it.
async fn counted(database: Database, edit: impl Fn(String) -> String) -> (World, Throttle) {
    let world =
        World::with_topology(database, Seed { issues: 0, activity: 0, media: 0 }, |yaml| many_parts(&yaml)).await;
    let stores = region::dynamodb_client(world.region("us-east-1"));
    for first in (0..ITEMS).step_by(BATCH) {
        let puts = (first..ITEMS.min(first + BATCH)).map(|number| {
            let text = |text: String| AttributeValue::S(text);
            let put = PutRequest::builder()
                .item("pk", text(format!("plain-{number}")))
                .item("sk", text("item".to_owned()))
                .item("tenant_shard", text(format!("acme#{}", number % 10)));
            WriteRequest::builder().put_request(put.build().expect("an item")).build()
        });
        let batch = stores.batch_write_item().request_items("issues", puts.collect());
        batch.send().await.expect("items are put");
    }
    let plenty = Limits { write: 1e9, read: 1e9, burst: Duration::from_secs(1) };
    let settings = Settings { table: plenty, index: plenty, window: WINDOW, ..Settings::default() };
    let eu = world.region("eu-west-1");
    let front = Throttle::before(eu, settings).expect("a front starts");
    let all: Vec<&Region> = world.regions.iter().collect();
    let yaml = testkit::topology(&all).replace(eu.dynamodb_endpoint(), front.endpoint());
    apply_topology(&world.deployment, &edit(yaml), &by()).await.expect("the topology is applied");
    (world, front)
}

fn scope(front: &Throttle) -> String {
    format!("table:dynamodb|{}|issues", front.endpoint().trim_start_matches("http://"))
}

/// Units of writes in each window, with the seconds at which it begins. What they cost the index is not the table's.
fn writes(front: &Throttle) -> Vec<(f64, f64)> {
    windows(front, |key| matches!(key.place, Place::Base(_)), |counts| counts.write_units)
}

/// The same of reads, of the index too.
fn reads(front: &Throttle) -> Vec<(f64, f64)> {
    windows(front, |key| key.place != Place::Table, |counts| counts.read_units)
}

fn windows(front: &Throttle, at: impl Fn(&Key) -> bool, units: impl Fn(&Counts) -> f64) -> Vec<(f64, f64)> {
    let seen = front.windows(|key| &*key.table == "issues" && at(key));
    let seen = seen.into_iter().map(|(begins, counts)| (begins.as_secs_f64(), units(&counts)));
    seen.filter(|(_, units)| *units > 0.0).collect()
}

fn sum(windows: &[(f64, f64)]) -> f64 {
    windows.iter().map(|(_, units)| units).sum()
}

/// The most units that any second saw.
fn busiest_second(windows: &[(f64, f64)]) -> f64 {
    let second = |from: f64| windows.iter().filter(move |(at, _)| (from..from + 0.999).contains(at));
    windows.iter().map(|(from, _)| second(*from).map(|(_, units)| units).sum()).fold(0.0, f64::max)
}

/// A second's worth, and one request; and what a busy machine brings together.
fn allowed(rate: i64, request: usize) -> f64 {
    rate as f64 * (1.0 + JITTER) + request as f64
}

async fn raised(database: Database) {
    let (world, front) = counted(database, |yaml| yaml).await;
    let change = LimitChange { write_units: Some(SLOW), read_units: Some(READS), ..LimitChange::default() };
    set_limit(&world.deployment, &scope(&front), &change, &by()).await.expect("the limit is set");
    let before = world.holdings("us-east-1", "acme").await;
    let id = world.start_move("eu").await;
    let raise = async {
        wait_until(async || sum(&writes(&front)) > ITEMS as f64 / 2.0).await;
        let at = front.now().as_secs_f64();
        let change = LimitChange { write_units: Some(FAST), ..LimitChange::default() };
        set_limit(&world.deployment, &scope(&front), &change, &by()).await.expect("the limit is raised");
        at
    };
    let ((), raised) = tokio::join!(world.run_until(NoFailpoints, || world.has_ended(&id)), raise);
    let view = world.view(&id).await;
    assert_eq!(view.state, "completed", "{view:?}");
    assert_eq!(world.holdings("eu-west-1", "acme").await, before);

    let writes = self::writes(&front);
    assert!(sum(&writes) >= ITEMS as f64, "more where a busy machine lost a lease: {writes:?}");
    let begun = writes[0].0;
    let (slow, fast): (Vec<_>, Vec<_>) = writes.iter().copied().partition(|(at, _)| *at < raised);
    assert!(busiest_second(&slow) <= allowed(SLOW, BATCH), "{slow:?}");
    // Whatever comes late, nothing comes early: from its beginning, it never got ahead of the limit.
    for (n, (at, _)) in slow.iter().enumerate() {
        let soonest = SLOW as f64 * (at - begun + 2.0 * WINDOW.as_secs_f64()) + BATCH as f64;
        assert!(sum(&slow[..=n]) <= soonest, "too early at {at}: {slow:?}");
    }
    let at_the_old_rate = sum(&fast) / SLOW as f64;
    assert!(at_the_old_rate > 2.0, "it was raised in the middle: {writes:?}");
    // However busy the machine is: somewhere more came in so short a time than the old limit would have let pass.
    let at_most = |seconds: f64| SLOW as f64 * (seconds + 2.0 * WINDOW.as_secs_f64() + JITTER) + BATCH as f64;
    let stretches = (0..fast.len()).flat_map(|from| (from..fast.len()).map(move |to| (from, to)));
    let ahead = stretches.into_iter().any(|(from, to)| sum(&fast[from..=to]) > at_most(fast[to].0 - fast[from].0));
    assert!(ahead, "the raise was not felt: {fast:?}");

    let reads = self::reads(&front);
    assert!(sum(&reads) > 2.0 * READS as f64, "all was read back: {reads:?}");
    assert!(busiest_second(&reads) <= allowed(READS, 100), "{reads:?}");
}

async fn stated(database: Database) {
    let stating = |yaml: String| {
        let limits = format!("shardCount: 10, limits: {{ writeUnits: {} }}", 2 * SLOW);
        yaml.replace("shardCount: 10", &limits)
    };
    let (world, front) = counted(database, stating).await;
    let higher = LimitChange { write_units: Some(FAST), ..LimitChange::default() };
    set_limit(&world.deployment, &scope(&front), &higher, &by()).await.expect("the limit is set");
    // A new process that never looks by itself: it does so before its first request.
    let new = deploy(&world.store_url).await;
    assert!(!new.movers.limits().are_known());
    let registry = workflows::registry(&new).without_sweeps();
    let runner = Runner::new(new.store.clone(), registry, new.runner_settings(), new.owner.clone());
    let id = world.start_move("eu").await;
    run_until_ended(&world, &id, vec![runner]).await;
    assert_eq!(world.view(&id).await.state, "completed");
    let writes = self::writes(&front);
    assert!(sum(&writes) >= ITEMS as f64, "more where a busy machine lost a lease: {writes:?}");
    assert!(busiest_second(&writes) <= allowed(2 * SLOW, BATCH), "{writes:?}");
    let took = writes[writes.len() - 1].0 - writes[0].0;
    assert!(took > (ITEMS - BATCH) as f64 / (2.0 * SLOW as f64) - 0.1, "{took} s: {writes:?}");
}

async fn run_until_ended(world: &World, id: &str, runners: Vec<Runner>) {
    let stop = CancellationToken::new();
    let mut running = JoinSet::new();
    for runner in runners {
        let stop = stop.clone();
        running.spawn(async move { runner.run(stop).await });
    }
    wait_until(|| world.has_ended(id)).await;
    stop.cancel();
    running.join_all().await;
}

/// Counts the copies that a process begins.
#[derive(Clone, Default)]
struct Copies(Arc<AtomicU32>);

impl Failpoints for Copies {
    fn step(&self, _: Failpoint<'_>) -> Result<(), StepError> {
        Ok(())
    }

    fn task(&self, point: Failpoint<'_>) -> Result<(), StepError> {
        if point.kind == "copy" {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
        Ok(())
    }
}

async fn shared(database: Database) {
    let (world, front) = counted(database, |yaml| yaml).await;
    let change = LimitChange { write_units: Some(2 * SLOW), ..LimitChange::default() };
    set_limit(&world.deployment, &scope(&front), &change, &by()).await.expect("the limit is set");
    let deployments = [deploy(&world.store_url).await, deploy(&world.store_url).await];
    let copies = [Copies::default(), Copies::default()];
    let runners = deployments.iter().zip(&copies).map(|(process, copies)| {
        // Neither can take all parts.
        let settings = RunnerSettings { tasks_at_once: 5, ..process.runner_settings() };
        let runner = Runner::new(process.store.clone(), workflows::registry(process), settings, process.owner.clone());
        runner.with_failpoints(copies.clone())
    });
    let id = world.start_move("eu").await;
    run_until_ended(&world, &id, runners.collect()).await;
    assert_eq!(world.view(&id).await.state, "completed");
    assert!(copies.iter().all(|copies| copies.0.load(Ordering::SeqCst) > 0), "both took part");
    let writes = self::writes(&front);
    assert!(sum(&writes) >= ITEMS as f64, "more where a busy machine lost a lease: {writes:?}");
    assert!(busiest_second(&writes) <= allowed(2 * SLOW, 2 * BATCH), "{writes:?}");

    let [process, _] = deployments;
    process.store.close().await;
    ShareSweep::new(process.clone()).sweep().await.expect_err("the catalogue can't be read");
    assert!(process.movers.limits().limit_anything(), "what it knew last holds");
}
