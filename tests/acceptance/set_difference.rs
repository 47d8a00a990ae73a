//! P3 and P4: additions and removals are exactly the set difference over locations, for replicated services too. (The laws
//! for random topologies are property tests beside the plan.)

use acceptance::{Database, World};
use catalogue::ledger::EntryState;
use engine::failpoints::NoFailpoints;
use testkit::fixtures;
use testkit::region::dynamodb_client;
use workflows::realm_move::PlanView;

on_both_databases!(us_to_global_removes_nothing_and_global_to_us_copies_nothing, there_and_back);
on_both_databases!(a_replicated_service_is_touched_only_where_the_difference_says, only_the_difference);

/// Only the replicated service: the others have no shard over both regions.
fn activity_only(yaml: &str) -> String {
    let services = yaml.find("services:").expect("the topology has services");
    let activity = yaml.find("  activity-service:").expect("the topology has the activity service");
    format!("{}services:\n{}", &yaml[..services], &yaml[activity..])
}

async fn there_and_back(database: Database) {
    let seed = acceptance::world::Seed { issues: 5, activity: 40, media: 3 };
    let world = World::with_topology(database, seed, |yaml| activity_only(&yaml)).await;
    let before = world.holdings("us-east-1", "acme").await;
    let neighbour = world.neighbour().await;

    let wide = world.run_move("global", NoFailpoints).await;
    assert_eq!(wide.state, "completed", "{wide:?}");
    assert_eq!(wide.plan, [plan("activity-us-east-1", "activity-global", &["eu-west-1"], &["us-east-1"], &[])]);
    assert_eq!(wide.removals, []);
    assert_eq!(wide.copied.items, 40);
    assert_eq!(world.holdings("us-east-1", "acme").await, before, "nothing is removed");
    assert_eq!(world.holdings("eu-west-1", "acme").await.activity, before.activity);

    let epoch = world.tenant().await.epoch;
    let narrow = world.run_move("us", NoFailpoints).await;
    assert_eq!(narrow.state, "completed", "{narrow:?}");
    assert_eq!(narrow.plan, [plan("activity-global", "activity-us-east-1", &[], &["us-east-1"], &["eu-west-1"])]);
    assert_eq!((narrow.copied.items, narrow.copied.objects, narrow.offline_ms), (0, 0, 0));
    assert_eq!(world.tenant().await.epoch, epoch + 1, "one change, and never offline");
    let passed: Vec<String> = world.history(&narrow.id).await.into_iter().map(|(_, to, _)| to).collect();
    assert_eq!(passed, ["preflight", "waiting", "comparing", "commit", "notify", "completed"], "no offline window");
    assert_eq!(world.holdings("us-east-1", "acme").await, before);
    assert!(world.holdings("eu-west-1", "acme").await.activity.is_empty());
    assert_eq!(world.neighbour().await, neighbour);
}

async fn only_the_difference(database: Database) {
    let seed = acceptance::world::Seed { issues: 5, activity: 40, media: 3 };
    let world = World::with_topology(database, seed, |yaml| activity_only(&yaml)).await;
    world.run_move("global", NoFailpoints).await;
    // Something at the kept location that the old primary does not have: a move to eu must not touch it.
    let client = dynamodb_client(world.region("eu-west-1"));
    fixtures::write_item(&client, "activity", ("tenant_shard", "acme#0"), "only-in-eu").await.expect("it is written");
    let kept = world.holdings("eu-west-1", "acme").await.activity;
    assert_eq!(kept.len(), 41);
    let done = world.run_move("eu", NoFailpoints).await;
    assert_eq!(done.state, "completed", "{done:?}");
    assert_eq!(done.plan, [plan("activity-global", "activity-eu-west-1", &[], &["eu-west-1"], &["us-east-1"])]);
    assert_eq!(done.copied.items, 0, "eu has it already");
    assert!(world.holdings("us-east-1", "acme").await.activity.is_empty());
    assert_eq!(world.holdings("eu-west-1", "acme").await.activity, kept, "with what only it had");
    let live: Vec<_> = world.full_entries().await.into_iter().filter(|entry| entry.state == EntryState::Live).collect();
    assert_eq!(live.len(), 1);
    assert_eq!(live[0].location.region, "eu-west-1", "the kept location is the primary now");
}

fn plan(from: &str, to: &str, add: &[&str], keep: &[&str], remove: &[&str]) -> PlanView {
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    PlanView {
        service: "activity-service".to_owned(),
        from_shard: Some(from.to_owned()),
        to_shard: to.to_owned(),
        add: names(add),
        keep: names(keep),
        remove: names(remove),
    }
}
