//! P1: a move that fails for good at any state brings the tenant back online where it was, and what it was adding is
//! removed. Before it is offline it ends as `failed`, and the tenant never was.

use acceptance::strike::{Blow, Striker, Strikers, Target};
use acceptance::world::Holdings;
use acceptance::{Database, World};
use catalogue::ledger::CellState;
use catalogue::tenants::TenantStatus;
use engine::probe::{Moment, NoProbe};
use workflows::realm_move::MoveView;

on_both_databases!(failed_for_good_at_every_state, failed_at_every_state);
on_both_databases!(failed_for_good_in_every_task, failed_in_every_task);
on_both_databases!(a_passing_failure_that_never_passes_is_given_up, never_passing_failures_are_given_up);
on_both_databases!(re_online_is_retried_until_it_succeeds, re_online_is_retried);
on_both_databases!(a_lost_reply_is_read_back_at_every_state, lost_replies_are_read_back);
on_both_databases!(a_passing_failure_is_retried_at_every_state, passing_failures_are_retried);

const STATES: [&str; 9] =
    ["scheduled", "preflight", "waiting", "offline", "drain", "add_data", "verify", "commit", "notify"];
const NEVER_OFFLINE: [&str; 4] = ["scheduled", "preflight", "waiting", "offline"];

async fn failed_at_every_state(database: Database) {
    let stage = Stage::new(database).await;
    for state in STATES {
        let striker = Striker::new(Target::step("move", state, Moment::Written), Blow::FailForGood, 1);
        let epoch = stage.world.tenant().await.epoch;
        let done = stage.world.run_move("eu", striker.clone()).await;
        assert_eq!(striker.struck(), 1, "{state}: not struck there");
        stage.failed_from(&done, state).await;
        match state {
            "notify" => {
                assert_eq!(done.state, "completed", "{done:?}");
                assert!(done.warnings[0].contains("injected"), "{done:?}");
                return;
            }
            state if NEVER_OFFLINE.contains(&state) => {
                assert_eq!(done.state, "failed", "{state}: {done:?}");
                assert_eq!(stage.world.tenant().await.epoch, epoch, "{state}: the tenant never was offline");
                stage.is_as_before(state).await;
            }
            state => {
                assert_eq!(done.state, "rolled_back", "{state}: {done:?}");
                assert_eq!(stage.world.tenant().await.epoch, epoch + 2, "{state}");
                assert_eq!(done.removals.len(), 3, "{state}: what was being added is removed: {done:?}");
                stage.is_as_before(state).await;
            }
        }
    }
    panic!("the loop ends at notify");
}

async fn failed_in_every_task(database: Database) {
    let stage = Stage::new(database).await;
    for kind in ["copy", "verify"] {
        // Written: after a checkpoint, so that something has been copied by then.
        let striker = Striker::new(Target::task(kind, Moment::Written), Blow::FailForGood, 1);
        let done = stage.world.run_move("eu", striker.clone()).await;
        assert!(striker.struck() >= 1, "{kind}: not struck");
        assert_eq!(done.state, "rolled_back", "{kind}: {done:?}");
        assert_eq!(done.error.as_ref().map(|error| error.code.as_str()), Some("injected"), "{kind}: {done:?}");
        stage.is_as_before(kind).await;
    }
    let in_its_task = Target::task("remove", Moment::Before);
    removal_fails_and_is_replayed(&stage, in_its_task, ["eu", "eu-west-1", "us-east-1"]).await;
    // Here its tasks are open or done when it fails: what is left of them must not stand in a replay's way.
    let in_its_step = Target::step("removal", "removing", Moment::Written);
    removal_fails_and_is_replayed(&stage, in_its_step, ["us", "us-east-1", "eu-west-1"]).await;
}

/// Each attempt gets as far as its first checkpoint and fails there: no attempt gets further than the one before.
async fn never_passing_failures_are_given_up(database: Database) {
    let stage = Stage::new(database).await;
    for kind in ["copy", "verify"] {
        let striker = Striker::new(Target::task(kind, Moment::Written), Blow::FailOnce, u32::MAX);
        let done = stage.world.run_move("eu", striker.clone()).await;
        assert!(striker.struck() >= 8, "{kind}: tried {} times", striker.struck());
        assert_eq!(done.state, "rolled_back", "{kind}: {done:?}");
        assert_eq!(done.error.as_ref().map(|error| error.code.as_str()), Some("injected"), "{kind}: {done:?}");
        stage.is_as_before(kind).await;
    }
}

