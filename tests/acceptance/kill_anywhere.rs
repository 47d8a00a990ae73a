//! P9: `kill -9` at any point of any kind of workflow or task, and the work goes on from the last record to the same result.

use acceptance::Database;
use acceptance::child::{run_if_child, run_until_killed};
use acceptance::failpoint_actions::Target;
use acceptance::harness::{Ran, Stage, outline};
use acceptance::kinds::{Begin, KINDS, TASKS};
use engine::failpoints::{Moment, NoFailpoints};
use std::os::unix::process::ExitStatusExt;

/// Not a test of its own: the entry of the child process that is killed. Without options it ends at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    run_if_child().await;
}

/// The child's main function, by its full name.
const ENTRY: &str = "kill_anywhere::child";
const MOMENTS: [Moment; 4] = [Moment::Before, Moment::Observed, Moment::Written, Moment::Recorded];

on_both_databases!(killed_at_every_step_of_every_kind, killed_at_every_step);
on_both_databases!(killed_on_the_way_back_online, killed_going_back);
on_both_databases!(killed_in_every_task, killed_in_every_task_of_a_move);

async fn killed_at_every_step(database: Database) {
    for kind in KINDS {
        let mut run = Run::new(database, kind.begin).await;
        for (turn, state) in kind.path.iter().enumerate() {
            for moment in database.share(&MOMENTS, turn) {
                run.strike(Target::step(kind.name, state, moment)).await;
            }
        }
    }
}

/// Whatever dies while a failed move brings its tenant back: the tenant comes back, once, and the target is emptied.
async fn killed_going_back(database: Database) {
    let mut stage = Stage::new(database).await;
    for moment in MOMENTS {
        let epoch = stage.world.tenant().await.epoch;
        let target = Target::step("move", "re_online", moment);
        stage.begin(Begin::Move).await;
        let fail_at = Some(Target::step("move", "verify", Moment::Before));
        let status = run_until_killed(&stage.world.store_url, &target, fail_at, ENTRY).await;
        assert_eq!(status.signal(), Some(9), "{target:?}: the child was not killed but ended with {status}");
        died_there(&stage.ran().await, &target);

        stage.world.run_until(NoFailpoints, || stage.is_at_rest()).await;

        let ran = stage.ran().await;
        let back = ran.iter().find(|one| one.kind == "move").expect("the move ran");
        assert_eq!(back.end(), "rolled_back", "{target:?}");
        assert_eq!(back.path.iter().filter(|entered| *entered == "re_online").count(), 1, "{target:?}: once");
        let tenant = stage.world.tenant().await;
        assert_eq!((tenant.realm.as_str(), tenant.epoch), ("us", epoch + 2), "{target:?}");
        stage.is_sound(&format!("{target:?}")).await;
    }
}

async fn killed_in_every_task_of_a_move(database: Database) {
    let mut run = Run::new(database, Begin::Move).await;
    for kind in TASKS {
        for moment in [Moment::Before, Moment::Written, Moment::Recorded] {
            run.strike(Target::task(kind, moment)).await;
        }
    }
}

/// A stage on which the same is run again and again, each time with a kill on the way.
struct Run {
    stage: Stage,
    begin: Begin,
    undisturbed: Vec<Ran>,
}

impl Run {
    async fn new(database: Database, begin: Begin) -> Self {
        let mut stage = Stage::new(database).await;
        let undisturbed = stage.run(begin, NoFailpoints).await;
        Self { stage, begin, undisturbed }
    }

    /// A run with a kill at `target`; another process finishes it, and it comes to the same as an undisturbed one: effects on
    /// the catalogue happen exactly once, however often a step was begun.
    async fn strike(&mut self, target: Target) {
        let stage = &mut self.stage;
        stage.begin(self.begin).await;
        let status = run_until_killed(&stage.world.store_url, &target, None, ENTRY).await;
        assert_eq!(status.signal(), Some(9), "{target:?}: the child was not killed but ended with {status}");
        if !TASKS.contains(&target.kind.as_str()) {
            died_there(&stage.ran().await, &target);
        }
        stage.world.run_until(NoFailpoints, || stage.is_at_rest()).await;
        assert_eq!(outline(&stage.ran().await), outline(&self.undisturbed), "{target:?}");
        stage.is_sound(&format!("{target:?}")).await;
    }
}

/// What is stored tells where the child died: a workflow of the kind is in that state, or, once the step was recorded, has been.
fn died_there(ran: &[Ran], target: &Target) {
    let of_kind: Vec<&Ran> = ran.iter().filter(|one| one.kind == target.kind).collect();
    let recorded = target.moment == "recorded";
    let there = of_kind.iter().any(|one| one.end() == target.state || (recorded && one.path.contains(&target.state)));
    assert!(there, "{target:?}: {of_kind:?}");
}
