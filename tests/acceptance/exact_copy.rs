//! P8: the target holds exactly the source's data, the source is emptied, and nobody else's data is touched. Judged by
//! reading both sides with the plain AWS SDK, not by our verifier.

use acceptance::world::{Holdings, Seed, many_parts, request};
use acceptance::{Database, World};
use catalogue::ledger::EntryState;
use catalogue::tenants::TenantStatus;
use engine::failpoints::NoFailpoints;
use workflows::dry_run::{dry_run, estimate_move};
use workflows::realm_move::CostClass;

on_both_databases!(a_tenant_moves_whole_and_alone, moves_whole_and_alone);

async fn moves_whole_and_alone(database: Database) {
    let world = World::with_topology(database, Seed::SMALL, |yaml| many_parts(&yaml)).await;
    let before = world.holdings("us-east-1", "acme").await;
    let neighbour = world.neighbour().await;
    let epoch = world.tenant().await.epoch;
    let dry = dry_run(&world.deployment, &request("eu")).await.expect("a plan");
    let estimate = estimate_move(&world.deployment, &dry.plan, dry.allowed_ms).await.expect("the stores can be asked");

    let done = world.run_move("eu", NoFailpoints).await;

    assert_eq!(done.state, "completed", "{done:?}");
    assert!(done.verified && done.error.is_none(), "{done:?}");
    assert_eq!(world.holdings("eu-west-1", "acme").await, before);
    assert!(world.holdings("us-east-1", "acme").await.is_empty());
    assert_eq!(world.neighbour().await, neighbour);
    counts_are_true(&done, &before);
    assert_eq!((estimate.items, estimate.objects), (done.copied.items, done.copied.objects));
    // Every item is written to two locations' tables and indexes at the most: added here, removed there.
    let writes = 4 * estimate.items..=4 * (estimate.items + estimate.bytes / 1_024);
    assert!(writes.contains(&estimate.write_units) && estimate.read_units >= estimate.items, "{estimate:?}");
    assert_eq!(estimate.cost_class, CostClass::Small);
    assert!(done.offline_ms > 0 && estimate.offline_ms <= estimate.offline_high_ms && estimate.fits, "{estimate:?}");

    let tenant = world.tenant().await;
    assert_eq!((tenant.realm.as_str(), tenant.status), ("eu", TenantStatus::Online));
    assert_eq!(tenant.epoch, epoch + 2, "one step offline, one step online");
    assert_eq!((tenant.active_move, tenant.lease_until), (None, None));
    assert!(done.removals.iter().all(|removal| removal.state == "done"), "{done:?}");
    assert_eq!(done.removals.len(), 3);
    for ((service, region), state) in world.entries().await {
        let expected = if region == "eu-west-1" { EntryState::Live } else { EntryState::Absent };
        assert_eq!(state, expected, "{service} in {region}");
    }
}

fn counts_are_true(done: &workflows::realm_move::MoveView, moved: &Holdings) {
    assert_eq!(done.copied.items, (moved.issues.len() + moved.activity.len()) as u64);
    assert_eq!(done.copied.objects, moved.media.len() as u64);
    let object_bytes: u64 = moved.media.values().map(|object| object.len).sum();
    assert!(done.copied.bytes > object_bytes, "{} bytes of objects alone", object_bytes);
}
