//! P9, for every kind of workflow and task in one list: each step failing for a while and for good, each reply lost, and each
//! step and task overtaken by another process that does the same while the first one goes on with what it knew. Effects happen
//! once, and in the end everything is as after an undisturbed run. Each test asserts that it struck where it meant to. Each state
//! is struck on one of the two databases, in turns (`Database::share`).

use std::sync::Arc;

use acceptance::failpoint_actions::{Injected, Injector, Injectors, Interject, Target};
use acceptance::harness::{Ran, Stage, outline};
use acceptance::kinds::{Begin, KINDS, Kind, TASKS};
use acceptance::{Database, timing};
use engine::Runner;
use engine::failpoints::{Failpoints, Moment, NoFailpoints};
use store::ManualClock;

on_both_databases!(a_passing_failure_is_retried_at_every_state, passing_failures);
on_both_databases!(a_lost_reply_is_read_back_at_every_state, lost_replies);
on_both_databases!(a_lost_reply_that_can_t_be_read_back_either_is_found_by_the_next_step, replies_lost_twice);
on_both_databases!(a_failure_for_good_at_every_state_leaves_nothing_behind, failures_for_good);
on_both_databases!(a_step_that_was_overtaken_changes_nothing, overtaken_steps);
on_both_databases!(a_task_that_was_overtaken_changes_nothing, overtaken_tasks);

#[tokio::test]
async fn the_lists_are_complete() {
    let (url, _folder) = acceptance::world::fresh_store(Database::Sqlite).await;
    let registry = workflows::registry(&acceptance::world::deploy(&url).await);
    let sorted = |mut names: Vec<&'static str>| {
        names.sort_unstable();
        names
    };
    let missing = "add the kind to tests/src/kinds.rs, so that every driver strikes at it";
    assert_eq!(sorted(KINDS.map(|kind| kind.name).to_vec()), registry.workflow_kinds(), "{missing}");
    assert_eq!(sorted(TASKS.to_vec()), registry.task_kinds(), "{missing}");
    for kind in KINDS {
        let listed = sorted([kind.path, kind.others].concat());
        assert_eq!(listed, sorted(kind.all.to_vec()), "every state of {} is on its path or beside it", kind.name);
    }
}

/// Strikes at each state of each kind, on one database or the other. The run must come to the same as an undisturbed one.
async fn strike_everywhere((database, turn): (Database, usize), moment: Moment, fault: Injected, times: u32) {
    for kind in KINDS {
        let mut stage = Stage::new(database).await;
        let undisturbed = stage.run(kind.begin, NoFailpoints).await;
        assert_path(&undisturbed, &kind);
        for state in database.share(kind.path, turn) {
            let injector = Injector::new(Target::step(kind.name, state, moment), fault, times);
            let ran = stage.run(kind.begin, injector.clone()).await;
            let what = format!("{fault:?} at {} {state}", kind.name);
            assert!(injector.struck() >= times, "{what}: struck {} times", injector.struck());
            assert_eq!(outline(&ran), outline(&undisturbed), "{what}");
            stage.is_sound(&what).await;
        }
    }
}

/// An undisturbed run goes through the states that the list names: else the drivers would strike past it.
fn assert_path(ran: &[Ran], kind: &Kind) {
    let of_kind = ran.iter().find(|one| one.kind == kind.name).expect("a workflow of the kind ran");
    for state in kind.path {
        assert!(of_kind.path.iter().any(|entered| entered == state), "{} never was {state}: {of_kind:?}", kind.name);
    }
}

async fn passing_failures(database: Database) {
    strike_everywhere((database, 0), Moment::Written, Injected::FailOnce, 2).await;
}

async fn lost_replies(database: Database) {
    strike_everywhere((database, 1), Moment::Recorded, Injected::LoseReply, 1).await;
}

/// The holder does not know that its step was committed, and begins it again with what it knew.
async fn replies_lost_twice(database: Database) {
    for kind in KINDS {
        let mut stage = Stage::new(database).await;
        let undisturbed = stage.run(kind.begin, NoFailpoints).await;
        for state in database.share(kind.path, 0) {
            let lost = |moment| Injector::new(Target::step(kind.name, state, moment), Injected::LoseReply, 1);
            let (reply, read_back) = (lost(Moment::Recorded), lost(Moment::ReadBack));
            let ran = stage.run(kind.begin, Injectors(vec![reply.clone(), read_back.clone()])).await;
            let what = format!("reply and reading back lost at {} {state}", kind.name);
            assert!(reply.struck() >= 1 && read_back.struck() >= 1, "{what}: not struck there");
            assert_eq!(outline(&ran), outline(&undisturbed), "{what}");
            for one in ran.iter().filter(|one| one.kind == "move") {
                let view = stage.world.view(&one.id).await;
                assert_eq!((view.error, view.warnings), (None, Vec::new()), "{what}");
            }
            stage.is_sound(&what).await;
        }
    }
}

