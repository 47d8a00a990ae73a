//! Two names for one store are told before anything is done: what a removal would empty by the one name is what the tenant lives in by the
//! other. The tenant has no data yet, so that nothing else gives it away.

use std::collections::BTreeMap;
use std::sync::Arc;

use acceptance::failpoint_actions::{Interject, Target};
use acceptance::world::{Seed, TENANT};
use acceptance::{Database, World};
use engine::failpoints::{Moment, NoFailpoints};
use testkit::observe::{self, Items, ObservedObject};
use testkit::proxy::Proxy;
use testkit::region::s3_client;
use workflows::actor::Actor;
use workflows::removal::{Accepted, replay_removal};

on_both_databases!(two_names_of_one_table, one_table);
on_both_databases!(two_names_of_one_bucket, one_bucket);
on_both_databases!(buckets_of_one_name_in_two_stores_are_two, two_buckets);
on_both_databases!(an_address_that_is_led_to_the_live_copy_later_empties_nothing, led_elsewhere);
on_both_databases!(one_bucket_that_keeps_regions_apart_is_not_refused, one_bucket_two_prefixes);

const NOTHING: Seed = Seed { issues: 0, activity: 0, media: 0 };

async fn one_table(database: Database) {
    refused(database, Kind::Table).await;
}

async fn one_bucket(database: Database) {
    let world = refused(database, Kind::Bucket).await;
    let client = s3_client(world.region("us-east-1"));
    let markers = observe::bucket_objects(&client, BUCKET, "realmctl").await.expect("the bucket can be listed");
    assert!(markers.is_empty(), "{markers:?}");
}

/// One name of a bucket, for both regions: each has one of its own, unless one region's address leads to the other's.
const BUCKET: &str = "media-us-east-1";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Table,
    Bucket,
}

/// The second region's address is a front of the first's.
async fn refused(database: Database, kind: Kind) -> World {
    let front = Proxy::start(None).await.expect("a free port");
    let alias = format!("http://127.0.0.1:{}", front.port());
    let world = World::with_topology(database, NOTHING, |yaml| {
        let lines = yaml.lines().map(|line| match line.strip_prefix("  eu-west-1: ") {
            Some(_) => readdressed(line, kind, &alias),
            None => line.replace("media-{region}", BUCKET),
        });
        lines.collect::<Vec<_>>().join("\n")
    })
    .await;
    let first = world.region("us-east-1");
    let endpoint = if kind == Kind::Table { first.dynamodb_endpoint() } else { first.s3_endpoint() };
    lead(&front, endpoint);
    let before = world.tenant().await;
    let view = world.run_move("eu", NoFailpoints).await;
    let error = view.error.expect("why");
    assert_eq!((view.state.as_str(), error.code.as_str()), ("failed", "same_store"), "{error:?}");
    assert!(error.message.contains("one and the same") && error.message.contains("endpoints"), "{error:?}");
    let after = world.tenant().await;
    assert_eq!((after.epoch, after.id.as_str()), (before.epoch, TENANT), "it never went offline");
    world
}

async fn two_buckets(database: Database) {
    let world = World::with_topology(database, NOTHING, |yaml| yaml.replace("media-{region}", BUCKET)).await;
    let target = s3_client(world.region("eu-west-1"));
    target.create_bucket().bucket(BUCKET).send().await.expect("a bucket is made");
    assert_eq!(world.run_move("eu", NoFailpoints).await.state, "completed");
}

async fn one_bucket_two_prefixes(database: Database) {
    let front = Proxy::start(None).await.expect("a free port");
    let alias = format!("http://127.0.0.1:{}", front.port());
    let world = World::with_topology(database, NOTHING, |yaml| {
        let lines = yaml.lines().map(|line| match line.strip_prefix("  eu-west-1: ") {
            Some(_) => readdressed(line, Kind::Bucket, &alias),
            None => line.replace("media-{region}", BUCKET).replace("{tenant}/", "{region}/{tenant}/"),
        });
        lines.collect::<Vec<_>>().join("\n")
    })
    .await;
    lead(&front, world.region("us-east-1").s3_endpoint());
    assert_eq!(world.run_move("eu", NoFailpoints).await.state, "completed");
}

