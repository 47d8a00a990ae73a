//! P5 and P7: A -> B -> A with a removal still owed at A, and several processes at work on the same moves.

use acceptance::failpoint_actions::{Injected, Injector, Interject, Target};
use acceptance::{Database, World};
use catalogue::tenants::TenantStatus;
use engine::failpoints::{Failpoint, Failpoints, Moment, NoFailpoints};
use engine::{ExternalTransition, Next, StepError, StoredError};
use store::sql;
use tokio_util::sync::CancellationToken;
use workflows::actor::Actor;
use workflows::provision::{NewTenant, create_tenant};
use workflows::removal::{Accepted, Removal, RemovalStage, list_removals, replay_removal};

on_both_databases!(a_move_back_waits_for_the_removal_it_would_meet, back_waits_for_the_removal);
on_both_databases!(replays_doubled_and_late_never_touch_what_is_live, replayed_on_the_way);
on_both_databases!(a_removal_of_an_earlier_generation_deletes_nothing_of_a_later_one, earlier_generation);
on_both_databases!(a_task_of_an_earlier_generation_gets_no_permit, earlier_task);
on_both_databases!(creating_a_tenant_again_after_it_moved_finds_it, created_again);
on_both_databases!(two_processes_share_a_move_and_every_effect_happens_once, two_processes);

async fn back_waits_for_the_removal(database: Database) {
    let world = World::new(database).await;
    let data = world.holdings("us-east-1", "acme").await;
    let neighbour = world.neighbour().await;
    let injector = Injector::new(Target::task("remove", Moment::Before), Injected::FailForGood, 1);
    world.run_move("eu", injector.clone()).await;
    assert!(injector.struck() >= 1);
    let mut tx = world.deployment.store.read().await.expect("a read begins");
    let owed = list_removals(&mut tx, None, Some("failed"), None, 10).await.expect("removals can be listed");
    tx.rollback().await.expect("a read ends");
    assert_eq!(owed.len(), 1);

    let back = world.start_move("us").await;
    let waiting = || async { world.view(&back).await.waiting_for.is_some_and(|what| what.contains(&owed[0].id)) };
    world.run_until(NoFailpoints, waiting).await;
    assert_eq!(world.tenant().await.status, TenantStatus::Online, "it waits online");
    let by = Actor::realmctl("test");
    replay_removal(&world.deployment, &owed[0].id, Accepted::NOTHING, &by).await.expect("the replay is accepted");
    world.run_until(NoFailpoints, || world.has_ended(&back)).await;

    assert_eq!(world.view(&back).await.state, "completed");
    assert_eq!(world.holdings("us-east-1", "acme").await, data);
    assert!(world.holdings("eu-west-1", "acme").await.is_empty());
    // The old removal again, now that its location is live: it belongs to an earlier generation and deletes nothing.
    replay_removal(&world.deployment, &owed[0].id, Accepted::NOTHING, &by).await.expect("late is safe");
    world.run_until(NoFailpoints, || async { world.stored_state(&owed[0].id).await == "done" }).await;
    assert_eq!(world.holdings("us-east-1", "acme").await, data);
    assert_eq!(world.neighbour().await, neighbour);
}

