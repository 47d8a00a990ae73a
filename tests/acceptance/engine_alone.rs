//! P9 from below, the engine by itself: steps that share a commit, what is claimed first, announcements, draining and forgetting.

mod machines;

use std::collections::BTreeMap;
use std::time::Duration;

use acceptance::Database;
use acceptance::world::wait_until;
use engine::RunnerSettings;
use store::sql;

use machines::{Blow, EndlessTask, Stage, Walk, Working};

on_both_databases!(steps_that_share_a_commit_all_reach_their_end_once, sharing);
on_both_databases!(a_step_that_fails_or_panics_does_not_hurt_its_neighbours, failing_neighbours);
on_both_databases!(a_row_taken_over_is_lost_to_its_old_holder_alone, taken_over_in_a_group);
on_both_databases!(higher_priorities_are_claimed_first_and_paused_work_never, priorities);
on_both_databases!(tasks_have_the_priority_of_their_workflow, task_priorities);
on_both_databases!(a_task_that_never_ends_is_handed_over_on_stop, handed_over);
on_both_databases!(work_that_does_not_end_in_time_is_dropped_on_stop, dropped_on_stop);
on_both_databases!(a_task_that_is_taken_over_stops_at_once, lost_lease_stops_work);
on_both_databases!(what_ended_long_ago_is_forgotten_unless_needed, pruning);

/// As long as a lease in these tests: nobody waits for one to run out.
const HOUR: Duration = Duration::from_secs(3600);

fn settings() -> RunnerSettings {
    RunnerSettings {
        lease: HOUR,
        heartbeat: Duration::from_millis(20),
        poll: Duration::from_millis(20),
        ..RunnerSettings::default()
    }
}

async fn sharing(database: Database) {
    let stage = Stage::new(database).await;
    for number in 0..40 {
        stage.start(&format!("w{number:02}"), Walk::plain()).await;
    }
    stage.run_until_ended(settings(), 40).await;
    for number in 0..40 {
        stage.walked_once(&format!("w{number:02}"), "done").await;
    }
}

async fn failing_neighbours(database: Database) {
    let stage = Stage::new(database).await;
    for number in 0..30 {
        let blow = match number {
            7 => Some(Blow::Fail),
            13 => Some(Blow::Panic),
            21 => Some(Blow::BadStatement),
            _ => None,
        };
        stage.start(&format!("w{number:02}"), Walk { blow_at: 2, blow, ..Walk::plain() }).await;
    }
    stage.run_until_ended(settings(), 30).await;
    for number in 0..30 {
        let failed = [7, 13, 21].contains(&number);
        stage.walked_once(&format!("w{number:02}"), if failed { "failed" } else { "done" }).await;
    }
}

/// While a workflow waits in the middle of its step, somebody else takes it over: the old holder's step changes nothing, and
/// those that share its commit go on.
async fn taken_over_in_a_group(database: Database) {
    let stage = Stage::new(database).await;
    for number in 0..10 {
        let blow = (number == 4).then_some(Blow::TakenOver);
        stage.start(&format!("w{number:02}"), Walk { blow_at: 1, blow, ..Walk::plain() }).await;
    }
    stage.run_until_ended(settings(), 9).await;
    for number in (0..10).filter(|number| *number != 4) {
        stage.walked_once(&format!("w{number:02}"), "done").await;
    }
    let (state, fence) = stage.state_and_fence("w04").await;
    assert_eq!((state.as_str(), fence), ("at_1", 1_001), "only the take-over has been written");
}