/// A failed removal leaves the tenant online in its new realm; it is listed, and a replay finishes it.
async fn removal_fails_and_is_replayed(stage: &Stage, target: Target, [realm, region, left]: [&str; 3]) {
    use workflows::removal::{ReplayOutcome, list_removals, replay_removal};
    let world = &stage.world;
    let striker = Striker::new(target, Blow::FailForGood, 1);
    let done = world.run_move(realm, striker.clone()).await;
    assert!(striker.struck() >= 1);
    assert_eq!((done.state.as_str(), world.tenant().await.status), ("completed", TenantStatus::Online), "{done:?}");
    let mut tx = world.deployment.store.read().await.expect("a read begins");
    let failed = list_removals(&mut tx, None, Some("failed"), None, 10).await.expect("removals can be listed");
    tx.rollback().await.expect("a read ends");
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert_eq!(failed[0].error.as_ref().map(|error| error.code.as_str()), Some("injected"));
    let by = workflows::requester::Requester::realmctl("test");
    let outcome = replay_removal(&world.deployment, &failed[0].id, false, &by).await.expect("the replay is accepted");
    assert_eq!(outcome, ReplayOutcome::Replayed);
    let again = replay_removal(&world.deployment, &failed[0].id, false, &by).await.expect("twice is safe");
    assert_eq!(again, ReplayOutcome::StillRunning);
    let ended = || async { world.stored_state(&failed[0].id).await == "done" };
    world.run_until(NoProbe, ended).await;
    let late = replay_removal(&world.deployment, &failed[0].id, false, &by).await.expect("late is safe");
    assert_eq!(late, ReplayOutcome::AlreadyDone);
    assert!(world.holdings(left, "acme").await.is_empty());
    assert_eq!(world.holdings(region, "acme").await, stage.data);
    assert_eq!(world.neighbour().await, stage.neighbour);
}

async fn re_online_is_retried(database: Database) {
    let stage = Stage::new(database).await;
    let first = Striker::new(Target::step("move", "add_data", Moment::Before), Blow::FailForGood, 1);
    let stubborn = Striker::new(Target::step("move", "re_online", Moment::Written), Blow::FailForGood, 8);
    let done = stage.world.run_move("eu", Strikers(vec![first.clone(), stubborn.clone()])).await;
    assert!(first.struck() >= 1 && stubborn.struck() > 8, "{} and {}", first.struck(), stubborn.struck());
    assert_eq!(done.state, "rolled_back", "{done:?}");
    stage.is_as_before("re_online").await;
}

async fn lost_replies_are_read_back(database: Database) {
    let mut stage = Stage::new(database).await;
    for state in STATES {
        let striker = Striker::new(Target::step("move", state, Moment::Recorded), Blow::LoseReply, 1);
        let (realm, region) = stage.next();
        let done = stage.world.run_move(realm, striker.clone()).await;
        assert!(striker.struck() >= 1, "{state}: not struck");
        assert_eq!(done.state, "completed", "{state}: {done:?}");
        assert_eq!(stage.world.holdings(region, "acme").await, stage.data, "{state}");
        let entered = stage.world.history(&done.id).await;
        let path: Vec<&str> = entered.iter().map(|(_, to, _)| to.as_str()).collect();
        assert_eq!(path, [&STATES[1..], &["completed"]].concat(), "{state}: every state was entered once");
    }
}

async fn passing_failures_are_retried(database: Database) {
    let mut stage = Stage::new(database).await;
    for state in STATES {
        let striker = Striker::new(Target::step("move", state, Moment::Written), Blow::FailOnce, 2);
        let (realm, region) = stage.next();
        let done = stage.world.run_move(realm, striker.clone()).await;
        assert!(striker.struck() > 2, "{state}: struck {} times", striker.struck());
        assert_eq!(done.state, "completed", "{state}: {done:?}");
        assert_eq!(stage.world.holdings(region, "acme").await, stage.data, "{state}");
    }
}

/// A world, what the tenant's data was, and where the tenant is.
struct Stage {
    world: World,
    data: Holdings,
    neighbour: (Holdings, Holdings),
    moved: bool,
}

impl Stage {
    async fn new(database: Database) -> Self {
        let world = World::new(database).await;
        let data = world.holdings("us-east-1", "acme").await;
        let neighbour = world.neighbour().await;
        Self { world, data, neighbour, moved: false }
    }

    /// The other realm and its region.
    fn next(&mut self) -> (&'static str, &'static str) {
        self.moved = !self.moved;
        if self.moved { ("eu", "eu-west-1") } else { ("us", "us-east-1") }
    }

    /// The history says that the failure happened at that state, and was the injected one.
    async fn failed_from(&self, done: &MoveView, state: &str) {
        let history = self.world.history(&done.id).await;
        let left = history.iter().find(|(from, _, _)| from == state).expect("the move got to the state");
        if state != "notify" {
            assert!(left.2.starts_with("injected"), "{state}: left with {left:?}");
        }
    }

    /// The tenant is online in us with all its data, and nothing of it is anywhere else.
    async fn is_as_before(&self, what: &str) {
        let tenant = self.world.tenant().await;
        assert_eq!((tenant.realm.as_str(), tenant.status), ("us", TenantStatus::Online), "{what}");
        assert_eq!((tenant.mover, tenant.lease_until), (None, None), "{what}");
        assert_eq!(self.world.holdings("us-east-1", "acme").await, self.data, "{what}");
        assert!(self.world.holdings("eu-west-1", "acme").await.is_empty(), "{what}: the target is emptied");
        assert_eq!(self.world.neighbour().await, self.neighbour, "{what}");
        for ((service, region), state) in self.world.cells().await {
            let expected = if region == "us-east-1" { CellState::Live } else { CellState::Absent };
            assert_eq!(state, expected, "{what}: {service} in {region}");
        }
    }
}