async fn failures_for_good(database: Database) {
    for kind in KINDS {
        let mut stage = Stage::new(database).await;
        for state in database.share(kind.path, 1) {
            let injector = Injector::new(Target::step(kind.name, state, Moment::Written), Injected::FailForGood, 1);
            let epoch = stage.world.tenant().await.epoch;
            let ran = stage.run(kind.begin, injector.clone()).await;
            let what = format!("failed for good at {} {state}", kind.name);
            assert!(injector.struck() >= 1, "{what}: not struck there");
            let expected = (kind.given_up)(state);
            let ends: Vec<&str> = ran.iter().filter(|one| one.kind == kind.name).map(Ran::end).collect();
            assert!(ends.contains(&expected), "{what}: came to rest as {ends:?} and not as {expected}");
            assert!(the_injected_one(&stage, &ran, &kind, state).await, "{what}: for another reason");
            if kind.name == "move" {
                let never_offline = expected == "failed";
                let raised = stage.world.tenant().await.epoch - epoch;
                assert_eq!(raised, if never_offline { 0 } else { 2 }, "{what}: offline once, or never");
                let removals = ran.iter().filter(|one| one.kind == "removal").count();
                assert_eq!(removals, if never_offline { 0 } else { 4 }, "{what}: what was added or left is removed");
            }
            stage.heal().await;
            stage.is_sound(&what).await;
        }
    }
}

/// The history of a workflow of the kind says that it left the state for the injected failure. (A move that could not tell the
/// world has a warning instead.)
async fn the_injected_one(stage: &Stage, ran: &[Ran], kind: &Kind, state: &str) -> bool {
    for one in ran.iter().filter(|one| one.kind == kind.name) {
        let history = stage.world.history(&one.id).await;
        if history.iter().any(|(from, _, note)| from == state && note.starts_with("injected")) {
            return true;
        }
        if state == "notify" {
            return stage.world.view(&one.id).await.warnings.iter().any(|warning| warning.contains("injected"));
        }
    }
    false
}

async fn overtaken_steps(database: Database) {
    for kind in KINDS {
        let mut overtaking = Overtaking::new(database, kind.begin).await;
        for state in database.share(kind.path, 0) {
            // Later the row is locked, or the step is done; earlier it has not looked at anything yet.
            overtaking.strike(kind.begin, Target::step(kind.name, state, Moment::Observed)).await;
        }
    }
}

async fn overtaken_tasks(database: Database) {
    let mut overtaking = Overtaking::new(database, Begin::Move).await;
    for task in TASKS {
        for moment in [Moment::Before, Moment::Written] {
            overtaking.strike(Begin::Move, Target::task(task, moment)).await;
        }
    }
}

/// A stage on which one process is held up until another has done everything that there was to do.
struct Overtaking {
    stage: Stage,
    clock: Arc<ManualClock>,
    undisturbed: Vec<Ran>,
}

impl Overtaking {
    async fn new(database: Database, begin: Begin) -> Self {
        let (stage, clock) = Stage::on_manual_clock(database).await;
        let mut overtaking = Self { stage, clock, undisturbed: Vec::new() };
        overtaking.undisturbed = overtaking.run(begin, NoFailpoints).await;
        overtaking
    }

    async fn run(&mut self, begin: Begin, failpoints: impl Failpoints) -> Vec<Ran> {
        self.stage.begin(begin).await;
        let runner = self.stage.world.runner().with_failpoints(failpoints);
        for _ in 0..100_000 {
            if self.stage.is_at_rest().await {
                return self.stage.ran().await;
            }
            if !runner.tick().await.expect("the catalogue answers") {
                self.clock.advance(20);
            }
        }
        panic!("it does not come to rest: {:?}", self.stage.ran().await);
    }

    /// At `target`, the lease runs out, and another process does all that is due, this step included; then the first goes on.
    async fn strike(&mut self, begin: Begin, target: Target) {
        let other = Arc::new(self.stage.world.runner());
        let clock = Arc::clone(&self.clock);
        let overtake = Interject::new(target.clone(), move || {
            let (other, clock) = (Arc::clone(&other), Arc::clone(&clock));
            async move {
                clock.advance(workflows::timing::millis(timing::short().lease) + 1);
                assert!(does_all_that_is_due(&other).await > 0, "the other process found nothing to take over");
            }
        });
        let ran = self.run(begin, overtake.clone()).await;
        assert!(overtake.was_reached(), "{target:?}");
        assert_eq!(outline(&ran), outline(&self.undisturbed), "{target:?}");
        self.stage.is_sound(&format!("overtaken at {target:?}")).await;
    }
}

/// How much it did.
async fn does_all_that_is_due(runner: &Runner) -> u32 {
    for done in 0..10_000 {
        if !runner.tick().await.expect("the catalogue answers") {
            return done;
        }
    }
    panic!("there is always something due");
}
