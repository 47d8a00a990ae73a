//! Design 5, "Replicated stores": a tenant enters, leaves and goes between shards whose regions replicate by
//! the stores themselves. What is moved is written once, verified in each region that is added, deleted once
//! and proved absent in each that is left; links that lead elsewhere are refused before anything has changed.
//! In three regions, tables and buckets alike.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use acceptance::failpoint_actions::{Interject, Target};
use acceptance::{Database, World, timing, world};
use catalogue::ledger::EntryState;
use engine::failpoints::{Moment, NoFailpoints};
use testkit::fixtures::{self, seed_items, seed_objects};
use testkit::observe::{self, Items, ObservedObject};
use testkit::region::{dynamodb_client, s3_client};
use testkit::replication::{ReplicatedBuckets, replicate_table};
use testkit::{Ports, Region, RequestAge, Storage};
use workers::Settings;
use workflows::realm_move::MoveView;

on_both_databases!(a_tenant_enters_leaves_and_goes_between_replica_sets, there_and_back);
on_both_databases!(a_link_out_of_the_new_shard_is_refused_before_anything_is_written, link_out);
on_both_databases!(a_replica_set_of_which_a_member_stays_is_not_taken_apart, member_stays);
on_both_databases!(a_shard_that_should_replicate_and_does_not_is_refused, not_linked);
on_both_databases!(replication_that_does_not_arrive_turns_the_move_back, behind);
on_both_databases!(a_table_that_was_linked_to_where_the_data_lives_is_not_emptied, linked_later);

const US: &str = "us-east-1";
const EU: &str = "eu-west-1";
const AP: &str = "ap-south-1";
const REGIONS: [&str; 3] = [US, EU, AP];

/// Shards: a name, which is also that of the table and of the buckets, and its regions.
const SHARDS: [(&str, &[&str]); 4] =
    [("single", &[US]), ("world", &[EU, US, AP]), ("eurasia", &[EU, AP]), ("solo", &[AP])];

const ITEMS: usize = 30;
const OBJECTS: usize = 12;

/// Realms of the shards' names. `extra` lines stand at the end of each service's shards.
fn topology(regions: &[Region], extra: &str) -> String {
    let mut yaml = String::from("regions:\n");
    for region in regions {
        let (name, dynamodb, s3) = (region.name(), region.dynamodb_endpoint(), region.s3_endpoint());
        writeln!(yaml, "  {name}: {{ dynamodb: {{ endpoint: \"{dynamodb}\" }}, s3: {{ endpoint: \"{s3}\" }} }}")
            .expect("text");
    }
    yaml.push_str("realms:\n");
    for (name, regions) in SHARDS {
        writeln!(yaml, "  {name}: {{ dataRegions: [{}] }}", regions.join(", ")).expect("text");
    }
    yaml.push_str("services:\n  profiles:\n    replication: native\n    store: { dynamodb: { table: unused, ");
    yaml.push_str("index: by-tenant, indexKey: tenant_shard, shardCount: 2 } }\n    shards:\n");
    for (name, regions) in SHARDS {
        let table =
            format!("{{ dynamodb: {{ table: {name}, index: by-tenant, indexKey: tenant_shard, shardCount: 2 }} }}");
        writeln!(yaml, "      - {{ shard: profiles-{name}, dataRegions: [{}], store: {table} }}", regions.join(", "))
            .expect("text");
    }
    yaml.push_str(extra);
    yaml.push_str("  media:\n    replication: native\n    store: { s3: { bucket: \"unused-{region}\", prefix: \"{tenant}/\" } }\n    shards:\n");
    for (name, regions) in SHARDS {
        let bucket = format!("{{ s3: {{ bucket: \"{name}-{{region}}\", prefix: \"{{tenant}}/\" }} }}");
        writeln!(yaml, "      - {{ shard: media-{name}, dataRegions: [{}], store: {bucket} }}", regions.join(", "))
            .expect("text");
    }
    yaml
}

/// Three regions with all tables and buckets; those of a shard replicate to each other after `delay`, if
/// there is one.
async fn regions(delay: Option<Duration>) -> (Vec<Region>, Vec<ReplicatedBuckets>) {
    let start = |name: &&str| Region::start_accepting(name, Storage::Memory, Ports::Any, RequestAge::AWS);
    let regions: Vec<Region> = REGIONS.iter().map(|name| start(name).expect("a region starts")).collect();
    let mut buckets = Vec::new();
    for (name, of_shard) in SHARDS {
        let mut members = Vec::new();
        for at in of_shard.iter().map(|name| find(&regions, name)) {
            let table = fixtures::create_table(&dynamodb_client(at), name, "by-tenant", "tenant_shard").await;
            table.expect("a table is made");
            let bucket = fixtures::create_bucket(&s3_client(at), &format!("{name}-{}", at.name())).await;
            bucket.expect("a bucket is made");
            members.push(at);
        }
        if let Some(delay) = delay.filter(|_| members.len() > 1) {
            replicate_table(&members, name, delay).expect("the tables are linked");
            buckets.push(ReplicatedBuckets::start(&members, name, delay).await.expect("the buckets are linked"));
        }
    }
    (regions, buckets)
}

