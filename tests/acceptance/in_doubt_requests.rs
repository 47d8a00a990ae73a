//! P5, P6 and P9: a process that is paused between its permit and its request. The store refuses the request once its permit is
//! old, and until then nobody relies on the location: not the verification, not a removal's proof, not the next move.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use acceptance::child::{run_if_child, run_until_killed};
use acceptance::failpoint_actions::Target;
use acceptance::world::{Seed, deploy_timed, fresh_store, runner_of, wait_until};
use acceptance::{Database, World, timing};
use engine::failpoints::{Failpoints, Moment, NoFailpoints};
use testkit::RequestAge;
use tokio_util::sync::CancellationToken;
use workflows::actor::Actor;
use workflows::realm_move::cancel_move;
use workflows::timing::Timing;

on_both_databases!(a_removal_waits_until_a_lost_process_can_write_no_more, removal_waits);
on_both_databases!(what_a_lost_process_writes_meanwhile_is_removed, early_arrival_is_removed);
on_both_databases!(a_verification_waits_until_a_lost_process_can_write_no_more, verification_waits);
on_both_databases!(a_delete_that_arrives_after_the_tenant_has_moved_back_is_refused, late_delete);
on_both_databases!(a_clean_hand_over_needs_no_wait, clean_hand_over);
on_both_databases!(a_gateway_s_answer_is_no_answer_of_the_store, gateway);
on_both_databases!(a_request_without_an_answer_early_in_a_long_copy_costs_no_wait_at_its_end, early_loss);
on_both_databases!(a_proven_death_needs_no_wait, proven_death);

/// Not a test of its own: the entry of the child process that is killed. Without options it ends at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    run_if_child().await;
}

/// The same where a copy takes longer.
const SHORT_LIFE: Duration = Duration::from_secs(1);

/// How long the regions accept a request here.
const LIFE: Duration = Duration::from_secs(5);

fn with_life(life: Duration) -> Timing {
    let short = timing::short();
    let offline_deadline = short.offline_deadline.max(life * 2);
    Timing { signed_request_ttl_dynamodb: life, signed_request_ttl_s3: life, offline_deadline, ..short }
}

async fn world(database: Database, life: Duration) -> World {
    let (store_url, folder) = fresh_store(database).await;
    let deployment = deploy_timed(&store_url, with_life(life)).await;
    let age = if life == LIFE { RequestAge { dynamodb: LIFE, s3: LIFE } } else { RequestAge::AWS };
    World::on(deployment, store_url, folder, (Seed::SMALL, age), |yaml| yaml).await
}

/// Runs a process of its own until it has signed a write to the new region, which is held up; then the process is no more heard
/// of.
async fn lose_a_process_that_writes(world: &World, id: &str) -> String {
    let owner = lose_a_process(world, "eu-west-1").await;
    assert_eq!(world.view(id).await.state, "add_data");
    owner
}

/// The same for the first write or delete in any region. The process has not let go of anything, and nothing proves that it is
/// dead.
async fn lose_a_process(world: &World, region: &str) -> String {
    let lost = deploy_timed(&world.store_url, with_life(LIFE)).await;
    let gate = world.region(region).gate();
    gate.hold_next_write();
    let runner = runner_of(&lost);
    tokio::select! {
        () = runner.run(CancellationToken::new()) => unreachable!("nobody stops it"),
        () = wait_until(|| async { gate.is_holding() }) => {}
    }
    lost.owner.clone()
}