async fn priorities(database: Database) {
    let stage = Stage::new(database).await;
    for (id, priority, paused) in [("low", 0, 0), ("normal", 1, 0), ("high", 2, 0), ("held", 2, 4), ("urgent", 2, 0)] {
        stage.start(id, Walk::plain()).await;
        let set = sql("UPDATE workflows SET priority = $1, paused = $2 WHERE id = $3");
        stage.execute(set.bind(priority).bind(paused).bind(id)).await;
    }
    stage.execute(sql("UPDATE workflows SET wake_at = 1 WHERE id = 'urgent'")).await;
    let runner = stage.runner("ticking", settings());
    let (mut order, mut steps) = (Vec::new(), BTreeMap::new());
    while runner.tick().await.expect("a tick") {
        for row in stage.rows("SELECT id, steps FROM workflows WHERE steps > 0").await {
            let (id, now) = (row.text("id").expect("an id"), row.int("steps").expect("a number"));
            if steps.insert(id.clone(), now).is_none() {
                order.push(id);
            }
        }
    }
    assert_eq!(order, ["urgent", "high", "normal", "low"]);
    stage.execute(sql("UPDATE workflows SET paused = 0 WHERE id = 'held'")).await;
    while runner.tick().await.expect("a tick") {}
    stage.walked_once("held", "done").await;
}

async fn task_priorities(database: Database) {
    let stage = Stage::new(database).await;
    for (id, priority) in [("low", 0), ("high", 2)] {
        stage.start(id, Walk { fans_out: true, ..Walk::plain() }).await;
        stage.execute(sql("UPDATE workflows SET priority = $1 WHERE id = $2").bind(priority).bind(id)).await;
    }
    let runner = stage.runner("ticking", settings());
    // The one of high priority fans out and waits; then the other one fans out.
    for _ in 0..3 {
        assert!(runner.tick().await.expect("a tick"));
    }
    let tasks = stage.rows("SELECT workflow_id, priority FROM tasks").await;
    let priorities: BTreeMap<_, _> = tasks
        .iter()
        .map(|row| (row.text("workflow_id").expect("an id"), row.int("priority").expect("a number")))
        .collect();
    assert_eq!(priorities, BTreeMap::from([("high".to_owned(), 2), ("low".to_owned(), 0)]));
}

async fn handed_over(database: Database) {
    let stage = Stage::new(database).await;
    stage.start("w", Walk { fans_out: true, ..Walk::plain() }).await;
    let endless = EndlessTask::default();
    let first = Working::begin(stage.runner_with("first", settings(), &endless));
    wait_until(|| async { endless.begun() == 1 }).await;
    first.end().await;
    assert_eq!((endless.running(), endless.resumed_from()), (0, 0), "its work has stopped");

    let second = Working::begin(stage.runner_with("second", settings(), &endless));
    wait_until(|| async { endless.begun() == 2 }).await;
    assert_eq!(endless.resumed_from(), 1, "from its checkpoint, long before the lease of an hour would have run out");
    second.end().await;
}

async fn dropped_on_stop(database: Database) {
    let stage = Stage::new(database).await;
    stage.start("w", Walk { blow: Some(Blow::NeverSees), ..Walk::plain() }).await;
    let stuck = RunnerSettings { drain: Duration::from_millis(50), ..settings() };
    let working = Working::begin(stage.runner("stuck", stuck));
    wait_until(|| async { stage.state_and_fence("w").await.1 == 1 }).await;
    working.end().await;
    assert_eq!(stage.state_and_fence("w").await.0, "at_0");
}

async fn lost_lease_stops_work(database: Database) {
    let stage = Stage::new(database).await;
    stage.start("w", Walk { fans_out: true, ..Walk::plain() }).await;
    let endless = EndlessTask::default();
    let working = Working::begin(stage.runner_with("slow", settings(), &endless));
    wait_until(|| async { endless.begun() == 1 }).await;
    stage.execute(sql("UPDATE tasks SET fence = fence + 1, lease_owner = 'somebody else'")).await;
    wait_until(|| async { endless.running() == 0 }).await;
    let task = stage.rows("SELECT lease_owner, status FROM tasks").await;
    assert_eq!(task[0].text("lease_owner").expect("an owner"), "somebody else", "it did not touch what is not its own");
    assert_eq!(task[0].text("status").expect("a status"), "open");
    working.end().await;
}