fn find<'a>(regions: &'a [Region], name: &str) -> &'a Region {
    regions.iter().find(|region| region.name() == name).expect("one of the three")
}

const SOON: Option<Duration> = Some(Duration::from_millis(60));

/// The tenant, with data on the shards `single`.
async fn world(database: Database, regions: Vec<Region>, extra: &str) -> World {
    let yaml = topology(&regions, extra);
    let world = World::on_regions(database, regions, &yaml, "single").await;
    let us = world.region(US);
    seed_items(us, "single", "tenant_shard", "acme", 2, ITEMS, 7).await.expect("items are seeded");
    seed_objects(us, "single-us-east-1", "acme/", OBJECTS, 9).await.expect("objects are seeded");
    world
}

type Held = (Items, BTreeMap<String, ObservedObject>);

/// What a region holds on a shard.
async fn held(world: &World, region: &str, shard: &str) -> Held {
    let at = world.region(region);
    let items = observe::tenant_items(&dynamodb_client(at), shard, "tenant_shard", "acme").await.expect("items");
    let objects =
        observe::bucket_objects(&s3_client(at), &format!("{shard}-{region}"), "acme/").await.expect("objects");
    (items, objects)
}

fn nothing() -> Held {
    (Items::new(), BTreeMap::new())
}

/// Moves, and finds the data in every region of the shard and nowhere else.
async fn goes_to(world: &World, to: &str, data: &Held) -> MoveView {
    let done = world.run_move(to, NoFailpoints).await;
    assert_eq!(done.state, "completed", "{done:?}");
    assert!(
        done.removals.iter().all(|removal| removal.state == "done"),
        "{done:?}: {:?}",
        world.removals(&done.id).await
    );
    let written = (done.copied.items, done.copied.objects);
    assert_eq!(written, (data.0.len() as u64, data.1.len() as u64), "written once, however many regions: {done:?}");
    for (shard, regions) in SHARDS {
        for region in regions {
            let expected = if shard == to { data.clone() } else { nothing() };
            assert!(held(world, region, shard).await == expected, "{shard} in {region} after the move to {to}");
        }
    }
    for (shard, regions) in SHARDS.iter().filter(|(shard, _)| *shard == to) {
        for region in *regions {
            let parts = done.verification.parts.iter().filter(|part| part.location.starts_with(region));
            let items: u64 = parts.map(|part| part.items).sum();
            assert!(items >= data.0.len() as u64, "{shard} in {region} was read back: {:?}", done.verification);
        }
    }
    let live = world.full_entries().await.into_iter().filter(|entry| entry.state != EntryState::Absent).count();
    let wanted = SHARDS.iter().find(|(shard, _)| *shard == to).map_or(0, |(_, regions)| regions.len() * 2);
    assert_eq!(live, wanted, "{:?}", world.full_entries().await);
    done
}

async fn there_and_back(database: Database) {
    let (regions, _buckets) = regions(SOON).await;
    let world = world(database, regions, "").await;
    let data = held(&world, US, "single").await;
    assert_eq!(data.0.len(), ITEMS);
    assert!(!data.1.is_empty());
    goes_to(&world, "world", &data).await;
    goes_to(&world, "eurasia", &data).await;
    goes_to(&world, "single", &data).await;
}

/// Asserts that a move was refused before the tenant was offline, and that nothing has changed anywhere.
async fn is_refused(world: &World, to: &str, code: &str, before: (&str, &str, &Held)) {
    let epoch = world.tenant().await.epoch;
    let refused = world.run_move(to, NoFailpoints).await;
    let error = refused.error.as_ref().expect("why");
    assert_eq!((refused.state.as_str(), error.code.as_str()), ("failed", code), "{refused:?}");
    assert_eq!(world.tenant().await.epoch, epoch);
    let (region, shard, data) = before;
    assert!(held(world, region, shard).await == *data, "nothing was deleted");
}