async fn removal_waits(database: Database) {
    let world = world(database, LIFE).await;
    let data = world.holdings("us-east-1", "acme").await;
    let id = world.start_move("eu").await;
    let owner = lose_a_process_that_writes(&world, &id).await;
    let by = Actor::realmctl("test");
    cancel_move(&world.deployment, &id, &by).await.expect("it is cancelled");
    assert!(world.in_doubt_requests().await > 0);

    let waits = || async {
        let waiting_for = |removal: workflows::removal::RemovalDetail| removal.waiting_for.unwrap_or_default();
        world.removals(&id).await.into_iter().map(waiting_for).any(|what| what.contains(&owner))
    };
    world.run_until(NoFailpoints, waits).await;
    world.run_until(NoFailpoints, || world.has_ended(&id)).await;
    assert!(world.removals(&id).await.iter().all(|removal| removal.state == "done"));
    assert!(world.holdings("eu-west-1", "acme").await.is_empty());

    let (status, body) = world.region("eu-west-1").gate().release().await;
    assert!(status == 400 && body.contains("Signature expired"), "{status} {body}");
    assert!(world.holdings("eu-west-1", "acme").await.is_empty(), "no orphan");
    assert_eq!(world.holdings("us-east-1", "acme").await, data);
    assert_eq!(world.in_doubt_requests().await, 0);
}

/// The wait is not for nothing: until its permit is old, the store takes the write.
async fn early_arrival_is_removed(database: Database) {
    let world = world(database, LIFE).await;
    let id = world.start_move("eu").await;
    lose_a_process_that_writes(&world, &id).await;
    cancel_move(&world.deployment, &id, &Actor::realmctl("test")).await.expect("it is cancelled");
    let (status, body) = world.region("eu-west-1").gate().release().await;
    assert_eq!(status, 200, "{body}");
    assert!(!world.holdings("eu-west-1", "acme").await.is_empty(), "it arrived after the tenant was brought back");
    world.run_until(NoFailpoints, || world.has_ended(&id)).await;
    assert!(world.holdings("eu-west-1", "acme").await.is_empty());
}

async fn verification_waits(database: Database) {
    let world = world(database, LIFE).await;
    let data = world.holdings("us-east-1", "acme").await;
    let id = world.start_move("eu").await;
    let owner = lose_a_process_that_writes(&world, &id).await;
    let waits = || async { world.view(&id).await.waiting_for.is_some_and(|what| what.contains(&owner)) };
    world.run_until(NoFailpoints, waits).await;
    let view = world.view(&id).await;
    assert_eq!(view.state, "add_data", "everything is copied, and not yet read back");
    assert!(view.waiting_for.is_some_and(|what| what.contains("to expire, until")));
    world.run_until(NoFailpoints, || world.has_ended(&id)).await;
    assert_eq!(world.view(&id).await.state, "completed");
    let (status, body) = world.region("eu-west-1").gate().release().await;
    assert!(status == 400 && body.contains("Signature expired"), "{status} {body}");
    assert_eq!(world.holdings("eu-west-1", "acme").await, data);
}

/// A -> B -> A: the removal at A was begun by a process that is paused before a delete, and finished by another.
async fn late_delete(database: Database) {
    let world = world(database, LIFE).await;
    let data = world.holdings("us-east-1", "acme").await;
    let id = world.start_move("eu").await;
    lose_a_process(&world, "us-east-1").await;
    let state = world.view(&id).await.state;
    assert!(["notify", "completed"].contains(&state.as_str()), "the first delete is the removal's: {state}");
    world.run_until(NoFailpoints, || world.has_ended(&id)).await;
    assert!(world.holdings("us-east-1", "acme").await.is_empty());
    let back = world.run_move("us", NoFailpoints).await;
    assert_eq!(back.state, "completed");

    let (status, body) = world.region("us-east-1").gate().release().await;
    assert!(status == 400 && body.contains("Signature expired"), "{status} {body}");
    assert_eq!(world.holdings("us-east-1", "acme").await, data);
}

/// What is behind a gateway that gave up may act for as long as the store accepts it.
async fn gateway(database: Database) {
    for status in [502, 504] {
        let world = world(database, LIFE).await;
        let data = world.holdings("us-east-1", "acme").await;
        let id = world.start_move("eu").await;
        let gate = world.region("eu-west-1").gate();
        gate.hold_next_write_behind_a_gateway(status);
        let waits = || async { is_to_be_quiet(&world.view(&id).await) || world.has_ended(&id).await };
        world.run_until(NoFailpoints, waits).await;
        let view = world.view(&id).await;
        assert!(is_to_be_quiet(&view), "{status}: {view:?}");
        assert!(view.waiting_for.is_some_and(|what| what.contains("a request got no answer")));
        world.run_until(NoFailpoints, || world.has_ended(&id)).await;
        assert_eq!(world.view(&id).await.state, "completed");
        let (late, body) = gate.release().await;
        assert!(late == 400 && body.contains("Signature expired"), "{status}: {late} {body}");
        assert_eq!(world.holdings("eu-west-1", "acme").await, data);
    }
}

