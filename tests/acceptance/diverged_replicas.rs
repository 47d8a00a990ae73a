//! P5: a replica that is left is emptied only if everything in it is known to be in a copy that stays.
//! Replicas that have diverged stop the move, whichever of them lacks something, and say in which keys.

use acceptance::world::Seed;
use acceptance::{Database, World};
use catalogue::ledger::EntryState;
use engine::failpoints::NoFailpoints;
use testkit::fixtures::{seed_items, seed_objects};
use testkit::region::{dynamodb_client, s3_client};
use workflows::realm_move::MoveView;

on_both_databases!(items_that_only_a_left_sync_replica_has_stop_the_move, sync_items);
on_both_databases!(objects_that_only_a_left_sync_replica_has_stop_the_move, sync_objects);
on_both_databases!(items_that_only_a_left_async_replica_has_stop_the_move, async_items);
on_both_databases!(objects_that_only_a_left_async_replica_has_stop_the_move, async_objects);

const SEED: Seed = Seed { issues: 0, activity: 40, media: 40 };

/// The activity table and the media bucket, both replicated by the application.
fn replicated(yaml: &str, consistency: &str) -> String {
    let services = yaml.find("services:").expect("the topology has services");
    let media = yaml.find("  media-service:").expect("the topology has the media service");
    let activity = yaml.find("  activity-service:").expect("the topology has the activity service");
    let media = yaml[media..activity].replacen("  media-service:\n", REPLICATED_MEDIA, 1);
    let wide = "      - { shard: media-global, dataRegions: [us-east-1, eu-west-1] }\n";
    let yaml = format!("{}services:\n{media}{wide}{}", &yaml[..services], &yaml[activity..]);
    yaml.replace("consistency: sync", &format!("consistency: {consistency}"))
}

const REPLICATED_MEDIA: &str = "  media-service:\n    replication: application\n    consistency: sync\n";

/// What has diverged.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Items,
    Objects,
}

async fn sync_items(database: Database) {
    diverged(database, "sync", Kind::Items).await;
}

async fn sync_objects(database: Database) {
    diverged(database, "sync", Kind::Objects).await;
}

async fn async_items(database: Database) {
    diverged(database, "async", Kind::Items).await;
}

async fn async_objects(database: Database) {
    diverged(database, "async", Kind::Objects).await;
}

async fn diverged(database: Database, consistency: &str, kind: Kind) {
    let world = World::with_topology(database, SEED, |yaml| replicated(&yaml, consistency)).await;
    let data = world.holdings("us-east-1", "acme").await;
    let wide = world.run_move("global", NoFailpoints).await;
    assert_eq!(wide.state, "completed", "{wide:?}");
    for (lacking, realm, full) in [("eu-west-1", "eu", "us-east-1"), ("us-east-1", "us", "eu-west-1")] {
        let lost = forget_three(&world, lacking, kind).await;
        let epoch = world.tenant().await.epoch;
        let refused = world.run_move(realm, NoFailpoints).await;
        is_refused(&refused, consistency, &lost);
        assert_eq!(world.holdings(full, "acme").await, data, "nothing was deleted");
        assert!(world.full_entries().await.iter().all(|entry| entry.state == EntryState::Live));
        let changes = if refused.state == "failed" { 0 } else { 2 };
        assert_eq!(world.tenant().await.epoch, epoch + changes);
        refill(&world, lacking).await;
    }
    let narrow = world.run_move("eu", NoFailpoints).await;
    assert_eq!(narrow.state, "completed", "the way on: the replica was repaired: {narrow:?}");
    assert!(narrow.removals.iter().all(|removal| removal.state == "done"), "{narrow:?}");
    // The left replica against the one that stays; or, if replicas may lag, that one against the primary.
    let shown = if consistency == "sync" { "us-east-1" } else { "eu-west-1" };
    let compared = narrow.verification.parts.iter().filter(|part| part.location == shown);
    let (items, objects) = compared.fold((0, 0), |sum, part| (sum.0 + part.items, sum.1 + part.objects));
    assert_eq!((items, objects), (40, data.media.len() as u64), "the move shows what was compared");
    assert!(world.holdings("us-east-1", "acme").await.is_empty());
    assert_eq!(world.holdings("eu-west-1", "acme").await, data);
}

fn is_refused(view: &MoveView, consistency: &str, lost: &[String]) {
    assert_eq!(view.state, if consistency == "sync" { "failed" } else { "rolled_back" }, "{view:?}");
    let error = view.error.as_ref().expect("why");
    // A replica that may lag is held against the primary in both directions before that.
    let codes =
        if consistency == "sync" { &["replica_diverged"][..] } else { &["replica_diverged", "verify_mismatch"] };
    assert!(codes.contains(&error.code.as_str()), "{error:?}");
    assert!(lost.iter().any(|key| error.message.contains(key)), "{lost:?} in {}", error.message);
    assert!(view.removals.is_empty(), "{view:?}");
}

/// Deletes three behind everyone's back; returns their keys.
async fn forget_three(world: &World, region: &str, kind: Kind) -> Vec<String> {
    let (at, holdings) = (world.region(region), world.holdings(region, "acme").await);
    match kind {
        Kind::Items => {
            let client = dynamodb_client(at);
            let mut keys = Vec::new();
            for item in holdings.activity.values().take(3) {
                let delete = client.delete_item().table_name("activity");
                let delete = delete.key("pk", item["pk"].clone()).key("sk", item["sk"].clone());
                delete.send().await.expect("it is deleted");
                keys.push(item["pk"].as_s().expect("a text").clone());
            }
            keys
        }
        Kind::Objects => {
            let client = s3_client(at);
            let keys: Vec<String> = holdings.media.keys().take(3).cloned().collect();
            for key in &keys {
                let delete = client.delete_object().bucket(format!("media-{region}")).key(format!("acme/{key}"));
                delete.send().await.expect("it is deleted");
            }
            keys
        }
    }
}

/// Writes everything again, as it was.
async fn refill(world: &World, region: &str) {
    let at = world.region(region);
    seed_items(at, "activity", "tenant_shard", "acme", 1, SEED.activity, 8).await.expect("activity is seeded");
    let seeded = seed_objects(at, &format!("media-{region}"), "acme/", SEED.media, 9).await;
    seeded.expect("media is seeded");
}
