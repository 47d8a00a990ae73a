//! P9 from below, the engine by itself: steps that share a commit, what is claimed first, announcements, draining and forgetting.

mod machines;

use std::collections::BTreeMap;
use std::time::Duration;

use acceptance::Database;
use acceptance::failpoint_actions::{Injector, Injectors, Target};
use acceptance::world::wait_until;
use engine::RunnerSettings;
use engine::failpoints::Moment;
use store::sql;

use machines::{EndlessTask, Injected, Stage, Walk, Working};

on_both_databases!(steps_that_share_a_commit_all_reach_their_end_once, sharing);
on_both_databases!(a_step_that_fails_or_panics_does_not_hurt_its_neighbours, failing_neighbours);
on_both_databases!(a_row_taken_over_is_lost_to_its_old_holder_alone, taken_over_in_a_group);
on_both_databases!(a_step_that_is_held_back_does_not_keep_its_neighbours, held_back_in_a_group);
on_both_databases!(a_step_whose_outcome_is_not_known_is_not_taken_twice, unknown_outcomes);
on_both_databases!(higher_priorities_are_claimed_first_and_paused_work_never, priorities);
on_both_databases!(tasks_have_the_priority_of_their_workflow, task_priorities);
on_both_databases!(work_that_keeps_a_tenant_offline_has_room_of_its_own, kept_room);
on_both_databases!(steps_that_keep_a_tenant_offline_have_room_of_their_own, kept_room_for_steps);
on_both_databases!(work_that_can_wait_makes_room_at_a_checkpoint, making_room);
on_both_databases!(processes_that_are_there_say_so, presence);
on_both_databases!(a_task_that_never_ends_is_handed_over_on_stop, handed_over);
on_both_databases!(work_that_does_not_end_in_time_is_dropped_on_stop, dropped_on_stop);
on_both_databases!(a_task_that_is_taken_over_stops_at_once, lost_lease_stops_work);
on_both_databases!(what_this_process_can_not_do_is_left_to_others_if_it_can_wait, unfit);
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
        let fault = match number {
            7 => Some(Injected::Fail),
            13 => Some(Injected::Panic),
            21 => Some(Injected::BadStatement),
            _ => None,
        };
        stage.start(&format!("w{number:02}"), Walk { blow_at: 2, fault, ..Walk::plain() }).await;
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
        let fault = (number == 4).then_some(Injected::TakenOver);
        stage.start(&format!("w{number:02}"), Walk { blow_at: 1, fault, ..Walk::plain() }).await;
    }
    stage.run_until_ended(settings(), 9).await;
    for number in (0..10).filter(|number| *number != 4) {
        stage.walked_once(&format!("w{number:02}"), "done").await;
    }
    let (state, fence) = stage.state_and_fence("w04").await;
    assert_eq!((state.as_str(), fence), ("at_1", 1_001), "only the take-over has been written");
}

/// The same with an operator who holds it back: its lease is given back, and it goes on when it may.
async fn held_back_in_a_group(database: Database) {
    let stage = Stage::new(database).await;
    for number in 0..10 {
        let fault = (number == 4).then_some(Injected::HeldBack);
        stage.start(&format!("w{number:02}"), Walk { blow_at: 1, fault, ..Walk::plain() }).await;
    }
    stage.run_until_ended(settings(), 9).await;
    for number in (0..10).filter(|number| *number != 4) {
        stage.walked_once(&format!("w{number:02}"), "done").await;
    }
    assert_eq!(stage.state_and_fence("w04").await, ("at_1".to_owned(), 1), "nothing of the step has been written");
    let leased = stage.rows("SELECT id FROM workflows WHERE lease_owner IS NOT NULL").await;
    assert!(leased.is_empty(), "somebody else can have it");
    stage.execute(sql("UPDATE workflows SET paused = 0")).await;
    stage.run_until_ended(settings(), 10).await;
    stage.walked_once("w04", "done").await;
}

