//! What stopped a move is its error: while its data tasks are tried again it is shown, and when time runs out on them it is kept.

use acceptance::{Clocked, Database, timing};
use engine::failpoints::NoFailpoints;
use engine::{Runner, Sweep};
use workflows::explain::explain;
use workflows::explanation::Explained;
use workflows::realm_move::{LapseSweep, MoveView};

on_both_databases!(a_target_that_is_down_is_shown_at_once_and_is_the_error_of_a_lapsed_move, lapsed);
on_both_databases!(a_target_that_is_down_is_the_error_of_a_move_whose_deadline_passes, past_its_deadline);

/// A move that copies to a region which has gone, and a runner for it.
async fn copying_to_a_dead_region(database: Database) -> (Clocked, Runner, String) {
    let mut stage = Clocked::new(database).await;
    let id = stage.world.start_move("eu").await;
    let runner = stage.runner(NoFailpoints);
    ticks_until(&stage, &runner, &id, |view| view.state == "add_data").await;
    stage.world.regions.retain(|region| region.name() != "eu-west-1");
    ticks_until(&stage, &runner, &id, |view| view.task_errors.iter().any(|error| error.attempts >= 2)).await;
    (stage, runner, id)
}

async fn ticks_until(stage: &Clocked, runner: &Runner, id: &str, done: impl Fn(&MoveView) -> bool) {
    for _ in 0..20_000 {
        if done(&stage.world.view(id).await) {
            return;
        }
        if !runner.tick().await.expect("the catalogue answers") {
            stage.clock.advance(10);
        }
    }
    panic!("that is never so: {:?}", stage.world.view(id).await);
}

async fn lapsed(database: Database) {
    let (stage, _, id) = copying_to_a_dead_region(database).await;
    let view = stage.world.view(&id).await;
    let error = &view.task_errors[0];
    assert_eq!(
        (error.code.as_str(), error.kind.as_str(), error.attempts_max),
        ("endpoint_unreachable", "copy", Some(8))
    );
    assert!(error.message.contains("eu-west-1"), "{error:?}");
    let mut tx = stage.world.deployment.store.read().await.expect("a read begins");
    let explained = explain(&stage.world.deployment, &mut tx, &id).await.expect("there is such a move");
    tx.rollback().await.expect("a read ends");
    let Explained::Workflow(explained) = explained else { panic!("{explained:?}") };
    assert!(explained.waits_for.text.contains("endpoint_unreachable"), "{:?}", explained.waits_for);

    stage.clock.advance(i64::try_from(timing::short().offline_lease.as_millis()).expect("a short time") + 1);
    let sweep = LapseSweep::new(stage.world.deployment.clone());
    assert_eq!(sweep.sweep().await.expect("the catalogue answers"), 1);
    went_back(&stage, &id, "offline_lease_lapsed").await;
}

async fn past_its_deadline(database: Database) {
    let (stage, runner, id) = copying_to_a_dead_region(database).await;
    let until = stage.world.tenant().await.lease_until.expect("it is offline");
    let allowed = stage.world.view(&id).await.offline_allowed_ms.expect("it is offline");
    assert!(until < stage.now() + allowed, "the lease ends before the deadline");
    stage.clock.advance(allowed);
    // The step finds the deadline passed before any sweep finds the lease lapsed.
    ticks_until(&stage, &runner, &id, |view| view.finished_at.is_some()).await;
    went_back(&stage, &id, "offline_deadline").await;
}

/// The tenant is online where it was, and the error names the cause and how the time ran out.
async fn went_back(stage: &Clocked, id: &str, ran_out: &str) {
    let done: MoveView = stage.world.view(id).await;
    assert_eq!((done.state.as_str(), stage.world.tenant().await.realm.as_str()), ("rolled_back", "us"));
    let error = done.error.expect("it says why");
    assert_eq!(error.code, "endpoint_unreachable", "{error:?}");
    assert!(error.message.contains("could not be reached") && error.message.contains(ran_out), "{error:?}");
    let history = stage.world.history(id).await;
    let told = history.iter().any(|(_, _, note)| note.starts_with("endpoint_unreachable") && note.contains(ran_out));
    assert!(told, "{history:?}");
    assert!(done.task_errors.is_empty(), "nothing is tried any more");
}