async fn link_out(database: Database) {
    let (regions, _buckets) = regions(SOON).await;
    // A third replica of the table, in a region that the shard does not name.
    let us = find(&regions, US);
    let table = fixtures::create_table(&dynamodb_client(us), "eurasia", "by-tenant", "tenant_shard").await;
    table.expect("a table is made");
    replicate_table(&[find(&regions, EU), us], "eurasia", Duration::from_millis(60)).expect("it is linked");
    let world = world(database, regions, "").await;
    let data = held(&world, US, "single").await;
    is_refused(&world, "eurasia", "replicated_store", (US, "single", &data)).await;
    let there = observe::tenant_items(&dynamodb_client(world.region(US)), "eurasia", "tenant_shard", "acme").await;
    assert!(there.expect("items").is_empty(), "nothing was written");
    assert!(held(&world, EU, "eurasia").await == nothing());
}

/// A shard of one region on the table that replicates to three: leaving the other two would delete in all
/// three.
async fn member_stays(database: Database) {
    let (regions, _buckets) = regions(SOON).await;
    let yaml = topology(&regions, "");
    let own = "profiles-solo, dataRegions: [ap-south-1], store: { dynamodb: { table: solo,";
    assert!(yaml.contains(own), "{yaml}");
    let yaml = yaml.replace(own, &own.replace("table: solo", "table: world"));
    let world = World::on_regions(database, regions, &yaml, "world").await;
    for region in REGIONS {
        let at = world.region(region);
        seed_items(at, "world", "tenant_shard", "acme", 2, ITEMS, 7).await.expect("items are seeded");
    }
    let data = held(&world, EU, "world").await;
    is_refused(&world, "solo", "replicated_store", (EU, "world", &data)).await;
    assert!(held(&world, AP, "world").await == data && held(&world, US, "world").await == data);
}

async fn not_linked(database: Database) {
    let (regions, _buckets) = regions(None).await;
    let world = world(database, regions, "").await;
    let data = held(&world, US, "single").await;
    is_refused(&world, "eurasia", "not_replicated", (US, "single", &data)).await;
}

async fn behind(database: Database) {
    let (regions, _buckets) = regions(Some(Duration::from_secs(3_600))).await;
    let mut world = world(database, regions, "").await;
    let impatient = Settings { replication_wait: Duration::from_secs(2), ..world::settings(&timing::short()) };
    world.deployment.movers = world::movers(impatient);
    let data = held(&world, US, "single").await;
    let back = world.run_move("eurasia", NoFailpoints).await;
    let error = back.error.as_ref().expect("why");
    assert_eq!((back.state.as_str(), error.code.as_str()), ("rolled_back", "replica_behind"), "{back:?}");
    assert!(error.message.contains("missing"), "it names keys: {}", error.message);
    assert!(back.removals.iter().all(|removal| removal.state == "done"), "{back:?}");
    assert!(held(&world, EU, "eurasia").await == nothing(), "what had been written is removed");
    assert!(held(&world, US, "single").await == data);
}

/// Linked after the switch, so that only the removal can see it.
async fn linked_later(database: Database) {
    let (regions, _buckets) = regions(None).await;
    let solo = find(&regions, AP);
    let table = fixtures::create_table(&dynamodb_client(solo), "single", "by-tenant", "tenant_shard").await;
    table.expect("a table is made");
    let yaml = topology(&regions, "");
    let own = "profiles-solo, dataRegions: [ap-south-1], store: { dynamodb: { table: solo,";
    let yaml = yaml.replace(own, &own.replace("table: solo", "table: single"));
    let world = std::sync::Arc::new(World::on_regions(database, regions, &yaml, "single").await);
    seed_items(world.region(US), "single", "tenant_shard", "acme", 2, ITEMS, 7).await.expect("items are seeded");
    let data = held(&world, US, "single").await.0;
    let linking = std::sync::Arc::clone(&world);
    let link = Interject::new(Target::step("removal", "waiting", Moment::Before), move || {
        let world = std::sync::Arc::clone(&linking);
        async move {
            let members = [world.region(US), world.region(AP)];
            replicate_table(&members, "single", Duration::from_millis(20)).expect("it is linked");
        }
    });
    let view = world.run_move("solo", link).await;
    let removals = world.removals(&view.id).await;
    let failed = removals.iter().find(|removal| removal.service == "profiles").expect("it is queued");
    let error = failed.error.as_ref().expect("why");
    assert_eq!((failed.state.as_str(), error.code.as_str()), ("failed", "replicated_store"), "{failed:?}");
    let at = |region| dynamodb_client(world.region(region));
    for region in [US, AP] {
        let items = observe::tenant_items(&at(region), "single", "tenant_shard", "acme").await.expect("items");
        assert!(items == data, "nothing was deleted in {region}");
    }
}
