//! A pause never keeps a tenant offline, and what it holds does not advance until it is resumed. The clock stands still
//! here unless a test moves it.

use std::sync::Arc;

use acceptance::clocked::Clocked;
use acceptance::failpoint_actions::{Interject, Target};
use acceptance::world::{Holdings, Seed, TENANT, request};
use acceptance::{Database, World, timing};
use catalogue::ledger::EntryState;
use catalogue::tenants::TenantStatus;
use engine::failpoints::{Failpoints, Moment, NoFailpoints};
use store::ManualClock;
use workflows::actor::Actor;
use workflows::controls::{self, Kind};
use workflows::realm_move::{CancelOutcome, LapseSweep, MoveRequest, When, cancel_move, start_move, start_move_paused};

on_both_databases!(a_pause_of_everything_at_any_point_never_keeps_the_tenant_offline, pauses_anywhere);
on_both_databases!(a_pause_of_the_tenant_holds_like_one_of_everything, tenant_paused);
on_both_databases!(one_move_is_paused_while_its_tenant_is_online_and_refused_while_it_is_not, one_move_paused);
on_both_databases!(what_starts_under_a_pause_starts_paused, started_under_a_pause);
on_both_databases!(cancel_and_lapse_work_while_everything_is_paused, the_way_back_is_open);
on_both_databases!(a_pause_does_not_use_up_the_time_that_a_move_may_wait, pause_while_waiting);
on_both_databases!(retry_now_wakes_what_waits_for_its_next_attempt, retried_now);

fn by() -> Actor {
    Actor::new("ops", "incident 7")
}

/// Points at which the runner holds no transaction, and the state that the move is held in if a pause strikes there.
fn points() -> Vec<(Target, &'static str)> {
    let mut points = vec![(Target::step("move", "preflight", Moment::Before), "preflight")];
    for state in ["scheduled", "preflight", "waiting", "offline"] {
        points.push((Target::step("move", state, Moment::Observed), state));
    }
    for state in ["drain", "add_data", "verify", "commit"] {
        points.push((Target::step("move", state, Moment::Observed), "notify"));
    }
    for (kind, moment) in [("copy", Moment::Written), ("verify", Moment::Before)] {
        points.push((Target::task(kind, moment), "notify"));
    }
    points.push((Target::step("move", "notify", Moment::Before), "notify"));
    points
}

async fn pauses_anywhere(database: Database) {
    let mut stage = Stage::new(database).await;
    for (target, held_in) in points() {
        let (realm, region) = stage.next();
        let id = stage.world.start_move(realm).await;
        stage.settle_paused_at(&target).await;

        let tenant = stage.world.tenant().await;
        assert_eq!(tenant.status, TenantStatus::Online, "{target:?}");
        assert_eq!(stage.world.stored_state(&id).await, held_in, "{target:?}");
        let removals = stage.world.view(&id).await.removals;
        assert!(removals.iter().all(|removal| removal.state == "waiting"), "{target:?}: {removals:?}");
        // Nothing moves, however long it takes.
        let before = (stage.world.history(&id).await, stage.world.full_entries().await, tenant);
        stage.clock.advance(600_000);
        stage.settle(NoFailpoints).await;
        let after = (stage.world.history(&id).await, stage.world.full_entries().await, stage.world.tenant().await);
        assert_eq!(after, before, "{target:?}");

        stage.resumed_it_has_moved(&id, region).await;
    }
    // In the middle of a removal: it stops, and goes on from there.
    for target in [Target::step("removal", "removing", Moment::Before), Target::task("remove", Moment::Written)] {
        let (realm, region) = stage.next();
        let id = stage.world.start_move(realm).await;
        stage.settle_paused_at(&target).await;
        let view = stage.world.view(&id).await;
        assert!(view.removals.iter().any(|removal| removal.state == "removing"), "{target:?}: {view:?}");
        let entries = stage.world.full_entries().await;
        stage.clock.advance(600_000);
        stage.settle(NoFailpoints).await;
        assert_eq!(stage.world.full_entries().await, entries, "{target:?}");
        stage.resumed_it_has_moved(&id, region).await;
    }
}