/// The reply of a step that stays is lost, and so is what reads it back, in a group and alone: the step had given its lease back,
/// and whoever took it may not take it again.
async fn unknown_outcomes(database: Database) {
    for shared_commit in [1, 128] {
        let stage = Stage::new(database).await;
        stage.start("w", Walk { blow_at: 1, fault: Some(Injected::Wait), ..Walk::plain() }).await;
        let lost = |moment| {
            Injector::new(Target::step("chain", "at_1", moment), acceptance::failpoint_actions::Injected::LoseReply, 1)
        };
        let (reply, read_back) = (lost(Moment::Recorded), lost(Moment::ReadBack));
        let seen = Injector::new(
            Target::step("chain", "at_1", Moment::Observed),
            acceptance::failpoint_actions::Injected::LoseReply,
            0,
        );
        let failpoints = Injectors(vec![reply, read_back.clone(), seen.clone()]);
        let settings = RunnerSettings { shared_commit, ..settings() };
        let working = Working::begin(stage.runner("w", settings).with_failpoints(failpoints));
        wait_until(|| async { seen.visited() == 2 }).await;
        working.end().await;
        // In a group the statement that writes finds that the row has gone on, and it is read to see how far.
        let reads = if shared_commit == 1 { 1 } else { 2 };
        assert_eq!(read_back.visited(), reads, "{shared_commit}");
        assert_eq!(stage.walk("w").await.stayed, 1, "{shared_commit}");
        assert_eq!(
            stage.state_and_fence("w").await,
            ("at_1".to_owned(), 1),
            "{shared_commit}: nobody claimed it again"
        );
    }
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

/// Every slot is taken by tasks that do not end: the task of a workflow that keeps its tenant offline begins all the same.
async fn kept_room(database: Database) {
    let stage = Stage::new(database).await;
    let endless = EndlessTask::default();
    let settings = RunnerSettings { tasks_at_once: 3, ..settings() };
    for number in 0..5 {
        stage.start(&format!("w{number}"), Walk { fans_out: true, ..Walk::plain() }).await;
    }
    let working = Working::begin(stage.runner_with("busy", settings, &endless));
    wait_until(|| async { stage.tasks_held().await == 3 && stage.tasks().await == 5 }).await;
    stage.start_offline("urgent", Walk { fans_out: true, ..Walk::plain() }).await;
    wait_until(|| async { stage.tasks_of("urgent").await == 1 && stage.tasks_held().await == 4 }).await;
    let held = stage.rows("SELECT keeps_offline, lease_owner FROM tasks WHERE workflow_id = 'urgent'").await;
    assert_eq!(held[0].int("keeps_offline").expect("a number"), 1);
    assert!(held[0].opt_text("lease_owner").expect("a text").is_some(), "it is at work in the room that is kept");
    working.end().await;
}

/// The same of steps: two that look at something outside for ever take all the room that there is for any.
async fn kept_room_for_steps(database: Database) {
    let stage = Stage::new(database).await;
    let settings = RunnerSettings { workflows_at_once: 2, drain: Duration::from_millis(50), ..settings() };
    for id in ["w0", "w1"] {
        stage.start(id, Walk { fault: Some(Injected::NeverSees), ..Walk::plain() }).await;
    }
    let working = Working::begin(stage.runner("busy", settings));
    for id in ["w0", "w1"] {
        wait_until(|| async { stage.state_and_fence(id).await.1 == 1 }).await;
    }
    stage.start("waits", Walk::plain()).await;
    stage.start_offline("urgent", Walk::plain()).await;
    wait_until(|| async { stage.state_and_fence("urgent").await.0 == "done" }).await;
    assert_eq!(stage.state_and_fence("waits").await, ("at_0".to_owned(), 0), "there is no room for what can wait");
    working.end().await;
}

/// More of it than there is room: tasks that can wait stop where no request of theirs is on its way, and nobody has to wait for
/// them.
async fn making_room(database: Database) {
    let stage = Stage::new(database).await;
    let endless = EndlessTask::that_can_stop();
    let settings = RunnerSettings { tasks_at_once: 4, ..settings() };
    for number in 0..4 {
        stage.start(&format!("w{number}"), Walk { fans_out: true, ..Walk::plain() }).await;
    }
    let working = Working::begin(stage.runner_with("busy", settings, &endless));
    wait_until(|| async { stage.tasks_held().await == 4 }).await;
    for number in 0..3 {
        stage.start_offline(&format!("urgent{number}"), Walk { fans_out: true, ..Walk::plain() }).await;
    }
    let urgent = "SELECT id FROM tasks WHERE keeps_offline = 1 AND lease_owner IS NOT NULL";
    wait_until(|| async { stage.rows(urgent).await.len() == 3 }).await;
    let waiting =
        "SELECT attempt, checkpoint FROM tasks WHERE keeps_offline = 0 AND status = 'open' AND lease_until = 0";
    wait_until(|| async { stage.rows(waiting).await.len() == 2 }).await;
    for row in stage.rows(waiting).await {
        assert_eq!(row.int("attempt").expect("a number"), 0, "no attempt of it failed");
        assert!(row.opt_text("checkpoint").expect("a text").is_some(), "it goes on from where it stood");
    }
    assert!(
        stage.rows("SELECT task FROM in_doubt_requests").await.is_empty(),
        "nobody needs to wait for what it may have sent"
    );
    working.end().await;
}

async fn presence(database: Database) {
    let stage = Stage::new(database).await;
    let there = async || {
        let mut tx = stage.store.read().await.expect("begins");
        let live = engine::tables::runner_table::live(&mut tx).await.expect("they can be read");
        live.into_iter().map(|runner| (runner.owner, runner.task_kinds.len())).collect::<Vec<_>>()
    };
    assert_eq!(there().await, [], "nobody yet");
    let worker = Working::begin(stage.runner("worker", settings()));
    let server = Working::begin(stage.runner("server", RunnerSettings { tasks_at_once: 0, ..settings() }));
    let both = [("server".to_owned(), 0), ("worker".to_owned(), 1)];
    wait_until(|| async { there().await == both }).await;
    worker.end().await;
    assert_eq!(there().await, both[..1], "it said that it is gone");
    server.end().await;
    assert_eq!(there().await, []);
    // One that dies says nothing.
    let dies = stage.runner("dies", RunnerSettings { lease: Duration::from_millis(200), ..settings() });
    dies.tick().await.expect("a tick");
    stage.start("w", Walk::plain()).await;
    dies.tick().await.expect("a tick");
    let said = stage.rows("SELECT heard_until FROM runners WHERE owner = 'dies'").await;
    assert_eq!(said.len(), 1, "it claimed something");
    wait_until(|| async { there().await.is_empty() }).await;
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
    stage.start("w", Walk { fault: Some(Injected::NeverSees), ..Walk::plain() }).await;
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

async fn unfit(database: Database) {
    for has_a_deadline in [true, false] {
        let stage = Stage::new(database).await;
        stage.start("w", Walk { fans_out: true, ..Walk::plain() }).await;
        let task = EndlessTask::beyond_this_process(has_a_deadline);
        let working = Working::begin(stage.runner_with("unfit", settings(), &task));
        if has_a_deadline {
            wait_until(|| async { stage.rows("SELECT id FROM tasks WHERE status = 'failed'").await.len() == 1 }).await;
            assert_eq!(task.entered(), 1, "at once: it is not waited until this process is put right");
        } else {
            wait_until(|| async { task.entered() > 1 }).await;
            assert_eq!(stage.rows("SELECT id FROM tasks WHERE status = 'open'").await.len(), 1);
        }
        working.end().await;
    }
}

async fn pruning(database: Database) {
    let stage = Stage::new(database).await;
    for (id, subject, walk) in [
        ("old", "a", Walk::plain()),
        ("sibling-fails", "b", Walk { blow_at: 1, fault: Some(Injected::Fail), ..Walk::plain() }),
        ("sibling-ended", "b", Walk::plain()),
        ("open", "c", Walk { blow_at: 1, fault: Some(Injected::Wait), ..Walk::plain() }),
        ("beside-open", "c", Walk::plain()),
        ("named", "d", Walk::plain()),
        ("young", "e", Walk::plain()),
    ] {
        stage.start_about(id, subject, walk).await;
    }
    stage.run_until_ended(settings(), 6).await;
    stage.execute(sql("UPDATE workflows SET finished_at = 1 WHERE id <> 'young' AND finished_at IS NOT NULL")).await;
    stage.execute(sql("INSERT INTO tenants (id, realm, created_in, status, epoch, active_move, created_at, updated_at) VALUES ('d', 'us', 'us', 'online', 1, 'named', 0, 0)")).await;
    let runner = stage.runner("pruning", settings());
    assert_eq!(runner.prune(HOUR).await.expect("pruned"), 1);
    let left = stage.rows("SELECT id FROM workflows ORDER BY id").await;
    let left: Vec<_> = left.iter().map(|row| row.text("id").expect("an id")).collect();
    assert_eq!(left, ["beside-open", "named", "open", "sibling-ended", "sibling-fails", "young"]);
    let of_old = stage.rows("SELECT seq FROM history WHERE workflow_id = 'old'").await;
    assert!(of_old.is_empty(), "its history is gone with it");
    assert!(!stage.rows("SELECT seq FROM history WHERE workflow_id = 'young'").await.is_empty());
    assert_eq!(runner.prune(HOUR).await.expect("pruned"), 0, "nothing more");
    stage.execute(sql("UPDATE tenants SET active_move = NULL")).await;
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

/// The claim waits for a lock while the process is told to stop, and finds a task then. Postgres alone: it says who waits for what.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_claimed_while_it_stops_is_handed_over_unbegun_postgres() {
    let stage = Stage::new(Database::Postgres).await;
    stage.start("w", Walk { fans_out: true, ..Walk::plain() }).await;
    assert!(stage.runner("stepper", settings()).tick().await.expect("a tick"));
    assert_eq!(stage.tasks().await, 1);
    let mut lock = stage.store.begin().await.expect("a transaction");
    sql("SET LOCAL idle_in_transaction_session_timeout = 0").execute(&mut lock).await.expect("set");
    sql("LOCK TABLE tasks IN EXCLUSIVE MODE").execute(&mut lock).await.expect("locked");
    let endless = EndlessTask::default();
    let working = Working::begin(stage.runner_with("stopping", settings(), &endless));
    let claims = "SELECT pid FROM pg_locks WHERE relation = 'tasks'::regclass AND mode = 'RowShareLock' AND NOT granted \
                  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    wait_until(|| async { !stage.rows(claims).await.is_empty() }).await;
    working.tell_to_stop();
    lock.rollback().await.expect("unlocked");
    working.end().await;
    assert_eq!((endless.entered(), stage.tasks_held().await), (0, 0));
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
