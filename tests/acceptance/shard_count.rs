//! P8: a service that comes to write under more values than `shardCount` says while a move is under way loses nothing: the move
//! finds its items, names them, and rolls back.

use std::sync::{Arc, Mutex};

use acceptance::failpoint_actions::{Interject, Target};
use acceptance::{Database, World};
use catalogue::tenants::TenantStatus;
use engine::StepError;
use engine::failpoints::{Failpoint, Failpoints, Moment};
use testkit::fixtures;
use testkit::region::dynamodb_client;

on_both_databases!(items_beyond_the_shard_count_that_come_after_preflight_turn_the_move_back, before_the_drain);
on_both_databases!(items_beyond_the_shard_count_that_come_after_the_copy_turn_the_move_back, after_the_copy);

async fn write(client: &aws_sdk_dynamodb::Client, value: &str) {
    fixtures::write_item(client, "issues", ("tenant_shard", value), "new-shard").await.expect("it is written");
}

/// Runs the move, which must roll back and leave everything where it was, with the new item.
async fn goes_back(world: &World, failpoints: impl Failpoints) {
    let before = world.holdings("us-east-1", "acme").await;
    let done = world.run_move("eu", failpoints).await;
    let error = done.error.clone().expect("a move that rolled back says why");
    assert_eq!((done.state.as_str(), error.code.as_str()), ("rolled_back", "shard_count_too_small"), "{done:?}");
    let named = "pk=new-shard, sk=late, under `acme#12`";
    assert!(error.message.contains(named) && error.message.contains("shardCount is 2"), "{}", error.message);
    let tenant = world.tenant().await;
    assert_eq!((tenant.status, tenant.realm.as_str()), (TenantStatus::Online, "us"));
    let after = world.holdings("us-east-1", "acme").await;
    assert_eq!(after.issues.len(), before.issues.len() + 1, "the new item is where it was written");
    assert!(world.holdings("eu-west-1", "acme").await.is_empty());
}

async fn before_the_drain(database: Database) {
    let world = World::new(database).await;
    let client = Arc::new(dynamodb_client(world.region("us-east-1")));
    let deploy = Interject::new(Target::step("move", "offline", Moment::Before), move || {
        let client = Arc::clone(&client);
        async move { write(&client, "acme#12").await }
    });
    goes_back(&world, deploy).await;
}

/// Writes once, before any verification has begun: those that come at the same time wait.
#[derive(Clone)]
struct BeforeVerification(Arc<Mutex<Option<aws_sdk_dynamodb::Client>>>);

impl Failpoints for BeforeVerification {
    fn step(&self, _: Failpoint<'_>) -> Result<(), StepError> {
        Ok(())
    }

    fn task(&self, point: Failpoint<'_>) -> Result<(), StepError> {
        if (point.kind, point.moment) == ("verify", Moment::Before) {
            tokio::task::block_in_place(|| {
                let mut client = self.0.lock().expect("no holder of this lock panics");
                if let Some(client) = client.take() {
                    tokio::runtime::Handle::current().block_on(write(&client, "acme#12"));
                }
            });
        }
        Ok(())
    }
}

async fn after_the_copy(database: Database) {
    let world = World::new(database).await;
    let client = dynamodb_client(world.region("us-east-1"));
    let failpoints = BeforeVerification(Arc::new(Mutex::new(Some(client))));
    goes_back(&world, failpoints.clone()).await;
    assert!(failpoints.0.lock().expect("no holder of this lock panics").is_none(), "it was written");
}