/// After the switch the address of what was left leads to where the tenant lives: all that is there is as it was verified.
async fn led_elsewhere(database: Database) {
    let fronts = [Proxy::start(None).await.expect("a free port"), Proxy::start(None).await.expect("a free port")];
    let fronts = Arc::new(fronts);
    let aliases = fronts.as_ref().each_ref().map(|front| format!("http://127.0.0.1:{}", front.port()));
    let world = World::with_topology(database, Seed::SMALL, |yaml| {
        let lines = yaml.lines().map(|line| match line.strip_prefix("  us-east-1: ") {
            Some(_) => readdressed(&readdressed(line, Kind::Table, &aliases[0]), Kind::Bucket, &aliases[1]),
            None => line.replace("media-{region}", BUCKET),
        });
        lines.collect::<Vec<_>>().join("\n")
    })
    .await;
    let endpoints = |region: &str| {
        let region = world.region(region);
        [region.dynamodb_endpoint().to_owned(), region.s3_endpoint().to_owned()]
    };
    let lead_to = |region: &str| lead_both(&fronts, &endpoints(region));
    let target = s3_client(world.region("eu-west-1"));
    target.create_bucket().bucket(BUCKET).send().await.expect("a bucket is made");
    lead_to("us-east-1");
    let moved = held(&world, "us-east-1").await;
    let id = world.start_move("eu").await;
    let elsewhere = {
        let (fronts, endpoints) = (Arc::clone(&fronts), endpoints("eu-west-1"));
        Interject::new(Target::step("removal", "waiting", Moment::Before), move || {
            lead_both(&fronts, &endpoints);
            async {}
        })
    };
    world.run_until(elsewhere.clone(), || async { elsewhere.has_ended() }).await;
    assert_eq!(world.tenant().await.realm, "eu");
    let ended = |state: &'static str| {
        let (world, id) = (&world, &id);
        move || async move { world.removals(id).await.iter().all(|removal| removal.state == state) }
    };
    world.run_until(NoFailpoints, ended("failed")).await;
    for removal in world.removals(&id).await {
        assert_eq!(removal.error.expect("why").code, "same_store");
    }
    assert_eq!(held(&world, "eu-west-1").await, moved, "nothing is deleted");

    lead_to("us-east-1");
    for removal in world.removals(&id).await {
        replay_removal(&world.deployment, &removal.id, Accepted::NOTHING, &Actor::realmctl("test"))
            .await
            .expect("it is replayed");
    }
    world.run_until(NoFailpoints, ended("done")).await;
    let (issues, activity, media) = held(&world, "us-east-1").await;
    assert_eq!((issues.len(), activity.len(), media.len()), (0, 0, 0), "what was left is empty");
    assert_eq!(held(&world, "eu-west-1").await, moved);
}

async fn held(world: &World, region: &str) -> (Items, Items, BTreeMap<String, ObservedObject>) {
    let held = world.holdings(region, TENANT).await;
    let media = observe::bucket_objects(&s3_client(world.region(region)), BUCKET, "acme/").await;
    (held.issues, held.activity, media.expect("the bucket can be listed"))
}

fn lead(front: &Proxy, endpoint: &str) {
    front.set_target(Some(endpoint.trim_start_matches("http://").trim_end_matches('/').parse().expect("an address")));
}

fn lead_both(fronts: &[Proxy; 2], endpoints: &[String; 2]) {
    for (front, endpoint) in fronts.iter().zip(endpoints) {
        lead(front, endpoint);
        front.cut();
    }
}

/// The line of a region with another address for one kind of store.
fn readdressed(line: &str, kind: Kind, alias: &str) -> String {
    let mut parts: Vec<&str> = line.split('"').collect();
    let at = if kind == Kind::Table { 1 } else { 3 };
    parts[at] = alias;
    parts.join("\"")
}
