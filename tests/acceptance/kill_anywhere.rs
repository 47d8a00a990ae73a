//! P9: `kill -9` at any point of a move, and the work goes on from the last record to the same result.

use acceptance::child::{run_if_child, run_until_killed};
use acceptance::strike::Target;
use acceptance::{Database, World};
use catalogue::tenants::TenantStatus;
use engine::probe::{Moment, NoProbe};
use std::os::unix::process::ExitStatusExt;

/// Not a test of its own: the entry of the child process that is killed. Without orders it ends at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    run_if_child().await;
}

/// The child's main function, by its full name.
const ENTRY: &str = "kill_anywhere::child";
const STATES: [&str; 9] =
    ["scheduled", "preflight", "waiting", "offline", "drain", "add_data", "verify", "commit", "notify"];
const WAITING: [&str; 3] = ["drain", "add_data", "verify"];
const MOMENTS: [Moment; 4] = [Moment::Before, Moment::Observed, Moment::Written, Moment::Recorded];

on_both_databases!(killed_at_every_step_of_a_move, killed_at_every_step);
on_both_databases!(killed_on_the_way_back_online, killed_going_back);
on_both_databases!(killed_in_every_task_and_removal, killed_in_tasks_and_removals);

async fn killed_at_every_step(database: Database) {
    let mut stage = Stage::new(database).await;
    for state in STATES {
        for moment in MOMENTS {
            stage.strike(Target::step("move", state, moment)).await;
        }
    }
}

/// Whatever dies while a failed move brings its tenant back: the tenant comes back, once, and the target is emptied.
async fn killed_going_back(database: Database) {
    let stage = Stage::new(database).await;
    let world = &stage.world;
    for moment in MOMENTS {
        let epoch = world.tenant().await.epoch;
        let target = Target::step("move", "re_online", moment);
        let id = world.start_move("eu").await;
        let fail_at = Some(Target::step("move", "verify", Moment::Before));
        let status = run_until_killed(&world.store_url, &target, fail_at, ENTRY).await;
        assert_eq!(status.signal(), Some(9), "{target:?}: the child was not killed but ended with {status}");
        stage.died_there(&id, &target).await;

        world.run_until(NoProbe, || world.has_ended(&id)).await;

        assert_eq!(world.view(&id).await.state, "rolled_back", "{target:?}");
        let tenant = world.tenant().await;
        assert_eq!((tenant.realm.as_str(), tenant.status, tenant.epoch), ("us", TenantStatus::Online, epoch + 2));
        assert_eq!(world.holdings("us-east-1", "acme").await, stage.data, "{target:?}");
        assert!(world.holdings("eu-west-1", "acme").await.is_empty(), "{target:?}");
        each_state_entered_once(&world.history(&id).await, &target);
    }
}

async fn killed_in_tasks_and_removals(database: Database) {
    let mut stage = Stage::new(database).await;
    for kind in ["copy", "verify", "compare", "remove"] {
        for moment in [Moment::Before, Moment::Written, Moment::Recorded] {
            stage.strike(Target::task(kind, moment)).await;
        }
    }
    for state in ["waiting", "comparing", "removing"] {
        for moment in MOMENTS {
            stage.strike(Target::step("removal", state, moment)).await;
        }
    }
}

/// One world in which the tenant moves back and forth, each time with a kill on the way.
struct Stage {
    world: World,
    data: acceptance::world::Holdings,
    neighbour: (acceptance::world::Holdings, acceptance::world::Holdings),
    at: (&'static str, &'static str),
}

impl Stage {
    async fn new(database: Database) -> Self {
        let world = World::new(database).await;
        let data = world.holdings("us-east-1", "acme").await;
        let neighbour = world.neighbour().await;
        Self { world, data, neighbour, at: ("us", "us-east-1") }
    }

    /// Moves the tenant to the other realm with a kill at `target`, lets another process finish, and compares the end.
    async fn strike(&mut self, target: Target) {
        let (realm, region) = if self.at.0 == "us" { ("eu", "eu-west-1") } else { ("us", "us-east-1") };
        let world = &self.world;
        let id = world.start_move(realm).await;
        let status = run_until_killed(&world.store_url, &target, None, ENTRY).await;
        assert_eq!(status.signal(), Some(9), "{target:?}: the child was not killed but ended with {status}");
        self.died_there(&id, &target).await;

        world.run_until(NoProbe, || world.has_ended(&id)).await;

        world.no_task_is_left(&id).await;
        let done = world.view(&id).await;
        assert_eq!(done.state, "completed", "{target:?}: {done:?}");
        assert!(done.removals.iter().all(|removal| removal.state == "done"), "{target:?}: {done:?}");
        assert_eq!(world.holdings(region, "acme").await, self.data, "{target:?}");
        assert!(world.holdings(self.at.1, "acme").await.is_empty(), "{target:?}");
        assert_eq!(world.neighbour().await, self.neighbour, "{target:?}");
        each_state_entered_once(&world.history(&id).await, &target);
        self.at = (realm, region);
    }

    /// What is stored tells where the child died: in the state itself, or, once the step was recorded, past it. (A step of
    /// a state that waits may be recorded without leaving it.)
    async fn died_there(&self, id: &str, target: &Target) {
        if target.kind != "move" {
            return;
        }
        let stored = self.world.stored_state(id).await;
        if target.moment == "recorded" && WAITING.contains(&target.state.as_str()) {
            let history = self.world.history(id).await;
            assert!(history.iter().any(|(_, to, _)| *to == target.state), "{target:?}: never reached, {history:?}");
        } else if target.moment == "recorded" {
            assert_ne!(stored, target.state, "{target:?}: recorded, so the move is past that state");
        } else {
            assert_eq!(stored, target.state, "{target:?}");
        }
    }
}

/// Effects on the catalogue happen exactly once, however often a step was begun.
fn each_state_entered_once(history: &[(String, String, String)], target: &Target) {
    let mut entered: Vec<&str> = history.iter().map(|(_, to, _)| to.as_str()).collect();
    let all = entered.len();
    entered.sort_unstable();
    entered.dedup();
    assert_eq!(entered.len(), all, "{target:?}: {history:?}");
}