fn is_to_be_quiet(view: &workflows::realm_move::MoveView) -> bool {
    view.waiting_for.as_ref().is_some_and(|what| what.contains("to expire, until"))
}

/// A request is lost, and the copy goes on for longer than the store accepts that request.
async fn early_loss(database: Database) {
    let world = world(database, SHORT_LIFE).await;
    let id = world.start_move("eu").await;
    let gate = world.region("eu-west-1").gate();
    gate.hold_next_write_behind_a_gateway(504);
    let (stop, has_waited) = (CancellationToken::new(), AtomicBool::new(false));
    let last_write = async {
        wait_until(|| async { gate.is_holding() }).await;
        let lost_at = world.now().await;
        gate.hold_the_next_instead();
        wait_until(|| async { gate.is_holding() }).await;
        let timing = with_life(SHORT_LIFE);
        let accepted = timing.signed_request_ttl_dynamodb + timing.max_clock_skew + timing.lease;
        let until = lost_at + i64::try_from(accepted.as_millis()).expect("short");
        wait_until(|| async { world.now().await > until }).await;
        gate.release().await;
        wait_until(|| async {
            // A busy machine may lose a lease, and wait for that.
            let waits_for = world.view(&id).await.waiting_for.unwrap_or_default();
            has_waited.fetch_or(waits_for.contains("a request got no answer"), Ordering::SeqCst);
            world.has_ended(&id).await
        })
        .await;
        stop.cancel();
    };
    let runner = world.runner();
    tokio::join!(runner.run(stop.clone()), last_write);
    let view = world.view(&id).await;
    assert_eq!(view.state, "completed", "{view:?}");
    assert!(!has_waited.load(Ordering::SeqCst), "what was lost so long ago need not be waited for");
    assert_eq!(world.in_doubt_requests().await, 0);
}

/// Longer than any test waits for anything: whoever waited for it would be found out.
const TOO_LONG: Duration = Duration::from_secs(400);

async fn clean_hand_over(database: Database) {
    let world = world(database, TOO_LONG).await;
    let id = world.start_move("eu").await;
    let gate = world.region("eu-west-1").gate();
    gate.hold_next_write();
    let stop = CancellationToken::new();
    let stopped = async {
        wait_until(|| async { gate.is_holding() }).await;
        // A write is on its way, and is answered only once the process has been told to stop.
        stop.cancel();
        gate.release().await
    };
    let runner = world.runner();
    let ((), (status, body)) = tokio::join!(runner.run(stop.clone()), stopped);
    assert_eq!(status, 200, "{body}");
    assert_eq!(world.view(&id).await.state, "add_data");
    assert_eq!(world.in_doubt_requests().await, 0);
    ends_without_a_wait(&world, &id, NoFailpoints).await;
}

async fn proven_death(database: Database) {
    let world = world(database, TOO_LONG).await;
    let id = world.start_move("eu").await;
    let target = Target::task("copy", Moment::Written);
    run_until_killed(&world.store_url, &target, None, "in_doubt_requests::child").await;
    assert_eq!(world.view(&id).await.state, "add_data");
    ends_without_a_wait(&world, &id, NoFailpoints).await;
}

async fn ends_without_a_wait(world: &World, id: &str, failpoints: impl Failpoints) {
    world.run_until(failpoints, || world.has_ended(id)).await;
    let view = world.view(id).await;
    assert_eq!(view.state, "completed", "{view:?}");
    assert!(view.removals.iter().all(|removal| removal.state == "done"), "{view:?}");
}
