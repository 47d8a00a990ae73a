//! P8, P9: a bucket whose objects are divided into parts by ranges of keys. `kill -9` in the middle of one part, and the move ends
//! with exactly what there was, and nothing left behind.

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;

use acceptance::child::{ChildOptions, run_if_child, run_to_orders};
use acceptance::failpoint_actions::Target;
use acceptance::world::{Holdings, Seed, TENANT, deploy_with_parts_of};
use acceptance::{Database, World};
use engine::failpoints::{Moment, NoFailpoints};
use engine::{TaskRecord, TaskStatus};

/// Objects of the tenant, and how many of them are worth a part.
const OBJECTS: usize = 19;
const OBJECTS_A_PART: u64 = 5;
const PARTS: usize = 4;

/// Not a test of its own: the entry of the child process that is killed. Without options it ends at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    run_if_child().await;
}

on_both_databases!(killed_in_the_middle_of_a_part, killed_in_a_part);

/// Of the usual topology, the service with a bucket alone.
fn only_media(yaml: &str) -> String {
    let (before, services) = yaml.split_once("services:\n").expect("it lists services");
    let (_, media) = services.split_once("  media-service:").expect("media is one of them");
    let (media, _) = media.split_once("  activity-service:").expect("another comes after it");
    format!("{before}services:\n  media-service:{media}")
}

/// Back and forth, each time with a process that is killed on the way.
async fn killed_in_a_part(database: Database) {
    let seed = Seed { issues: 0, activity: 0, media: OBJECTS };
    let mut world = World::with_topology(database, seed, |yaml| only_media(&yaml)).await;
    world.deployment = deploy_with_parts_of(&world.store_url, OBJECTS_A_PART).await;
    let (data, neighbour) = (world.holdings("us-east-1", TENANT).await, world.neighbour().await);
    assert_eq!(data.media.len(), OBJECTS);

    let ways = [("eu", "eu-west-1", "us-east-1"), ("us", "us-east-1", "eu-west-1")];
    // A part has saved some objects, is done, or is one of several that are read back; the removal has begun.
    let points = [
        ("copy", Moment::Written, 0),
        ("copy", Moment::Written, 7),
        ("copy", Moment::Recorded, 1),
        ("verify", Moment::Written, 5),
        ("compare", Moment::Recorded, 1),
        ("remove", Moment::Written, 0),
    ];
    for ((kind, moment, passes), (to, home, away)) in points.into_iter().zip(ways.into_iter().cycle()) {
        let id = world.start_move(to).await;
        let target = Target::task(kind, moment);
        let what = format!("{target:?} after {passes}");
        let (store, objects_a_part) = (world.store_url.clone(), OBJECTS_A_PART);
        let orders = ChildOptions { store, target, passes, fail_at: None, objects_a_part };
        let status = run_to_orders(&orders, "divided_bucket::child").await;
        assert_eq!(status.signal(), Some(9), "{what}: the child was not killed but ended with {status}");
        if kind == "copy" {
            are_ranges(&copies(&world, &id).await, moment, &what);
        }
        world.run_until(NoFailpoints, || world.has_ended(&id)).await;

        let view = world.view(&id).await;
        assert_eq!(view.state, "completed", "{what}");
        assert!(view.removals.iter().all(|removal| removal.state == "done"), "{what}: {:?}", view.removals);
        assert_eq!(world.holdings(home, TENANT).await, data, "{what}: in {home}");
        assert_eq!(world.holdings(away, TENANT).await, nothing(), "{what}: {away} is emptied");
        assert_eq!(world.neighbour().await, neighbour, "{what}");
        world.no_task_is_left(&id).await;
    }
}

fn nothing() -> Holdings {
    Holdings { issues: [].into(), activity: [].into(), media: [].into(), uploads: 0 }
}

async fn copies(world: &World, id: &str) -> Vec<TaskRecord> {
    let mut tx = world.deployment.store.read().await.expect("a read begins");
    let tasks = engine::tables::task_table::of_workflow(&mut tx, id).await.expect("tasks can be listed");
    tx.rollback().await.expect("a read ends");
    tasks.into_iter().filter(|task| task.kind == "copy").collect()
}

/// A task for each range of keys; killed at a checkpoint, one is in its middle.
fn are_ranges(copies: &[TaskRecord], moment: Moment, what: &str) {
    let parts: BTreeSet<u64> = copies.iter().filter_map(|task| task.input["part"].as_u64()).collect();
    assert_eq!(parts, (0..PARTS as u64).collect(), "{what}: {copies:?}");
    let bounds = |task: &TaskRecord| task.input["bounds"].as_array().map_or(0, Vec::len);
    assert!(copies.iter().all(|task| bounds(task) == PARTS - 1), "{what}: {copies:?}");
    let in_the_middle = |task: &TaskRecord| task.checkpoint.is_some() && task.status != TaskStatus::Done;
    assert!(moment == Moment::Recorded || copies.iter().any(in_the_middle), "{what}: {copies:?}");
}
