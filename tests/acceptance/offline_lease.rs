//! P1 and P2: the mark `moving` is a lease. When it lapses, or the move is cancelled, while somebody is in the middle of any
//! step or task, the tenant is brought back online by the catalogue alone, the other stops, and a commit that comes too late
//! changes nothing. The clock stands still here unless a test moves it.

use std::sync::Arc;

use acceptance::clocked::{Clocked, on_clock};
use acceptance::failpoint_actions::{Interject, Target};
use acceptance::world::Holdings;
use acceptance::{Database, World, timing};
use catalogue::ledger::EntryState;
use catalogue::tenants::TenantStatus;
use engine::failpoints::{Failpoints, Moment, NoFailpoints};
use store::ManualClock;
use workflows::Deployment;
use workflows::actor::Actor;
use workflows::realm_move::{CancelOutcome, LapseSweep, cancel_move};

on_both_databases!(a_lapse_in_the_middle_of_any_step_brings_the_tenant_back, lapses_anywhere);
on_both_databases!(a_cancel_in_the_middle_of_any_step_brings_the_tenant_back, cancels_anywhere);
on_both_databases!(a_commit_after_the_lapse_changes_nothing_even_if_nobody_noticed_it, late_commit);
on_both_databases!(when_all_machines_die_any_process_brings_the_tenant_back, all_machines_die);
on_both_databases!(a_cancel_after_the_commit_is_told_that_the_commit_won, cancel_too_late);
on_both_databases!(the_drain_is_counted_from_when_readers_can_see_the_mark, drain_is_counted_from_the_commit);
on_both_databases!(a_lease_that_has_lapsed_is_never_renewed, no_renewal_after_a_lapse);

/// Points inside a move at which its runner holds no transaction, while the tenant is offline.
fn offline_points() -> Vec<Target> {
    let mut points = Vec::new();
    for state in ["drain", "add_data", "verify", "commit"] {
        points.extend([Moment::Before, Moment::Observed].map(|moment| Target::step("move", state, moment)));
    }
    for kind in ["copy", "verify"] {
        points.extend([Moment::Before, Moment::Written].map(|moment| Target::task(kind, moment)));
    }
    points
}

async fn lapses_anywhere(database: Database) {
    let stage = Stage::new(database).await;
    for target in offline_points() {
        let (deployment, clock) = (stage.world.deployment.clone(), Arc::clone(&stage.clock));
        let lapse = Interject::new(target.clone(), move || {
            let (deployment, clock) = (deployment.clone(), Arc::clone(&clock));
            async move {
                clock.advance(offline_lease_ms() + 1);
                // Nothing is left for the sweep if a step of the move that another task's end has woken was first.
                let settled = sweep(&deployment).await;
                assert!(settled <= 1, "{settled} moves have lapsed");
                assert_eq!(
                    status(&deployment).await,
                    TenantStatus::Online,
                    "by this sweep of another process at the latest"
                );
            }
        });
        let done = stage.run("eu", lapse.clone()).await;
        assert!(lapse.was_reached(), "{target:?}");
        assert_eq!(done.state, "rolled_back", "{target:?}: {done:?}");
        assert_eq!(done.error.map(|error| error.code).as_deref(), Some("offline_lease_lapsed"), "{target:?}");
        stage.is_as_before(&target).await;
    }
}

async fn cancels_anywhere(database: Database) {
    let stage = Stage::new(database).await;
    let mut points = offline_points();
    for state in ["scheduled", "preflight", "waiting", "offline"] {
        points.extend([Moment::Before, Moment::Observed].map(|moment| Target::step("move", state, moment)));
    }
    for target in points {
        let id = stage.world.start_move("eu").await;
        let (deployment, cancelled) = (stage.world.deployment.clone(), id.clone());
        let cancel = Interject::new(target.clone(), move || {
            let (deployment, id) = (deployment.clone(), cancelled.clone());
            async move {
                let by = Actor::new("mallory", "changed my mind");
                let outcome = cancel_move(&deployment, &id, &by).await.expect("the cancel is accepted");
                assert_eq!(outcome, CancelOutcome::Cancelled);
                assert_eq!(status(&deployment).await, TenantStatus::Online, "online as soon as the cancel returns");
            }
        });
        let done = stage.run_to_the_end(&id, cancel.clone()).await;
        assert!(cancel.was_reached(), "{target:?}");
        assert_eq!(done.state, "rolled_back", "{target:?}: {done:?}");
        assert_eq!(done.error.map(|error| error.code).as_deref(), Some("cancelled"), "{target:?}");
        stage.is_as_before(&target).await;
    }
}