async fn tenant_paused(database: Database) {
    let mut stage = Stage::new(database).await;
    for (state, held_in) in [("preflight", "preflight"), ("add_data", "notify")] {
        let (realm, region) = stage.next();
        let id = stage.world.start_move(realm).await;
        stage.tick_until(&id, state).await;
        let deployment = stage.world.deployment.clone();
        let paused = controls::pause_tenant(&deployment, TENANT, &by()).await.expect("it is paused");
        let offline = held_in == "notify";
        assert_eq!((paused.new, paused.goes_on.len()), (true, usize::from(offline)), "{state}: {paused:?}");
        assert!(!controls::pause_tenant(&deployment, TENANT, &by()).await.expect("twice").new);
        // Of two pauses, each holds alone.
        controls::pause_all(&deployment, &by()).await.expect("everything is paused");
        controls::resume_all(&deployment, &by()).await.expect("everything else goes on");
        stage.settle(NoFailpoints).await;
        assert_eq!(stage.world.stored_state(&id).await, held_in, "{state}");
        assert_eq!(stage.world.tenant().await.status, TenantStatus::Online, "{state}");
        assert!(controls::resume_tenant(&deployment, TENANT, &by()).await.expect("it goes on"));
        assert!(!controls::resume_tenant(&deployment, TENANT, &by()).await.expect("twice"));
        stage.settle(NoFailpoints).await;
        stage.has_moved(&id, region).await;
    }
    let refused = controls::pause_tenant(&stage.world.deployment, "nobody", &by()).await.expect_err("no such tenant");
    assert_eq!(refused.code(), "unknown_tenant");
}

async fn one_move_paused(database: Database) {
    let stage = Stage::new(database).await;
    let deployment = &stage.world.deployment;
    let id = start_move_paused(deployment, &request("eu"), &by()).await.expect("it starts").id;
    stage.settle(NoFailpoints).await;
    assert_eq!(stage.world.stored_state(&id).await, "scheduled");
    let refused = controls::retry_now(deployment, Kind::Move, &id, &by()).await.expect_err("held");
    assert_eq!(refused.code(), "paused", "{refused}");
    assert!(controls::resume_workflow(deployment, Kind::Move, &id, &by()).await.expect("it goes on"));
    stage.tick_until(&id, "offline").await;
    assert!(controls::pause_workflow(deployment, Kind::Move, &id, &by()).await.expect("still online"));
    assert!(!controls::pause_workflow(deployment, Kind::Move, &id, &by()).await.expect("twice changes nothing"));
    stage.settle(NoFailpoints).await;
    assert_eq!(stage.world.stored_state(&id).await, "offline");
    // The pause of the tenant comes and goes: the move is still paused itself.
    controls::pause_tenant(deployment, TENANT, &by()).await.expect("paused");
    controls::resume_tenant(deployment, TENANT, &by()).await.expect("resumed");
    stage.settle(NoFailpoints).await;
    assert_eq!(stage.world.stored_state(&id).await, "offline");
    controls::resume_workflow(deployment, Kind::Move, &id, &by()).await.expect("it goes on");
    stage.tick_until(&id, "drain").await;
    for state in ["drain", "add_data", "verify"] {
        stage.tick_until(&id, state).await;
        let refused = controls::pause_workflow(deployment, Kind::Move, &id, &by()).await.expect_err("offline");
        assert_eq!(refused.code(), "tenant_offline", "{refused}");
        assert!(refused.to_string().contains(&format!("realmctl moves cancel {id}")), "{refused}");
    }
    stage.settle(NoFailpoints).await;
    stage.has_moved(&id, "eu-west-1").await;
    let refused = controls::pause_workflow(deployment, Kind::Move, &id, &by()).await.expect_err("ended");
    assert_eq!(refused.code(), "move_ended");
    let refused = controls::pause_workflow(deployment, Kind::Removal, &id, &by()).await.expect_err("a move");
    assert_eq!(refused.code(), "unknown_removal");
}