/// A -> B -> A -> B; after every move each removal so far is replayed twice at the same moment.
async fn replayed_on_the_way(database: Database) {
    let world = World::new(database).await;
    let data = world.holdings("us-east-1", "acme").await;
    let neighbour = world.neighbour().await;
    let by = Actor::realmctl("test");
    for (realm, here, there) in
        [("eu", "eu-west-1", "us-east-1"), ("us", "us-east-1", "eu-west-1"), ("eu", "eu-west-1", "us-east-1")]
    {
        let done = world.run_move(realm, NoFailpoints).await;
        assert_eq!(done.state, "completed", "{done:?}");
        let mut tx = world.deployment.store.read().await.expect("a read begins");
        let removals = list_removals(&mut tx, None, None, None, 100).await.expect("removals can be listed");
        tx.rollback().await.expect("a read ends");
        assert!(removals.len() >= done.removals.len() && !done.removals.is_empty());
        for removal in &removals {
            let replay = || replay_removal(&world.deployment, &removal.id, Accepted::NOTHING, &by);
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
        world.run_until(NoFailpoints, all_done).await;
        assert_eq!(world.holdings(here, "acme").await, data);
        assert!(world.holdings(there, "acme").await.is_empty());
        assert_eq!(world.neighbour().await, neighbour);
    }
}

/// us -> eu -> us -> eu: the entry in us is `removing` twice, under two generations, and the first removal is failed while the
/// second one waits: only the generation tells that it is none of the first one's business.
async fn earlier_generation(database: Database) {
    let world = World::new(database).await;
    let first = removal_of(&world, "eu", "issue-service", NoFailpoints).await;
    world.run_move("us", NoFailpoints).await;
    let data = world.holdings("us-east-1", "acme").await;
    let injector = Injector::new(Target::step("removal", "waiting", Moment::Before), Injected::FailForGood, 3);
    let second = removal_of(&world, "eu", "issue-service", injector).await;
    assert_ne!(first, second);
    assert_eq!((world.stored_state(&first).await, world.stored_state(&second).await), ("done".into(), "failed".into()));
    fail(&world, &first).await;

    let by = Actor::realmctl("test");
    replay_removal(&world.deployment, &first, Accepted::late_writes("0123456789abcdef"), &by)
        .await
        .expect("it is replayed");
    world.run_until(NoFailpoints, || async { world.stored_state(&first).await == "done" }).await;
    assert_eq!(world.holdings("us-east-1", "acme").await, data, "it is the second one's to delete");
    let history = world.history(&first).await;
    assert!(history.last().is_some_and(|(_, _, note)| note.starts_with("superseded")), "{history:?}");
    let entry = world.full_entries().await.into_iter().find(|entry| entry.workflow.as_deref() == Some(&second));
    assert_eq!(entry.map(|entry| entry.generation), Some(2));
}

/// A task of a removal whose entry has begun another generation meanwhile, in the same state: each attempt asks for a permit, and
/// none is given.
async fn earlier_task(database: Database) {
    let world = World::new(database).await;
    let data = world.holdings("us-east-1", "acme").await;
    let store = world.deployment.store.clone();
    let begin_another = Interject::new(Target::step("removal", "removing", Moment::Before), move || {
        let store = store.clone();
        async move {
            let mut tx = store.begin().await.expect("a transaction begins");
            let next =
                sql("UPDATE ledger SET generation = generation + 1 WHERE tenant = 'acme' AND state = 'removing'");
            next.execute(&mut tx).await.expect("it is written");
            tx.commit().await.expect("it is committed");
        }
    });
    // Nothing is deleted before the entries have another generation.
    let held = Injector::new(Target::task("remove", Moment::Before), Injected::FailOnce, 200);
    let id = world.start_move("eu").await;
    let both = Twice(begin_another.clone(), held);
    world.run_until(both, || async { begin_another.was_reached() }).await;
    // Those that had not begun are superseded; whichever has tasks is held up.
    let removals = world.removals(&id).await;
    let held_up = || async {
        for removal in &removals {
            let mut tx = world.deployment.store.read().await.expect("a read begins");
            let tasks =
                engine::tables::task_table::of_workflow(&mut tx, &removal.id).await.expect("tasks can be listed");
            tx.rollback().await.expect("a read ends");
            if !tasks.is_empty() && tasks.iter().all(|task| task.fence >= 3) {
                return Some(removal);
            }
        }
        None
    };
    world.run_until(NoFailpoints, || async { held_up().await.is_some() }).await;
    let removal = held_up().await.expect("one is held up");
    let kept = world.holdings("us-east-1", "acme").await;
    match removal.service.as_str() {
        "issue-service" => assert_eq!(kept.issues, data.issues),
        "activity-service" => assert_eq!(kept.activity, data.activity),
        _ => assert_eq!(kept.media, data.media),
    }
    assert_eq!(world.stored_state(&removal.id).await, "removing");
}

/// Both, one after the other.
struct Twice(Interject, Injector);

impl Failpoints for Twice {
    fn step(&self, point: Failpoint<'_>) -> Result<(), StepError> {
        self.0.step(point)
    }

    fn task(&self, point: Failpoint<'_>) -> Result<(), StepError> {
        self.1.task(point)
    }
}

/// Moves the tenant; returns the removal of the service's data.
async fn removal_of(world: &World, realm: &str, service: &str, failpoints: impl Failpoints) -> String {
    let id = world.run_move(realm, failpoints).await.id;
    let removals = world.removals(&id).await;
    removals.into_iter().find(|removal| removal.service == service).expect("the move removes from the service").id
}

/// Fails a removal that is done, as a recheck does.
async fn fail(world: &World, id: &str) {
    let mut tx = world.deployment.store.begin().await.expect("a transaction begins");
    let held =
        ExternalTransition::<Removal>::lock(&mut tx, world.deployment.ids.as_ref(), id).await.expect("it is locked");
    let held = held.expect("there is such a removal");
    let error = StoredError { code: "late_writes".to_owned(), message: "made by the test".to_owned() };
    let failed = held.state().expect("it is read").at_stage(RemovalStage::Failed { error: error.clone() });
    held.go(&Next::Go(failed, String::new()), Some(&error)).await.expect("it fails");
    tx.commit().await.expect("it is committed");
}

async fn created_again(database: Database) {
    let world = World::new(database).await;
    world.run_move("eu", NoFailpoints).await;
    let by = Actor::new("provisioning", "");
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
    let refused = again("eu").await.expect_err("never asked for");
    assert_eq!(refused.code(), "tenant_exists");
    assert!(refused.to_string().contains("created in realm us, lives in realm eu now"), "{refused}");
}

async fn two_processes(database: Database) {
    let world = World::new(database).await;
    let data = world.holdings("us-east-1", "acme").await;
    world.somebody_is_there().await;
    let other = acceptance::world::deploy(&world.store_url).await;
    let second = engine::Runner::new(
        other.store.clone(),
        workflows::registry(&other),
        other.runner_settings(),
        "second".to_owned(),
    );
    let stop = CancellationToken::new();
    let moves = async {
        for (realm, region) in [("eu", "eu-west-1"), ("us", "us-east-1")] {
            let done = world.run_move(realm, NoFailpoints).await;
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
