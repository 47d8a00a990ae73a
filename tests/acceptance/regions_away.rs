//! Work without a deadline goes on trying for as long as the cause may pass: a region that is away leaves no failed removal behind, for a
//! person to replay and in the way of later moves. It says meanwhile what it runs into and since when.

use acceptance::clocked::Clocked;
use acceptance::failpoint_actions::{Injected, Injector, Target};
use acceptance::world::Seed;
use acceptance::{Database, World};
use engine::Runner;
use engine::failpoints::{Moment, NoFailpoints};
use workflows::explain::explain_workflow;
use workflows::removal::RemovalDetail;
use workflows::timestamps::utc;

on_both_databases!(a_removal_and_its_recheck_outlast_whatever_passes, outlasts);
on_both_databases!(the_look_at_a_replica_that_was_left_outlasts_it_too, replica_left);
on_both_databases!(a_removal_says_since_when_and_why_it_is_tried_again, says_so);

/// How far the clock moves when there is nothing to do.
const STEP_MS: i64 = 1_000;

async fn clocked(database: Database) -> Clocked {
    let seed = Seed { issues: 6, activity: 4, media: 2 };
    Clocked::seeded(database, seed, |yaml| yaml).await
}

/// Ticks until there is nothing to do and it is so; time passes whenever there is nothing to do.
async fn tick_until(clocked: &Clocked, runner: &Runner, is_so: impl AsyncFn() -> bool) {
    for _ in 0..20_000 {
        if runner.tick().await.expect("the catalogue answers") {
            continue;
        }
        if is_so().await {
            return;
        }
        clocked.clock.advance(STEP_MS);
    }
    panic!("it does not come to that");
}

async fn rechecks(world: &World, state: &str) -> usize {
    let mut tx = world.deployment.store.read().await.expect("a read begins");
    let found = engine::tables::workflow_table::list(&mut tx, "recheck", None, Some(state), None, 1_000).await;
    tx.rollback().await.expect("a read ends");
    found.expect("they can be listed").len()
}

/// Many more failures in a row than work with a deadline would take: of each step, and of each kind of task.
async fn outlasts(database: Database) {
    let clocked = clocked(database).await;
    let world = &clocked.world;
    let targets = [
        (Target::task("compare", Moment::Before), 60),
        (Target::task("remove", Moment::Before), 60),
        (Target::step("removal", "waiting", Moment::Written), 60),
        (Target::step("removal", "comparing", Moment::Written), 60),
        (Target::step("removal", "removing", Moment::Written), 60),
        (Target::step("recheck", "waiting", Moment::Written), 350),
    ];
    let mut looked_again = 0;
    for ((target, times), to) in targets.into_iter().zip(["eu", "us"].into_iter().cycle()) {
        let injector = Injector::new(target.clone(), Injected::FailOnce, times);
        let id = world.start_move(to).await;
        let runner = clocked.runner(injector.clone());
        looked_again += 3;
        let over = async || rechecks(world, "done").await == looked_again || rechecks(world, "failed").await > 0;
        tick_until(&clocked, &runner, async || over().await || world.removals(&id).await.iter().any(is_failed)).await;
        assert!(injector.struck() > times, "{target:?}: struck {} times", injector.struck());
        let removals = world.removals(&id).await;
        assert!(removals.iter().all(|removal| removal.state == "done"), "{target:?}: {removals:?}");
        assert_eq!((rechecks(world, "failed").await, rechecks(world, "done").await), (0, looked_again), "{target:?}");
    }
}

/// A replica that only leaves is compared with a copy that stays, by its removal: that is tried again for as long as it takes.
async fn replica_left(database: Database) {
    let clocked = clocked(database).await;
    let world = &clocked.world;
    let widened = world.start_move("global").await;
    let calm = clocked.runner(NoFailpoints);
    tick_until(&clocked, &calm, async || world.has_ended(&widened).await).await;
    let id = world.start_move("us").await;
    tick_until(&clocked, &calm, async || world.view(&id).await.finished_at.is_some()).await;
    let injector = Injector::new(Target::task("compare", Moment::Before), Injected::FailOnce, 60);
    let runner = clocked.runner(injector.clone());
    tick_until(&clocked, &runner, async || world.has_ended(&id).await).await;
    assert!(injector.struck() > 60, "struck {} times: is it compared by another kind of task now?", injector.struck());
    let removals = world.removals(&id).await;
    assert!(removals.iter().all(|removal| removal.state == "done"), "{removals:?}");
}

fn is_failed(removal: &RemovalDetail) -> bool {
    removal.state == "failed"
}

async fn says_so(database: Database) {
    let clocked = clocked(database).await;
    let world = &clocked.world;
    let injector = Injector::new(Target::task("remove", Moment::Before), Injected::FailOnce, 90);
    let id = world.start_move("eu").await;
    let runner = clocked.runner(injector.clone());
    tick_until(&clocked, &runner, async || injector.struck() > 40).await;
    let removal = world.removals(&id).await.into_iter().find(|removal| removal.retrying.is_some());
    let removal = removal.expect("one of them is tried again");
    let retrying = removal.retrying.expect("it says so");
    assert_eq!((removal.state.as_str(), retrying.error.code.as_str()), ("removing", "injected"));
    assert_eq!(removal.error.as_ref(), Some(&retrying.error));
    assert!(retrying.attempts > 8, "{retrying:?}");
    let since: jiff::Timestamp = retrying.since.parse().expect("a time");
    let failing_ms = clocked.now() - since.as_millisecond();
    assert!(failing_ms > 10_000, "since the first failure, and not since the last: {failing_ms} ms");

    let mut tx = world.deployment.store.read().await.expect("a read begins");
    let about = explain_workflow(&world.deployment, &mut tx, &removal.id).await.expect("it can be read");
    tx.rollback().await.expect("a read ends");
    let about = about.expect("there is such a removal");
    assert_eq!(about.waits_for.code, "retry", "{about:?}");
    let since = utc(since.as_millisecond());
    assert!(about.waits_for.text.contains(&since) && about.waits_for.text.contains("injected"), "{about:?}");

    tick_until(&clocked, &runner, async || world.removals(&id).await.iter().all(|removal| removal.state == "done"))
        .await;
    assert!(world.removals(&id).await.iter().all(|removal| removal.retrying.is_none() && removal.error.is_none()));
}