async fn late_commit(database: Database) {
    let stage = Stage::new(database).await;
    let clock = Arc::clone(&stage.clock);
    let target = Target::step("move", "commit", Moment::Observed);
    let late = Interject::new(target.clone(), move || {
        let clock = Arc::clone(&clock);
        async move { clock.advance(offline_lease_ms()) }
    });
    let id = stage.world.start_move("eu").await;
    // Without the sweep: nobody but the commit itself looks at the lease.
    stage.tick_until(&id, late.clone(), "rolled_back").await;
    assert!(late.was_reached());
    let history = stage.world.history(&id).await;
    let left = history.iter().find(|(from, _, _)| from == "commit").expect("it got to the commit");
    assert_eq!((left.1.as_str(), left.2.split(':').next()), ("re_online", Some("offline_lease_lapsed")), "{history:?}");
    stage.run_to_the_end(&id, NoFailpoints).await;
    stage.is_as_before(&target).await;
}

async fn all_machines_die(database: Database) {
    let stage = Stage::new(database).await;
    let id = stage.world.start_move("eu").await;
    stage.tick_until(&id, NoFailpoints, "add_data").await;
    let offline = stage.world.tenant().await;
    assert_eq!(offline.status, TenantStatus::Moving);
    // Every machine is gone. A process that can do nothing but reach the catalogue:
    let other = stage.another_process().await;
    assert_eq!(sweep(&other).await, 0, "the lease has not lapsed yet");
    stage.clock.advance(offline_lease_ms() + 1);
    assert_eq!(sweep(&other).await, 1);
    assert_eq!(sweep(&other).await, 0, "once");
    let tenant = stage.world.tenant().await;
    assert_eq!((tenant.status, tenant.realm.as_str()), (TenantStatus::Online, "us"));
    assert_eq!(tenant.epoch, offline.epoch + 1);
    assert_eq!(stage.world.view(&id).await.state, "rolled_back");
    let states = stage.world.entries().await;
    assert!(states.values().all(|state| [EntryState::Live, EntryState::Removing].contains(state)), "{states:?}");
}

async fn cancel_too_late(database: Database) {
    let stage = Stage::new(database).await;
    let id = stage.world.start_move("eu").await;
    stage.tick_until(&id, NoFailpoints, "notify").await;
    let by = Actor::new("mallory", "");
    let refused = cancel_move(&stage.world.deployment, &id, &by).await.expect_err("the commit won");
    assert_eq!(refused.code(), "already_committed");
    assert!(refused.to_string().contains("move the tenant to us"), "{refused}");
    let done = stage.run_to_the_end(&id, NoFailpoints).await;
    assert_eq!(done.state, "completed");
    assert_eq!(stage.world.holdings("eu-west-1", "acme").await, stage.data);
}

async fn drain_is_counted_from_the_commit(database: Database) {
    let stage = Stage::new(database).await;
    // The process hangs after it has written the offline mark and before it commits.
    let clock = Arc::clone(&stage.clock);
    let hang = Interject::new(Target::step("move", "offline", Moment::Written), move || {
        let clock = Arc::clone(&clock);
        async move { clock.advance(10_000) }
    });
    let id = stage.world.start_move("eu").await;
    stage.tick_until(&id, hang.clone(), "drain").await;
    assert!(hang.was_reached());
    let visible = stage.clock_now();
    stage.tick_until(&id, NoFailpoints, "add_data").await;
    let drained = workflows::timing::millis(timing::short().drained_after());
    assert!(stage.clock_now() >= visible + drained, "copying began {} ms later", stage.clock_now() - visible);
}