async fn started_under_a_pause(database: Database) {
    let stage = Stage::new(database).await;
    let deployment = &stage.world.deployment;
    controls::pause_all(deployment, &by()).await.expect("paused");
    assert!(!controls::pause_all(deployment, &by()).await.expect("twice changes nothing").new);
    let id = stage.world.start_move("eu").await;
    stage.settle(NoFailpoints).await;
    assert_eq!(stage.world.stored_state(&id).await, "scheduled");
    let mut tx = deployment.store.read().await.expect("a read begins");
    let pauses = controls::list_pauses(&mut tx).await.expect("pauses can be listed");
    tx.rollback().await.expect("a read ends");
    assert_eq!((pauses.held, pauses.goes_on.len(), pauses.pauses.len()), (1, 0, 1), "{pauses:?}");
    assert_eq!((pauses.pauses[0].who.as_str(), pauses.pauses[0].why.as_str()), ("ops", "incident 7"));
    stage.resumed_it_has_moved(&id, "eu-west-1").await;
}

async fn the_way_back_is_open(database: Database) {
    let stage = Stage::new(database).await;
    let deployment = &stage.world.deployment;
    let id = stage.world.start_move("eu").await;
    stage.tick_until(&id, "add_data").await;
    controls::pause_all(deployment, &by()).await.expect("paused");
    let outcome = cancel_move(deployment, &id, &by()).await.expect("a cancel always works");
    assert_eq!(outcome, CancelOutcome::Cancelled);
    assert_eq!(stage.world.tenant().await.status, TenantStatus::Online);
    controls::resume_all(deployment, &by()).await.expect("resumed");
    stage.settle(NoFailpoints).await;

    let id = stage.world.start_move("eu").await;
    stage.tick_until(&id, "add_data").await;
    controls::pause_all(deployment, &by()).await.expect("paused");
    stage.clock.advance(workflows::timing::millis(timing::short().offline_lease) + 1);
    // Not one step is taken: the sweep alone.
    let sweep = LapseSweep::new(deployment.clone());
    assert_eq!(engine::Sweep::sweep(&sweep).await.expect("the catalogue answers"), 1, "the lapse is settled");
    assert_eq!(stage.world.tenant().await.status, TenantStatus::Online);
    stage.settle(NoFailpoints).await;
    let removals = stage.world.view(&id).await.removals;
    assert!(!removals.is_empty() && removals.iter().all(|removal| removal.state == "waiting"), "{removals:?}");
    controls::resume_all(deployment, &by()).await.expect("resumed");
    stage.settle(NoFailpoints).await;
    assert!(stage.world.holdings("eu-west-1", TENANT).await.is_empty());
    assert_eq!(stage.world.holdings("us-east-1", TENANT).await, stage.data);
}

async fn pause_while_waiting(database: Database) {
    let stage = Stage::new(database).await;
    let deployment = &stage.world.deployment;
    controls::set_limit(deployment, "overall", &controls::LimitChange::slots(0), &by())
        .await
        .expect("the limit is set");
    let id = stage.world.start_move("eu").await;
    stage.tick_until(&id, "waiting").await;
    stage.pass(3_000).await;
    controls::pause_workflow(deployment, Kind::Move, &id, &by()).await.expect("paused");
    let wait_limit = workflows::timing::millis(timing::short().wait_limit);
    stage.clock.advance(wait_limit * 3);
    controls::resume_workflow(deployment, Kind::Move, &id, &by()).await.expect("resumed");
    stage.pass(3_000).await;
    assert_eq!(stage.world.stored_state(&id).await, "waiting", "the pause does not count");
    stage.pass(wait_limit).await;
    let done = stage.world.view(&id).await;
    let error = done.error.expect("it has waited too long");
    assert_eq!((done.state.as_str(), error.code.as_str()), ("failed", "no_capacity"));
    assert!(error.message.contains("the limit overall is 0"), "{error:?}");
    stage.world.no_task_is_left(&id).await;
}