async fn pruning(database: Database) {
    let stage = Stage::new(database).await;
    for (id, subject, walk) in [
        ("old", "a", Walk::plain()),
        ("sibling-fails", "b", Walk { blow_at: 1, blow: Some(Blow::Fail), ..Walk::plain() }),
        ("sibling-ended", "b", Walk::plain()),
        ("open", "c", Walk { blow_at: 1, blow: Some(Blow::Wait), ..Walk::plain() }),
        ("beside-open", "c", Walk::plain()),
        ("named", "d", Walk::plain()),
        ("young", "e", Walk::plain()),
    ] {
        stage.start_about(id, subject, walk).await;
    }
    stage.run_until_ended(settings(), 6).await;
    stage.execute(sql("UPDATE workflows SET finished_at = 1 WHERE id <> 'young' AND finished_at IS NOT NULL")).await;
    stage.execute(sql("INSERT INTO tenants (id, realm, created_in, status, epoch, mover, created_at, updated_at) VALUES ('d', 'us', 'us', 'online', 1, 'named', 0, 0)")).await;
    let runner = stage.runner("pruning", settings());
    assert_eq!(runner.prune(HOUR).await.expect("pruned"), 1);
    let left = stage.rows("SELECT id FROM workflows ORDER BY id").await;
    let left: Vec<_> = left.iter().map(|row| row.text("id").expect("an id")).collect();
    assert_eq!(left, ["beside-open", "named", "open", "sibling-ended", "sibling-fails", "young"]);
    let of_old = stage.rows("SELECT seq FROM history WHERE workflow_id = 'old'").await;
    assert!(of_old.is_empty(), "its history is gone with it");
    assert!(!stage.rows("SELECT seq FROM history WHERE workflow_id = 'young'").await.is_empty());
    assert_eq!(runner.prune(HOUR).await.expect("pruned"), 0, "nothing more");
    stage.execute(sql("UPDATE tenants SET mover = NULL")).await;
    assert_eq!(runner.prune(HOUR).await.expect("pruned"), 1, "nobody names it any more");
}

/// Postgres alone: SQLite's processes find out by looking.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_process_hears_of_work_at_once_also_after_its_connection_was_cut_postgres() {
    let stage = Stage::new(Database::Postgres).await;
    let never_looks = RunnerSettings { poll: HOUR, ..settings() };
    let other = Working::begin(stage.runner_of_another_process("other", never_looks.clone()).await);
    // This process has a runner too, as `serve` has; with no hands, so that only the other one can do the work.
    let handless = RunnerSettings { workflows_at_once: 0, tasks_at_once: 0, ..never_looks };
    let this = Working::begin(stage.runner("this", handless));
    wait_until(|| async { stage.listeners().await.len() == 2 }).await;
    stage.start("first", Walk::plain()).await;
    wait_until(|| async { stage.state_and_fence("first").await.0 == "done" }).await;

    let before = stage.listeners().await;
    stage.cut_listeners().await;
    wait_until(|| async {
        let after = stage.listeners().await;
        after.len() == 2 && after.iter().all(|pid| !before.contains(pid))
    })
    .await;
    stage.start("second", Walk::plain()).await;
    wait_until(|| async { stage.state_and_fence("second").await.0 == "done" }).await;
    this.end().await;
    other.end().await;
}

/// Nobody of this process tells the others: they find the work by looking.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_announces_is_found_by_looking_postgres() {
    let stage = Stage::new(Database::Postgres).await;
    let other = Working::begin(stage.runner_of_another_process("other", settings()).await);
    wait_until(|| async { stage.listeners().await.len() == 1 }).await;
    stage.start("w", Walk::plain()).await;
    wait_until(|| async { stage.state_and_fence("w").await.0 == "done" }).await;
    other.end().await;
}