async fn no_renewal_after_a_lapse(database: Database) {
    let stage = Stage::new(database).await;
    let id = stage.world.start_move("eu").await;
    stage.tick_until(&id, NoFailpoints, "add_data").await;
    let offline = stage.world.tenant().await;
    let until = offline.lease_until.expect("a moving tenant has a lease");
    let renewed = async |to| {
        let mut tx = stage.world.deployment.store.begin().await.expect("a write begins");
        let renewed = catalogue::tenants::renew(&mut tx, "acme", &id, offline.epoch, to).await.expect("renewal runs");
        tx.commit().await.expect("commits");
        renewed
    };
    assert!(renewed(until + 10).await, "before the lapse");
    stage.clock.advance(until + 10 - stage.clock_now());
    assert!(!renewed(until + 1_000_000).await, "at the very moment of the lapse");
    assert_eq!(stage.world.tenant().await.lease_until, Some(until + 10), "nothing was written");
}

fn offline_lease_ms() -> i64 {
    workflows::timing::millis(timing::short().offline_lease)
}

/// One pass of the lapse sweep, as any process does it.
async fn sweep(deployment: &Deployment) -> u64 {
    engine::Sweep::sweep(&LapseSweep::new(deployment.clone())).await.expect("the catalogue answers")
}

async fn status(deployment: &Deployment) -> TenantStatus {
    let mut tx = deployment.store.read().await.expect("a read begins");
    catalogue::tenants::get(&mut tx, "acme").await.expect("readable").expect("exists").status
}

/// A world whose clock is moved by the test.
struct Stage {
    world: World,
    clock: Arc<ManualClock>,
    data: Holdings,
    neighbour: (Holdings, Holdings),
}

impl Stage {
    async fn new(database: Database) -> Self {
        let Clocked { world, clock } = Clocked::new(database).await;
        let data = world.holdings("us-east-1", "acme").await;
        let neighbour = world.neighbour().await;
        Self { world, clock, data, neighbour }
    }

    async fn another_process(&self) -> Deployment {
        on_clock(&self.world.store_url, &self.clock).await
    }

    fn clock_now(&self) -> i64 {
        store::Clock::now(&*self.clock)
    }

    async fn run(&self, to: &str, failpoints: impl Failpoints) -> workflows::realm_move::MoveView {
        let id = self.world.start_move(to).await;
        self.run_to_the_end(&id, failpoints).await
    }

    async fn run_to_the_end(&self, id: &str, failpoints: impl Failpoints) -> workflows::realm_move::MoveView {
        let runner = self.world.runner().with_failpoints(failpoints);
        for _ in 0..100_000 {
            if self.world.has_ended(id).await {
                self.world.no_task_is_left(id).await;
                return self.world.view(id).await;
            }
            if !runner.tick().await.expect("the catalogue answers") {
                self.clock.advance(10);
            }
        }
        panic!("the move does not end: {:?}", self.world.view(id).await);
    }

    /// Ticks, without any sweep, until the move is stored in `state`.
    async fn tick_until(&self, id: &str, failpoints: impl Failpoints, state: &str) {
        let deployment = &self.world.deployment;
        let only_the_move = workflows::registry(deployment).without_sweeps();
        let runner = engine::Runner::new(
            deployment.store.clone(),
            only_the_move,
            deployment.runner_settings(),
            "test".to_owned(),
        )
        .with_failpoints(failpoints);
        for _ in 0..100_000 {
            if self.world.stored_state(id).await == state {
                return;
            }
            if !runner.tick().await.expect("the catalogue answers") {
                self.clock.advance(10);
            }
        }
        panic!("the move does not reach {state}: {:?}", self.world.view(id).await);
    }

    async fn is_as_before(&self, what: &Target) {
        let tenant = self.world.tenant().await;
        assert_eq!((tenant.realm.as_str(), tenant.status), ("us", TenantStatus::Online), "{what:?}");
        assert_eq!((tenant.active_move, tenant.lease_until), (None, None), "{what:?}");
        assert_eq!(self.world.holdings("us-east-1", "acme").await, self.data, "{what:?}");
        assert!(self.world.holdings("eu-west-1", "acme").await.is_empty(), "{what:?}: the target is emptied");
        assert_eq!(self.world.neighbour().await, self.neighbour, "{what:?}");
    }
}
