//! P5: what was written late is told whole and exactly: deletes as well, in every part, also after the removal has begun to delete, and
//! nothing that was rightly edited at the new home. What is accepted is exactly what was shown.

use std::sync::Arc;

use acceptance::failpoint_actions::{Injected, Injector, Target};
use acceptance::world::{Seed, many_parts};
use acceptance::{Database, World};
use engine::failpoints::{Failpoints, Moment, NoFailpoints};
use engine::{Runner, RunnerSettings};
use testkit::fixtures;
use testkit::observe::Item;
use testkit::region::{dynamodb_client, s3_client};
use workflows::actor::Actor;
use workflows::removal::{Accepted, LateWriteLine, LateWritesDetail, RemovalDetail, late_write_lines, replay_removal};

use crate::late_writes::{after_the_commit, of_service};

on_both_databases!(a_late_delete_is_found_and_named, late_delete);
on_both_databases!(what_was_edited_at_the_new_home_is_no_late_write, edited_at_home);
on_both_databases!(every_part_and_kind_is_told_with_all_keys, all_parts);
on_both_databases!(items_past_the_shard_count_are_told_and_accepted_like_others, strays);
on_both_databases!(only_exactly_what_was_shown_is_accepted, stale_hash);
on_both_databases!(a_replay_of_a_half_done_removal_finds_what_was_written_meanwhile, half_done);
on_both_databases!(what_the_removal_itself_deleted_is_no_late_write, own_deletes);
on_both_databases!(late_objects_are_told_by_key, objects);

const ISSUES: &str = "issue-service";
const INDEX_KEY: &str = "tenant_shard";