async fn retried_now(database: Database) {
    use acceptance::failpoint_actions::{Injected, Injector};
    let stage = Stage::new(database).await;
    let deployment = &stage.world.deployment;
    let later = MoveRequest { when: When { at: Some(stage.clock_now() + 3_600_000), window: None }, ..request("eu") };
    let id = start_move(deployment, &later, &by()).await.expect("scheduled").id;
    let refused = controls::retry_now(deployment, Kind::Move, &id, &by()).await.expect_err("not begun");
    assert_eq!(refused.code(), "scheduled", "{refused}");
    cancel_move(deployment, &id, &by()).await.expect("cancelled");
    let refused = controls::retry_now(deployment, Kind::Move, &id, &by()).await.expect_err("ended");
    assert!(refused.code() == "move_ended" && refused.to_string().contains("start another"), "{refused}");

    let id = stage.world.start_move("eu").await;
    let injector = Injector::new(Target::step("move", "preflight", Moment::Before), Injected::FailOnce, 3);
    let runner = stage.world.runner().with_failpoints(injector.clone());
    for struck in 1..=3 {
        // With the clock standing still, only a retry lets it try again.
        while runner.tick().await.expect("the catalogue answers") {}
        assert_eq!((injector.struck(), stage.world.stored_state(&id).await.as_str()), (struck, "preflight"));
        assert!(controls::retry_now(deployment, Kind::Move, &id, &by()).await.expect("woken"));
        assert!(!controls::retry_now(deployment, Kind::Move, &id, &by()).await.expect("due already"));
    }
    stage.settle(NoFailpoints).await;
    stage.has_moved(&id, "eu-west-1").await;
}

/// A world whose clock is moved by the test, in which the tenant moves to and fro.
struct Stage {
    world: World,
    clock: Arc<ManualClock>,
    data: Holdings,
    moved: bool,
}

impl Stage {
    async fn new(database: Database) -> Self {
        let seed = Seed { issues: 0, activity: 0, media: 3 };
        let Clocked { world, clock } = Clocked::seeded(database, seed, |yaml| yaml).await;
        let data = world.holdings("us-east-1", TENANT).await;
        Self { world, clock, data, moved: false }
    }

    fn clock_now(&self) -> i64 {
        store::Clock::now(&*self.clock)
    }

    /// The other realm and its region.
    fn next(&mut self) -> (&'static str, &'static str) {
        self.moved = !self.moved;
        if self.moved { ("eu", "eu-west-1") } else { ("us", "us-east-1") }
    }

    /// Runs until nothing is done any more for two seconds of the clock.
    async fn settle(&self, failpoints: impl Failpoints) {
        let runner = self.world.runner().with_failpoints(failpoints);
        let mut idle = 0;
        while idle < 10 {
            if runner.tick().await.expect("the catalogue answers") {
                idle = 0;
            } else {
                idle += 1;
                self.clock.advance(200);
            }
        }
    }

    /// Runs until nothing is done any more, and pauses everything when the point is reached.
    async fn settle_paused_at(&self, target: &Target) {
        let deployment = self.world.deployment.clone();
        let pause = Interject::new(target.clone(), move || {
            let deployment = deployment.clone();
            async move { drop(controls::pause_all(&deployment, &by()).await.expect("a pause is never refused")) }
        });
        self.settle(pause.clone()).await;
        assert!(pause.was_reached(), "{target:?}");
    }

    /// Everything goes on, and the move ends well.
    async fn resumed_it_has_moved(&self, id: &str, region: &str) {
        assert!(controls::resume_all(&self.world.deployment, &by()).await.expect("it resumes"));
        self.settle(NoFailpoints).await;
        self.has_moved(id, region).await;
    }

    /// Runs while the clock goes on for so many milliseconds.
    async fn pass(&self, millis: i64) {
        let (runner, until) = (self.world.runner(), self.clock_now() + millis);
        while self.clock_now() < until {
            if !runner.tick().await.expect("the catalogue answers") {
                self.clock.advance(100);
            }
        }
    }

    async fn tick_until(&self, id: &str, state: &str) {
        let runner = self.world.runner();
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

    /// The move and its removals are done, and all data is where it should be.
    async fn has_moved(&self, id: &str, region: &str) {
        let done = self.world.view(id).await;
        assert_eq!(done.state, "completed", "{done:?}");
        assert!(done.removals.iter().all(|removal| removal.state == "done"), "{done:?}");
        assert_eq!(self.world.holdings(region, TENANT).await, self.data);
        let other = if region == "us-east-1" { "eu-west-1" } else { "us-east-1" };
        assert!(self.world.holdings(other, TENANT).await.is_empty());
        let entries = self.world.entries().await;
        assert!(entries.values().all(|state| [EntryState::Live, EntryState::Absent].contains(state)), "{entries:?}");
        self.world.no_task_is_left(id).await;
    }
}
