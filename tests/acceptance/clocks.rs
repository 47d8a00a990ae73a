//! P5: permits are signed by the database's clock, and the stores judge them by theirs. Where the two differ by more than `skew`, nothing is
//! written, no tenant goes offline, and no wait that the database's clock counts is over.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use acceptance::failpoint_actions::{Interject, Target};
use acceptance::world::{Seed, deploy_timed, deploy_timed_on, fresh_store, runner_of, wait_until};
use acceptance::{Database, World, timing};
use engine::Sweep;
use engine::failpoints::{Moment, NoFailpoints};
use engine::tables::task_table;
use store::{Clock, Millis, Store, StoreUrl, SystemClock};
use testkit::RequestAge;
use tokio_util::sync::CancellationToken;
use workflows::clock_checks::beyond_skew;
use workflows::realm_move::LapseSweep;
use workflows::timing::Timing;

on_both_databases!(no_tenant_goes_offline_while_the_database_s_clock_is_wrong, never_offline);
on_both_databases!(a_clock_that_is_set_back_keeps_no_tenant_offline, set_back);
on_both_databases!(nothing_is_written_while_one_store_s_clock_is_wrong, nothing_written);
on_both_databases!(a_clock_that_is_set_ahead_does_not_end_the_wait_for_a_lost_request, wait_goes_on);

/// The machine's clock, set ahead.
#[derive(Clone, Default)]
struct SetAhead(Arc<AtomicI64>);

impl SetAhead {
    fn by(&self, by: Duration) {
        self.0.store(i64::try_from(by.as_millis()).expect("not so far"), Ordering::SeqCst);
    }
}

impl Clock for SetAhead {
    fn now(&self) -> Millis {
        SystemClock.now() + self.0.load(Ordering::SeqCst)
    }

    fn overrides_database(&self) -> bool {
        true
    }
}

const LIFE: Duration = Duration::from_secs(5);

fn with_life() -> Timing {
    Timing { signed_request_ttl_dynamodb: LIFE, signed_request_ttl_s3: LIFE, ..timing::short() }
}

/// A world whose database has a clock that can be set.
async fn world(database: Database, clock: &SetAhead, age: RequestAge) -> World {
    let (store_url, folder) = fresh_store(database).await;
    let url: StoreUrl = store_url.parse().expect("a store URL");
    let store = Store::open(&url).await.expect("the store opens").with_clock(Arc::new(clock.clone()));
    let deployment = deploy_timed_on(store, with_life());
    World::on(deployment, store_url, folder, (Seed::SMALL, age), |yaml| yaml).await
}

async fn never_offline(database: Database) {
    // Within what stores accept, and far beyond it: then they refuse to be read, and tell the time all the same.
    for ahead in [-60_000, 60_000, -1_200_000, 1_200_000] {
        let clock = SetAhead::default();
        let world = world(database, &clock, RequestAge::AWS).await;
        // As if the database's were set the other way.
        world.regions.iter().for_each(|region| region.clock().set_ahead(-ahead));
        let before = world.tenant().await;
        let id = world.start_move("eu").await;
        world.run_until(NoFailpoints, || world.has_ended(&id)).await;
        let view = world.view(&id).await;
        let error = view.error.expect("why");
        assert_eq!((view.state.as_str(), error.code.as_str()), ("failed", "clock_skew"), "{error:?}");
        let how = if ahead < 0 { "behind" } else { "ahead of" };
        let says = format!("{how} that of");
        assert!(error.message.contains(&says) && error.message.contains("eu-west-1"), "{error:?}");
        assert_eq!(world.tenant().await.epoch, before.epoch, "it never went offline");
        let told = beyond_skew(&world.deployment).await.expect("the catalogue answers");
        assert!(told.iter().any(|line| line.contains(how)), "{told:?}");
    }
}

