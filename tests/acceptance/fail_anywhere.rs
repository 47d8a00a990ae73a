//! P1: tasks that fail, for good or again and again, and a way back online that fails itself: the tenant is brought back where it
//! was, and what was being added is removed. (Steps that fail: `every_kind`.)

use acceptance::Database;
use acceptance::failpoint_actions::{Injected, Injector, Injectors, Target};
use acceptance::harness::Stage;
use catalogue::tenants::TenantStatus;
use engine::failpoints::{Moment, NoFailpoints};

on_both_databases!(failed_for_good_in_every_task, failed_in_every_task);
on_both_databases!(a_passing_failure_that_never_passes_is_given_up, never_passing_failures_are_given_up);
on_both_databases!(re_online_is_retried_until_it_succeeds, re_online_is_retried);

async fn failed_in_every_task(database: Database) {
    let stage = Stage::new(database).await;
    for kind in ["copy", "verify"] {
        // Written: after a checkpoint, so that something has been copied by then.
        let injector = Injector::new(Target::task(kind, Moment::Written), Injected::FailForGood, 1);
        let done = stage.world.run_move("eu", injector.clone()).await;
        assert!(injector.struck() >= 1, "{kind}: not struck");
        assert_eq!(done.state, "rolled_back", "{kind}: {done:?}");
        assert_eq!(done.error.as_ref().map(|error| error.code.as_str()), Some("injected"), "{kind}: {done:?}");
        is_as_before(&stage, kind).await;
    }
    let in_its_task = Target::task("remove", Moment::Before);
    removal_fails_and_is_replayed(&stage, in_its_task, ["eu", "eu-west-1", "us-east-1"]).await;
    // Here its tasks are open or done when it fails: what is left of them must not stand in a replay's way.
    let in_its_step = Target::step("removal", "removing", Moment::Written);
    removal_fails_and_is_replayed(&stage, in_its_step, ["us", "us-east-1", "eu-west-1"]).await;
}

/// Each attempt gets as far as its first checkpoint and fails there: no attempt gets further than the one before.
async fn never_passing_failures_are_given_up(database: Database) {
    let stage = Stage::new(database).await;
    for kind in ["copy", "verify"] {
        let injector = Injector::new(Target::task(kind, Moment::Written), Injected::FailOnce, u32::MAX);
        let done = stage.world.run_move("eu", injector.clone()).await;
        assert!(injector.struck() >= 8, "{kind}: tried {} times", injector.struck());
        assert_eq!(done.state, "rolled_back", "{kind}: {done:?}");
        assert_eq!(done.error.as_ref().map(|error| error.code.as_str()), Some("injected"), "{kind}: {done:?}");
        is_as_before(&stage, kind).await;
    }
}

/// A failed removal leaves the tenant online in its new realm; it is listed, and a replay finishes it.
async fn removal_fails_and_is_replayed(stage: &Stage, target: Target, [realm, region, left]: [&str; 3]) {
    use workflows::removal::{Accepted, ReplayOutcome, list_removals, replay_removal};
    let world = &stage.world;
    let injector = Injector::new(target, Injected::FailForGood, 1);
    let done = world.run_move(realm, injector.clone()).await;
    assert!(injector.struck() >= 1);
    assert_eq!((done.state.as_str(), world.tenant().await.status), ("completed", TenantStatus::Online), "{done:?}");
    let mut tx = world.deployment.store.read().await.expect("a read begins");
    let failed = list_removals(&mut tx, None, Some("failed"), None, 10).await.expect("removals can be listed");
    tx.rollback().await.expect("a read ends");
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert_eq!(failed[0].error.as_ref().map(|error| error.code.as_str()), Some("injected"));
    let by = workflows::actor::Actor::realmctl("test");
    let outcome =
        replay_removal(&world.deployment, &failed[0].id, Accepted::NOTHING, &by).await.expect("the replay is accepted");
    assert_eq!(outcome, ReplayOutcome::Replayed);
    let again = replay_removal(&world.deployment, &failed[0].id, Accepted::NOTHING, &by).await.expect("twice is safe");
    assert_eq!(again, ReplayOutcome::StillRunning);
    let ended = || async { world.stored_state(&failed[0].id).await == "done" };
    world.run_until(NoFailpoints, ended).await;
    let late = replay_removal(&world.deployment, &failed[0].id, Accepted::NOTHING, &by).await.expect("late is safe");
    assert_eq!(late, ReplayOutcome::AlreadyDone);
    assert!(world.holdings(left, "acme").await.is_empty());
    assert_eq!(world.holdings(region, "acme").await, stage.data);
    stage.is_sound("after the replay").await;
}

async fn re_online_is_retried(database: Database) {
    let stage = Stage::new(database).await;
    let first = Injector::new(Target::step("move", "add_data", Moment::Before), Injected::FailForGood, 1);
    let stubborn = Injector::new(Target::step("move", "re_online", Moment::Written), Injected::FailForGood, 8);
    let done = stage.world.run_move("eu", Injectors(vec![first.clone(), stubborn.clone()])).await;
    assert!(first.struck() >= 1 && stubborn.struck() > 8, "{} and {}", first.struck(), stubborn.struck());
    assert_eq!(done.state, "rolled_back", "{done:?}");
    is_as_before(&stage, "re_online").await;
}

/// The tenant is online in us with all its data, and nothing of it is anywhere else.
async fn is_as_before(stage: &Stage, what: &str) {
    stage.is_sound(what).await;
    assert_eq!(stage.world.tenant().await.realm, "us", "{what}");
}