/// A tenant that has moved to eu, with something done at its old place before that is emptied.
async fn moved<F>(world: &World, late: impl Fn() -> F + Send + Sync + 'static) -> String
where
    F: Future<Output = ()> + Send + 'static,
{
    let view = world.run_move("eu", after_the_commit(late)).await;
    assert_eq!(view.state, "completed", "{view:?}");
    view.id
}

async fn replay(world: &World, id: &str, (removal, accept): (&str, Option<&str>), failpoints: impl Failpoints) {
    let accepted = Accepted { late_writes: accept, ..Accepted::NOTHING };
    replay_removal(&world.deployment, removal, accepted, &Actor::realmctl("test")).await.expect("it is replayed");
    world.run_until(failpoints, || world.has_ended(id)).await;
}

/// What stopped a removal.
#[track_caller]
fn found(removal: &RemovalDetail) -> LateWritesDetail {
    assert_eq!(removal.state, "failed", "{removal:?}");
    assert_eq!(removal.error.as_ref().map(|error| error.code.as_str()), Some("late_writes"), "{removal:?}");
    removal.late_writes_found.clone().expect("what was found")
}

fn counts(found: &LateWritesDetail) -> [u64; 3] {
    [found.added.count, found.changed.count, found.deleted.count]
}

async fn lines(world: &World, removal: &RemovalDetail) -> Vec<LateWriteLine> {
    let mut tx = world.deployment.store.read().await.expect("a read begins");
    let (lines, _) = late_write_lines(&mut tx, removal, (-1, -1), 1_000).await.expect("they can be read");
    tx.rollback().await.expect("a read ends");
    lines
}

/// Those that can grow: one is as large as an item can be.
async fn issues(world: &World, region: &str) -> Vec<Item> {
    let all = world.holdings(region, "acme").await.issues.into_values();
    all.filter(|item| format!("{item:?}").len() < 20_000).collect()
}

async fn late_delete(database: Database) {
    let world = World::new(database).await;
    let gone = issues(&world, "us-east-1").await.remove(7);
    let (client, item) = (Arc::new(dynamodb_client(world.region("us-east-1"))), gone.clone());
    let id = moved(&world, move || {
        let (client, item) = (Arc::clone(&client), item.clone());
        async move { fixtures::delete_item(&client, "issues", &item).await.expect("it is deleted") }
    })
    .await;
    let removal = of_service(&world, &id, ISSUES).await;
    let late = found(&removal);
    assert_eq!(counts(&late), [0, 0, 1], "{late:?}");
    assert_eq!(late.deleted.keys.len(), 1, "{late:?}");
    let key = &lines(&world, &removal).await[0].key;
    assert_eq!(key["pk"]["S"].as_str(), gone["pk"].as_s().ok().map(String::as_str));
    assert_eq!(world.holdings("us-east-1", "acme").await.issues.len(), 39, "nothing more was deleted");

    // Carried over: then both lack it.
    fixtures::delete_item(&dynamodb_client(world.region("eu-west-1")), "issues", &gone).await.expect("it is deleted");
    replay(&world, &id, (&removal.id, None), NoFailpoints).await;
    assert_eq!(of_service(&world, &id, ISSUES).await.state, "done");
    assert!(world.holdings("us-east-1", "acme").await.is_empty());
}

async fn edited_at_home(database: Database) {
    let world = World::new(database).await;
    let items = Arc::new(issues(&world, "us-east-1").await);
    let clients = Arc::new(["us-east-1", "eu-west-1"].map(|name| dynamodb_client(world.region(name))));
    let id = moved(&world, move || {
        let (clients, items) = (Arc::clone(&clients), Arc::clone(&items));
        async move {
            let [old, new] = &*clients;
            for item in &items[..20] {
                fixtures::edit_item(new, "issues", item, "at the new home").await.expect("it is edited");
            }
            fixtures::delete_item(new, "issues", &items[21]).await.expect("it is deleted");
            fixtures::write_item(new, "issues", (INDEX_KEY, "acme#1"), "new").await.expect("it is written");
            fixtures::write_item(old, "issues", (INDEX_KEY, "acme#1"), "too-late").await.expect("it is written");
        }
    })
    .await;
    let home = world.holdings("eu-west-1", "acme").await;
    let removal = of_service(&world, &id, ISSUES).await;
    let late = found(&removal);
    assert_eq!(
        (counts(&late), late.added.keys.as_slice()),
        ([1, 0, 0], ["pk=too-late, sk=late".to_owned()].as_slice())
    );
    replay(&world, &id, (&removal.id, Some(&late.hash)), NoFailpoints).await;
    assert_eq!(of_service(&world, &id, ISSUES).await.state, "done");
    assert!(world.holdings("us-east-1", "acme").await.is_empty());
    assert_eq!(world.holdings("eu-west-1", "acme").await, home);
}

async fn all_parts(database: Database) {
    let world = World::with_topology(database, Seed::SMALL, |yaml| many_parts(&yaml)).await;
    let items = Arc::new(issues(&world, "us-east-1").await);
    let client = Arc::new(dynamodb_client(world.region("us-east-1")));
    let id = moved(&world, move || {
        let (client, items) = (Arc::clone(&client), Arc::clone(&items));
        async move {
            for part in 0..10 {
                for n in 0..2 {
                    let (value, pk) = (format!("acme#{part}"), format!("tardy-{part}-{n}"));
                    fixtures::write_item(&client, "issues", (INDEX_KEY, &value), &pk).await.expect("it is written");
                }
            }
            for item in &items[..3] {
                fixtures::edit_item(&client, "issues", item, "too late").await.expect("it is edited");
            }
            for item in &items[3..5] {
                fixtures::delete_item(&client, "issues", item).await.expect("it is deleted");
            }
        }
    })
    .await;
    let removal = of_service(&world, &id, ISSUES).await;
    let late = found(&removal);
    assert_eq!((counts(&late), late.added.keys.len()), ([20, 3, 2], 10), "{late:?}");
    let error = removal.error.as_ref().expect("why");
    assert!(error.message.contains("20 added, 3 changed and 2 deleted"), "{}", error.message);
    assert!(error.message.contains("and 10 more"), "{}", error.message);
    let all = lines(&world, &removal).await;
    let of = |kind: &str| all.iter().filter(|line| line.kind == kind).count();
    assert_eq!((of("added"), of("changed"), of("deleted")), (20, 3, 2), "{all:?}");
    let parts: std::collections::BTreeSet<i64> = all.iter().map(|line| line.part).collect();
    assert_eq!(parts.len(), 10, "every part tells its own");
    assert!(all.iter().any(|line| line.key["pk"]["S"] == "tardy-9-1"), "{all:?}");
    // Keys are tenants' data: nothing that is kept for longer has them.
    let history = format!("{:?} {}", world.history(&removal.id).await, world.stored_state(&removal.id).await);
    assert!(!history.contains("tardy-"), "{history}");

    replay(&world, &id, (&removal.id, Some(&late.hash)), NoFailpoints).await;
    let done = of_service(&world, &id, ISSUES).await;
    assert_eq!((done.state.as_str(), done.late_writes_found.is_none()), ("done", true), "{done:?}");
    assert_eq!(lines(&world, &done).await, [], "the keys are erased");
    assert!(world.holdings("us-east-1", "acme").await.is_empty());
}

/// Late items under values that no part has: told like all others, and deleted once exactly they are accepted.
async fn strays(database: Database) {
    let world = World::new(database).await;
    let client = Arc::new(dynamodb_client(world.region("us-east-1")));
    let writer = Arc::clone(&client);
    let id = moved(&world, move || {
        let client = Arc::clone(&writer);
        async move {
            for (value, pk) in [("acme#12", "past"), ("acme", "bare")] {
                fixtures::write_item(&client, "issues", (INDEX_KEY, value), pk).await.expect("it is written");
            }
        }
    })
    .await;
    let removal = of_service(&world, &id, ISSUES).await;
    let late = found(&removal);
    assert_eq!(counts(&late), [2, 0, 0], "{late:?}");
    let keys: Vec<_> = lines(&world, &removal).await.iter().map(|line| line.key["pk"]["S"].clone()).collect();
    assert!(keys.contains(&"past".into()) && keys.contains(&"bare".into()), "{keys:?}");

    fixtures::write_item(&client, "issues", (INDEX_KEY, "acme#11"), "another").await.expect("it is written");
    replay(&world, &id, (&removal.id, Some(&late.hash)), NoFailpoints).await;
    let again = found(&of_service(&world, &id, ISSUES).await);
    assert_eq!(counts(&again), [3, 0, 0], "what nobody was shown is not accepted: {again:?}");

    let not_yet = Injector::new(Target::step("recheck", "waiting", Moment::Before), Injected::FailOnce, 1_000);
    replay(&world, &id, (&removal.id, Some(&again.hash)), not_yet).await;
    assert_eq!(of_service(&world, &id, ISSUES).await.state, "done");
    assert!(world.holdings("us-east-1", "acme").await.is_empty());

    // One that turns up after that is found by the recheck, and told in the same way.
    fixtures::write_item(&client, "issues", (INDEX_KEY, "acme#13"), "turned up").await.expect("it is written");
    world.run_until(NoFailpoints, || async { of_service(&world, &id, ISSUES).await.state == "failed" }).await;
    let last = found(&of_service(&world, &id, ISSUES).await);
    assert_eq!(counts(&last), [1, 0, 0], "{last:?}");
    replay(&world, &id, (&removal.id, Some(&last.hash)), NoFailpoints).await;
    assert_eq!(of_service(&world, &id, ISSUES).await.state, "done");
}

async fn stale_hash(database: Database) {
    let world = World::new(database).await;
    let client = Arc::new(dynamodb_client(world.region("us-east-1")));
    let writer = Arc::clone(&client);
    let id = moved(&world, move || {
        let client = Arc::clone(&writer);
        async move {
            fixtures::write_item(&client, "issues", (INDEX_KEY, "acme#1"), "first").await.expect("it is written");
        }
    })
    .await;
    let removal = of_service(&world, &id, ISSUES).await;
    let shown = found(&removal);
    // The same key with other contents is not what was shown, either.
    let item =
        issues(&world, "us-east-1").await.into_iter().find(|item| item["pk"].as_s().is_ok_and(|pk| pk == "first"));
    fixtures::edit_item(&client, "issues", &item.expect("it is there"), "later").await.expect("it is edited");
    let home = world.holdings("eu-west-1", "acme").await;
    replay(&world, &id, (&removal.id, Some(&shown.hash)), NoFailpoints).await;
    let edited = found(&of_service(&world, &id, ISSUES).await);
    assert_ne!(edited.hash, shown.hash);
    // By now something else has been found, and a hash is none of any other form.
    for (hash, code) in [(shown.hash.as_str(), "other_late_writes"), ("yes", "hash_invalid")] {
        let refused =
            replay_removal(&world.deployment, &removal.id, Accepted::late_writes(hash), &Actor::realmctl("test")).await;
        assert_eq!(refused.expect_err("it is refused").code(), code);
    }
    fixtures::write_item(&client, "issues", (INDEX_KEY, "acme#0"), "second").await.expect("it is written");
    replay(&world, &id, (&removal.id, Some(&edited.hash)), NoFailpoints).await;
    let again = found(&of_service(&world, &id, ISSUES).await);
    assert_eq!(counts(&again), [2, 0, 0]);
    assert_eq!(world.holdings("us-east-1", "acme").await.issues.len(), 42, "nothing was deleted");
    replay(&world, &id, (&removal.id, Some(&again.hash)), NoFailpoints).await;
    assert_eq!(of_service(&world, &id, ISSUES).await.state, "done");
    assert!(world.holdings("us-east-1", "acme").await.is_empty());
    assert_eq!(world.holdings("eu-west-1", "acme").await, home);
}

/// A removal that failed after some checkpoints of its deletes; the other services' are done.
async fn begun(world: &World, checkpoints: u32) -> (String, String) {
    let client = Arc::new(dynamodb_client(world.region("us-east-1")));
    let id = moved(world, move || {
        let client = Arc::clone(&client);
        async move {
            fixtures::write_item(&client, "issues", (INDEX_KEY, "acme#0"), "first").await.expect("it is written");
        }
    })
    .await;
    let removal = of_service(world, &id, ISSUES).await;
    let late = found(&removal);
    let injector = Injector::new(Target::task("remove", Moment::Written), Injected::FailForGood, 1).after(checkpoints);
    let by = Actor::realmctl("test");
    replay_removal(&world.deployment, &removal.id, Accepted::late_writes(&late.hash), &by)
        .await
        .expect("it is replayed");
    // One part after the other, so that the checkpoints that are counted are of one of them.
    let deployment = &world.deployment;
    let settings = RunnerSettings { tasks_at_once: 1, ..deployment.runner_settings() };
    let runner =
        Runner::new(deployment.store.clone(), workflows::registry(deployment), settings, deployment.owner.clone());
    World::run_by(runner.with_failpoints(injector.clone()), || world.has_ended(&id)).await;
    assert!(injector.struck() > 0, "{checkpoints}");
    let failed = of_service(world, &id, ISSUES).await;
    assert_eq!(failed.error.as_ref().map(|error| error.code.as_str()), Some("injected"), "{failed:?}");
    (id, failed.id)
}

async fn half_done(database: Database) {
    let world = World::new(database).await;
    // A part saves what it is about to delete, deletes it, and saves that.
    let (id, removal) = begun(&world, 2).await;
    let client = dynamodb_client(world.region("us-east-1"));
    let left = issues(&world, "us-east-1").await.len();
    assert!((1..40).contains(&left), "some of it is deleted: {left} left");
    fixtures::write_item(&client, "issues", (INDEX_KEY, "acme#0"), "weeks-later").await.expect("it is written");
    replay(&world, &id, (&removal, None), NoFailpoints).await;
    let late = found(&of_service(&world, &id, ISSUES).await);
    assert_eq!(
        (counts(&late), late.added.keys.as_slice()),
        ([1, 0, 0], ["pk=weeks-later, sk=late".to_owned()].as_slice())
    );
    assert_eq!(issues(&world, "us-east-1").await.len(), left + 1, "nothing more was deleted");
    replay(&world, &id, (&removal, Some(&late.hash)), NoFailpoints).await;
    assert!(world.holdings("us-east-1", "acme").await.is_empty());
}

async fn own_deletes(database: Database) {
    for checkpoints in [0, 1, 2] {
        let world = World::new(database).await;
        let (id, removal) = begun(&world, checkpoints).await;
        replay(&world, &id, (&removal, None), NoFailpoints).await;
        let done = of_service(&world, &id, ISSUES).await;
        assert_eq!(done.state, "done", "{checkpoints}: {done:?}");
        assert!(world.holdings("us-east-1", "acme").await.is_empty());
    }
}

async fn objects(database: Database) {
    let world = World::new(database).await;
    let keys: Vec<String> = world.holdings("us-east-1", "acme").await.media.into_keys().collect();
    let gone = format!("acme/{}", keys[1]);
    let (client, key) = (Arc::new(s3_client(world.region("us-east-1"))), gone.clone());
    let id = moved(&world, move || {
        let (client, key) = (Arc::clone(&client), key.clone());
        async move {
            fixtures::write_object(&client, "media-us-east-1", "acme/too-late", "x").await.expect("it is written");
            fixtures::delete_object(&client, "media-us-east-1", &key).await.expect("it is deleted");
        }
    })
    .await;
    let removal = of_service(&world, &id, "media-service").await;
    let late = found(&removal);
    assert_eq!(counts(&late), [1, 0, 1], "{late:?}");
    let all: Vec<_> = lines(&world, &removal).await.into_iter().map(|line| line.key).collect();
    assert_eq!(all, ["acme/too-late", gone.as_str()]);
    // Stopped before the first delete and after it.
    for checkpoints in [0, 1] {
        let injector =
            Injector::new(Target::task("remove", Moment::Written), Injected::FailForGood, 1).after(checkpoints);
        let again = of_service(&world, &id, "media-service").await;
        let hash = again.late_writes_found.map(|late| late.hash);
        replay(&world, &id, (&removal.id, hash.as_deref()), injector.clone()).await;
        let failed = of_service(&world, &id, "media-service").await;
        assert_eq!(failed.error.as_ref().map(|error| error.code.as_str()), Some("injected"), "{failed:?}");
    }
    replay(&world, &id, (&removal.id, None), NoFailpoints).await;
    assert_eq!(of_service(&world, &id, "media-service").await.state, "done");
    assert!(world.holdings("us-east-1", "acme").await.is_empty());
}