/// The drain ends, and the lease lapses, at times that are far away all of a sudden.
async fn set_back(database: Database) {
    const HOUR: Duration = Duration::from_secs(3_600);
    // Once there are tasks, what they run into at the stores is the cause.
    for (state, codes) in [("drain", &["clock_set_back"] as &[&str]), ("add_data", &["clock_set_back", "clock_skew"])] {
        let clock = SetAhead::default();
        clock.by(HOUR);
        let world = world(database, &clock, RequestAge::ANY).await;
        world.regions.iter().for_each(|region| region.clock().set_ahead(3_600_000));
        let data = world.holdings("us-east-1", "acme").await;
        let id = world.start_move("eu").await;
        let set = {
            let (clock, sweep) = (clock.clone(), Arc::new(LapseSweep::new(world.deployment.clone())));
            move || {
                clock.by(Duration::ZERO);
                // At once, and not only when it is this process's turn: the drain, too, would find out.
                let sweep = Arc::clone(&sweep);
                async move {
                    let _settled = sweep.sweep().await.expect("the catalogue answers");
                }
            }
        };
        let failpoints = Interject::new(Target::step("move", state, Moment::Before), set);
        let online = || async { world.view(&id).await.error.is_some() && world.tenant().await.lease_until.is_none() };
        world.run_until(failpoints, online).await;
        let error = world.view(&id).await.error.expect("why");
        assert!(codes.contains(&error.code.as_str()), "{state}: {error:?}");
        assert_eq!(world.tenant().await.realm, "us", "{state}");
        assert_eq!(world.holdings("us-east-1", "acme").await, data, "{state}");
    }
}

/// In the middle of a copy, and only for as long as it is wrong.
async fn nothing_written(database: Database) {
    let clock = SetAhead::default();
    let world = Arc::new(world(database, &clock, RequestAge::AWS).await);
    let data = world.holdings("us-east-1", "acme").await;
    let id = world.start_move("eu").await;
    let region = world.region("eu-west-1").clock().clone();
    let set = {
        let region = region.clone();
        move || {
            region.set_ahead(-20_000);
            async {}
        }
    };
    let failpoints = Interject::new(Target::task("copy", Moment::Before), set);
    let refused = || async {
        let mut tx = world.deployment.store.read().await.expect("a read begins");
        let tasks = task_table::of_workflow(&mut tx, &id).await.expect("tasks can be listed");
        tx.rollback().await.expect("a read ends");
        tasks.iter().any(|task| task.error.as_ref().is_some_and(|error| error.code == "clock_skew"))
    };
    world.run_until(failpoints, refused).await;
    assert!(world.holdings("eu-west-1", "acme").await.is_empty(), "nothing was written");
    region.set_ahead(0);
    world.run_until(NoFailpoints, || world.has_ended(&id)).await;
    let view = world.view(&id).await;
    assert_eq!(view.state, "completed", "{view:?}");
    assert_eq!(world.holdings("eu-west-1", "acme").await, data);
}

async fn wait_goes_on(database: Database) {
    let clock = SetAhead::default();
    let age = RequestAge { dynamodb: LIFE, s3: LIFE };
    let world = world(database, &clock, age).await;
    let data = world.holdings("us-east-1", "acme").await;
    let id = world.start_move("eu").await;
    let gate = world.region("eu-west-1").gate();
    gate.hold_next_write();
    let lost = deploy_timed(&world.store_url, with_life()).await;
    let runner = runner_of(&lost);
    tokio::select! {
        () = runner.run(CancellationToken::new()) => unreachable!("nobody stops it"),
        () = wait_until(|| async { gate.is_holding() }) => {}
    }
    drop(runner);
    let waits = || async { world.view(&id).await.waiting_for.is_some_and(|what| what.contains("to expire, until")) };
    world.run_until(NoFailpoints, waits).await;
    clock.by(Duration::from_secs(20));
    let moved_on = || async {
        let view = world.view(&id).await;
        view.state != "add_data" || view.waiting_for.is_some_and(|what| what.contains("can't be relied on"))
    };
    world.run_until(NoFailpoints, moved_on).await;
    let view = world.view(&id).await;
    assert!(!["verify", "commit", "notify", "completed"].contains(&view.state.as_str()), "{view:?}");
    // Whether the store still takes it depends on how busy this machine is.
    gate.release().await;
    clock.by(Duration::ZERO);
    world.run_until(NoFailpoints, || world.has_ended(&id)).await;
    let state = world.view(&id).await.state;
    assert!(["completed", "rolled_back"].contains(&state.as_str()), "{state}");
    let at = if state == "completed" { "eu-west-1" } else { "us-east-1" };
    assert_eq!(world.holdings(at, "acme").await, data);
}
