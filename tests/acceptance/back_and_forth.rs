//! P5 and P7: A -> B -> A with a removal still owed at A, and several processes at work on the same moves.

use acceptance::strike::{Blow, Striker, Target};
use acceptance::{Database, World};
use catalogue::tenants::TenantStatus;
use engine::probe::{Moment, NoProbe};
use tokio_util::sync::CancellationToken;
use workflows::provision::{NewTenant, create_tenant};
use workflows::removal::{list_removals, replay_removal};
use workflows::requester::Requester;

on_both_databases!(a_move_back_waits_for_the_removal_it_would_meet, back_waits_for_the_removal);
on_both_databases!(replays_doubled_and_late_never_touch_what_is_live, replayed_on_the_way);
on_both_databases!(creating_a_tenant_again_after_it_moved_finds_it, created_again);
on_both_databases!(two_processes_share_a_move_and_every_effect_happens_once, two_processes);

async fn back_waits_for_the_removal(database: Database) {
    let world = World::new(database).await;
    let data = world.holdings("us-east-1", "acme").await;
    let neighbour = world.neighbour().await;
    let striker = Striker::new(Target::task("remove", Moment::Before), Blow::FailForGood, 1);
    world.run_move("eu", striker.clone()).await;
    assert!(striker.struck() >= 1);
    let mut tx = world.deployment.store.read().await.expect("a read begins");
    let owed = list_removals(&mut tx, None, Some("failed"), None, 10).await.expect("removals can be listed");
    tx.rollback().await.expect("a read ends");
    assert_eq!(owed.len(), 1);

    let back = world.start_move("us").await;
    let waiting = || async { world.view(&back).await.waiting_for.is_some_and(|what| what.contains(&owed[0].id)) };
    world.run_until(NoProbe, waiting).await;
    assert_eq!(world.tenant().await.status, TenantStatus::Online, "it waits online");
    let by = Requester::realmctl("test");
    replay_removal(&world.deployment, &owed[0].id, false, &by).await.expect("the replay is accepted");
    world.run_until(NoProbe, || world.has_ended(&back)).await;

    assert_eq!(world.view(&back).await.state, "completed");
    assert_eq!(world.holdings("us-east-1", "acme").await, data);
    assert!(world.holdings("eu-west-1", "acme").await.is_empty());
    // The old removal again, now that its location is live: it belongs to an earlier generation and deletes nothing.
    replay_removal(&world.deployment, &owed[0].id, false, &by).await.expect("late is safe");
    world.run_until(NoProbe, || async { world.stored_state(&owed[0].id).await == "done" }).await;
    assert_eq!(world.holdings("us-east-1", "acme").await, data);
    assert_eq!(world.neighbour().await, neighbour);
}

/// A -> B -> A -> B; after every move each removal so far is replayed twice at the same moment.
async fn replayed_on_the_way(database: Database) {
    let world = World::new(database).await;
    let data = world.holdings("us-east-1", "acme").await;
    let neighbour = world.neighbour().await;
    let by = Requester::realmctl("test");
    for (realm, here, there) in
        [("eu", "eu-west-1", "us-east-1"), ("us", "us-east-1", "eu-west-1"), ("eu", "eu-west-1", "us-east-1")]
    {
        let done = world.run_move(realm, NoProbe).await;
        assert_eq!(done.state, "completed", "{done:?}");
        let mut tx = world.deployment.store.read().await.expect("a read begins");
        let removals = list_removals(&mut tx, None, None, None, 100).await.expect("removals can be listed");
        tx.rollback().await.expect("a read ends");
        assert!(removals.len() >= done.removals.len() && !done.removals.is_empty());
        for removal in &removals {
            let replay = || replay_removal(&world.deployment, &removal.id, false, &by);
            let (one, other) = tokio::join!(replay(), replay());
            assert!(one.is_ok() && other.is_ok(), "{one:?} {other:?}");
        }
        let all_done = || async {
            for removal in &removals {
                if world.stored_state(&removal.id).await != "done" {
                    return false;
                }
            }
            true
        };
        world.run_until(NoProbe, all_done).await;
        assert_eq!(world.holdings(here, "acme").await, data);
        assert!(world.holdings(there, "acme").await.is_empty());
        assert_eq!(world.neighbour().await, neighbour);
    }
}

async fn created_again(database: Database) {
    let world = World::new(database).await;
    world.run_move("eu", NoProbe).await;
    let by = Requester { who: "provisioning".to_owned(), why: String::new() };
    let again = async |realm: &str| {
        let new = NewTenant {
            id: "acme".parse().expect("a tenant id"),
            host: "acme.example".parse().expect("a host"),
            realm: realm.to_owned(),
        };
        create_tenant(&world.deployment, &new, &by).await
    };
    let (found, created) = again("us").await.expect("a retry of the request that created it");
    assert_eq!((found.realm.as_str(), created), ("eu", false));
    assert_eq!(again("eu").await.expect_err("never asked for").code(), "tenant_exists");
}

async fn two_processes(database: Database) {
    let world = World::new(database).await;
    let data = world.holdings("us-east-1", "acme").await;
    let other = acceptance::world::deploy(&world.store_url).await;
    let second =
        engine::Runner::new(other.store.clone(), other.registry(), other.runner_settings(), "second".to_owned());
    let stop = CancellationToken::new();
    let moves = async {
        for (realm, region) in [("eu", "eu-west-1"), ("us", "us-east-1")] {
            let done = world.run_move(realm, NoProbe).await;
            assert_eq!(done.state, "completed", "{done:?}");
            assert_eq!(world.holdings(region, "acme").await, data);
            let mut entered: Vec<_> = world.history(&done.id).await.into_iter().map(|(_, to, _)| to).collect();
            let all = entered.len();
            entered.sort_unstable();
            entered.dedup();
            assert_eq!(entered.len(), all, "every state is entered once");
        }
        stop.cancel();
    };
    tokio::join!(second.run(stop.clone()), moves);
}
