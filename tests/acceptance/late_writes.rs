//! P5: what was written to a location after a move had left it is not deleted unseen: neither before the removal, nor when it
//! turns up afterwards. And a location that its store replicates to live data is not emptied.

use std::sync::Arc;
use std::time::Duration;

use acceptance::failpoint_actions::{Injected, Injector, Interject, Target};
use acceptance::world::{Seed, deploy_timed, fresh_store};
use acceptance::{Database, World, timing};
use catalogue::ledger::EntryState;
use engine::failpoints::{Moment, NoFailpoints};
use testkit::region::{dynamodb_client, s3_client};
use testkit::{RequestAge, fixtures};
use workflows::actor::Actor;
use workflows::removal::{Accepted, RemovalDetail, replay_removal};
use workflows::timing::Timing;

on_both_databases!(a_late_write_stops_the_removal_until_somebody_has_looked, late_write);
on_both_databases!(what_is_live_as_well_is_no_late_write, live_as_well);
on_both_databases!(what_turns_up_after_the_removal_is_found, turns_up_afterwards);
on_both_databases!(a_location_that_replicates_to_live_data_is_not_emptied, replicated);

/// Runs `action` once the tenant has moved and before its old location is emptied.
pub(crate) fn after_the_commit<F>(action: impl Fn() -> F + Send + Sync + 'static) -> Interject
where
    F: Future<Output = ()> + Send + 'static,
{
    Interject::new(Target::step("removal", "waiting", Moment::Before), action)
}

pub(crate) async fn of_service(world: &World, id: &str, service: &str) -> RemovalDetail {
    let all = world.removals(id).await;
    all.into_iter().find(|removal| removal.service == service).expect("the move removes from this service")
}

async fn late_write(database: Database) {
    let world = World::new(database).await;
    let data = world.holdings("us-east-1", "acme").await;
    let client = Arc::new(dynamodb_client(world.region("us-east-1")));
    let late = after_the_commit(move || {
        let client = Arc::clone(&client);
        async move {
            fixtures::write_item(&client, "issues", ("tenant_shard", "acme#1"), "too-late")
                .await
                .expect("it is written");
        }
    });
    let view = world.run_move("eu", late).await;
    assert_eq!(view.state, "completed");
    let failed = of_service(&world, &view.id, "issue-service").await;
    assert_eq!(failed.state, "failed", "{failed:?}");
    let error = failed.error.as_ref().expect("why");
    assert_eq!(error.code, "late_writes");
    assert!(error.message.contains("added: pk=too-late, sk=late"), "{}", error.message);
    let hash = failed.late_writes_found.expect("what was found").hash;
    assert!(error.message.contains(&format!("replay {} --accept-late-writes {hash}", failed.id)), "{}", error.message);
    let kept = world.holdings("us-east-1", "acme").await;
    assert_eq!(kept.issues.len(), data.issues.len() + 1, "nothing of the service was deleted");
    assert!(kept.media.is_empty(), "the other services are removed");

    let by = Actor::realmctl("test");
    replay_removal(&world.deployment, &failed.id, Accepted::NOTHING, &by).await.expect("it looks again");
    world.run_until(NoFailpoints, || world.has_ended(&view.id)).await;
    assert_eq!(of_service(&world, &view.id, "issue-service").await.state, "failed", "and finds it again");
    replay_removal(&world.deployment, &failed.id, Accepted::late_writes(&hash), &by)
        .await
        .expect("somebody has looked");
    world.run_until(NoFailpoints, || world.has_ended(&view.id)).await;
    assert_eq!(of_service(&world, &view.id, "issue-service").await.state, "done");
    assert!(world.holdings("us-east-1", "acme").await.is_empty());
    assert_eq!(world.holdings("eu-west-1", "acme").await, data);
}

/// Written in both places, as an application's own replicator does: nothing is lost with the old one.
async fn live_as_well(database: Database) {
    let world = World::new(database).await;
    let clients = Arc::new([dynamodb_client(world.region("us-east-1")), dynamodb_client(world.region("eu-west-1"))]);
    let late = after_the_commit(move || {
        let clients = Arc::clone(&clients);
        async move {
            for client in clients.iter() {
                let written = fixtures::write_item(client, "issues", ("tenant_shard", "acme#1"), "in-both").await;
                written.expect("it is written");
            }
        }
    });
    let view = world.run_move("eu", late).await;
    assert!(view.removals.iter().all(|removal| removal.state == "done"), "{view:?}");
    assert!(world.holdings("us-east-1", "acme").await.is_empty());
}

async fn turns_up_afterwards(database: Database) {
    let (store_url, folder) = fresh_store(database).await;
    let timing = Timing { queue_retention: Duration::from_secs(3), ..timing::short() };
    let deployment = deploy_timed(&store_url, timing).await;
    let world = World::on(deployment, store_url, folder, (Seed::SMALL, RequestAge::AWS), |yaml| yaml).await;
    // Nobody looks again before it is there.
    let not_yet = Injector::new(Target::step("recheck", "waiting", Moment::Before), Injected::FailOnce, 1_000);
    let view = world.run_move("eu", not_yet).await;
    let data = world.holdings("eu-west-1", "acme").await;
    let rechecked =
        async || of_service(&world, &view.id, "issue-service").await.recheck.expect("it is looked at again").state;
    assert_eq!(rechecked().await, "waiting");
    let client = dynamodb_client(world.region("us-east-1"));
    let written = fixtures::write_item(&client, "issues", ("tenant_shard", "acme#1"), "from-a-queue").await;
    written.expect("it is written");

    let found = || async { of_service(&world, &view.id, "issue-service").await.state == "failed" };
    world.run_until(NoFailpoints, found).await;
    let failed = of_service(&world, &view.id, "issue-service").await;
    assert_eq!(failed.error.as_ref().expect("why").code, "late_writes");
    assert_eq!(rechecked().await, "found");
    let at_issues = ("issue-service".to_owned(), "us-east-1".to_owned());
    assert_eq!(world.entries().await[&at_issues], EntryState::Removing, "the ledger knows of it");
    assert_eq!(world.holdings("us-east-1", "acme").await.issues.len(), 1, "it is not deleted unseen");

    let by = Actor::realmctl("test");
    replay_removal(&world.deployment, &failed.id, Accepted::NOTHING, &by).await.expect("it looks again");
    world.run_until(NoFailpoints, || world.has_ended(&view.id)).await;
    let again = of_service(&world, &view.id, "issue-service").await;
    assert_eq!((again.state.as_str(), &again.late_writes_found), ("failed", &failed.late_writes_found));
    let found = failed.late_writes_found.expect("what was found");
    assert_eq!(
        (found.added.count, found.added.keys.as_slice()),
        (1, ["pk=from-a-queue, sk=late".to_owned()].as_slice())
    );
    replay_removal(&world.deployment, &failed.id, Accepted::late_writes(&found.hash), &by)
        .await
        .expect("somebody has looked");
    world.run_until(NoFailpoints, || world.has_ended(&view.id)).await;
    assert_eq!(world.entries().await[&at_issues], EntryState::Absent);
    assert!(world.holdings("us-east-1", "acme").await.is_empty());
    assert_eq!(world.holdings("eu-west-1", "acme").await, data);
}

async fn replicated(database: Database) {
    let world = World::new(database).await;
    let data = world.holdings("us-east-1", "acme").await;
    let client = Arc::new(s3_client(world.region("us-east-1")));
    let (linking, unlinking) = (Arc::clone(&client), client);
    let link = after_the_commit(move || {
        let client = Arc::clone(&linking);
        async move {
            let linked = fixtures::replicate_bucket(&client, "media-us-east-1", "media-eu-west-1").await;
            linked.expect("it is linked");
        }
    });
    let view = world.run_move("eu", link).await;
    let failed = of_service(&world, &view.id, "media-service").await;
    assert_eq!((failed.state.as_str(), failed.error.expect("why").code.as_str()), ("failed", "replicated_store"));
    assert_eq!(world.holdings("us-east-1", "acme").await.media, data.media, "nothing was deleted");

    fixtures::stop_replicating(&unlinking, "media-us-east-1").await.expect("it is unlinked");
    replay_removal(&world.deployment, &failed.id, Accepted::NOTHING, &Actor::realmctl("test"))
        .await
        .expect("it is replayed");
    world.run_until(NoFailpoints, || world.has_ended(&view.id)).await;
    assert_eq!(of_service(&world, &view.id, "media-service").await.state, "done");
    assert!(world.holdings("us-east-1", "acme").await.is_empty());
    assert_eq!(world.holdings("eu-west-1", "acme").await, data);
}
