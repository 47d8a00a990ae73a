//! P8 where items expire (TTL): what has expired counts as absent, whether the store has deleted it or not; what lives is moved.

use std::time::{SystemTime, UNIX_EPOCH};

use acceptance::{Database, World};
use aws_sdk_dynamodb::types::{AttributeValue, TimeToLiveSpecification};
use catalogue::ledger::EntryState;
use catalogue::tenants::TenantStatus;
use engine::StepError;
use engine::failpoints::{Failpoint, Failpoints, Moment, NoFailpoints};
use testkit::region::dynamodb_client;

on_both_databases!(items_that_expire_are_moved_while_they_live, expiring);
on_both_databases!(tables_that_expire_their_items_otherwise_stay_apart, otherwise);

const DAY: u64 = 24 * 60 * 60;

async fn expire_by(world: &World, region: &str, attribute: &str) {
    let client = dynamodb_client(world.region(region));
    let by = TimeToLiveSpecification::builder().attribute_name(attribute).enabled(true).build().expect("a setting");
    let set = client.update_time_to_live().table_name("issues").time_to_live_specification(by).send().await;
    set.expect("the time to live is set");
}

async fn put(world: &World, pk: &str, until: u64) {
    let client = dynamodb_client(world.region("us-east-1"));
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let put = client.put_item().table_name("issues").item("pk", text(pk)).item("sk", text("session"));
    let put = put.item("tenant_shard", text("acme#1")).item("until", AttributeValue::N(until.to_string()));
    put.send().await.expect("it is written");
}

/// The stores delete what has expired whenever a task begins.
struct Sweeps(Vec<testkit::region::Sweeper>);

impl Failpoints for Sweeps {
    fn step(&self, _: Failpoint<'_>) -> Result<(), StepError> {
        Ok(())
    }

    fn task(&self, point: Failpoint<'_>) -> Result<(), StepError> {
        if point.moment == Moment::Before {
            for sweeper in &self.0 {
                tokio::task::block_in_place(|| sweeper.delete_expired()).expect("the store deletes");
            }
        }
        Ok(())
    }
}

async fn expiring(database: Database) {
    let world = World::new(database).await;
    for region in ["us-east-1", "eu-west-1"] {
        expire_by(&world, region, "until").await;
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is late").as_secs();
    for n in 0..4 {
        put(&world, &format!("lives-{n}"), now + 100 + n).await; // Not until the offline deadline.
        put(&world, &format!("stays-{n}"), now + DAY + n).await;
    }
    let lives = world.holdings("us-east-1", "acme").await;
    for n in 0..4 {
        put(&world, &format!("expired-{n}"), now - 1_000 - n).await;
    }
    let sweeps = Sweeps(world.regions.iter().map(testkit::Region::sweeper).collect());
    let done = world.run_move("eu", sweeps).await;
    assert_eq!((done.state.as_str(), done.verified), ("completed", true), "{done:?}");
    assert_eq!(world.holdings("eu-west-1", "acme").await, lives, "all that lives, and nothing else");

    // And back, with what has expired still there: it is left behind by no removal.
    let client = dynamodb_client(world.region("eu-west-1"));
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let put = client.put_item().table_name("issues").item("pk", text("expired")).item("sk", text("session"));
    let put = put.item("tenant_shard", text("acme#1")).item("until", AttributeValue::N((now - 1_000).to_string()));
    put.send().await.expect("it is written");
    let done = world.run_move("us", NoFailpoints).await;
    assert_eq!(done.state, "completed", "{done:?}");
    assert_eq!(world.holdings("us-east-1", "acme").await, lives);
    assert!(world.holdings("eu-west-1", "acme").await.is_empty());
    let at = ("issue-service".to_owned(), "eu-west-1".to_owned());
    assert_eq!(world.entries().await[&at], EntryState::Absent);
}

async fn otherwise(database: Database) {
    let world = World::new(database).await;
    expire_by(&world, "us-east-1", "until").await;
    let before = world.holdings("us-east-1", "acme").await;
    let done = world.run_move("eu", NoFailpoints).await;
    let error = done.error.clone().expect("why");
    assert_eq!((done.state.as_str(), error.code.as_str()), ("failed", "expiry_mismatch"), "{done:?}");
    assert!(error.message.contains("`until`") && error.message.contains("eu-west-1"), "{}", error.message);
    assert_eq!(world.tenant().await.status, TenantStatus::Online);
    assert_eq!(world.holdings("us-east-1", "acme").await, before);
}
