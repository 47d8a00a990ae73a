//! A process that lacks something of its own fails nobody's work: it stands aside, says so, and takes part again once that is put right.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use acceptance::world::{deploy_timed, runner_of, wait_until};
use acceptance::{Clocked, Database, RevocableCredentials, World, timing};
use catalogue::tenants::TenantStatus;
use engine::failpoints::{Failpoint, Failpoints, Moment};
use engine::tables::runner_table::LiveRunner;
use engine::tables::{runner_table, task_table};
use engine::{Runner, RunnerSettings, StepError, TaskStatus, host_and_process};
use tokio_util::sync::CancellationToken;
use workflows::Deployment;
use workflows::explain::explain_workflow;
use workflows::explanation::Explanation;
use workflows::realm_move::MoveView;

on_both_databases!(an_unfit_process_beside_a_fit_one_claims_nothing_that_reaches_a_store, beside_a_fit_one);
on_both_databases!(what_fails_for_what_its_process_lacks_goes_on_unharmed_in_another, taken_over);
on_both_databases!(with_none_but_unfit_processes_a_move_waits_online_says_why_and_goes_on_when_one_is_fit, only_unfit);
on_both_databases!(
    a_tenant_comes_back_online_when_its_only_process_becomes_unfit_and_work_goes_on_when_it_is_fit,
    alone
);

/// What such a process says of itself.
const LACKS: &str = "no AWS credentials were found: set AWS_ACCESS_KEY_ID";

async fn beside_a_fit_one(database: Database) {
    let world = World::new(database).await;
    let (credentials, claimed) = (RevocableCredentials::default(), Claims::default());
    credentials.empty();
    let unfit = another_process(&world, &credentials).await;
    let (fit, unfit_stop, stop) = (world.runner(), CancellationToken::new(), CancellationToken::new());
    let story = async {
        wait_until(|| async { is_unfit(&world, &unfit.owner).await }).await;
        let id = world.start_move("eu").await;
        let moved = async {
            wait_until(|| world.has_ended(&id)).await;
            stop.cancel();
        };
        tokio::join!(Box::pin(fit.run(stop.clone())), moved);
        unfit_stop.cancel();
        id
    };
    let beside = runner_of(&unfit).with_failpoints(claimed.clone());
    let ((), id) = tokio::join!(Box::pin(beside.run(unfit_stop.clone())), story);
    went_well(&world, &id).await;
    assert_eq!(claimed.0.load(Ordering::SeqCst), 0, "the unfit process claimed none of it");
}

async fn taken_over(database: Database) {
    let world = World::new(database).await;
    let credentials = RevocableCredentials::default();
    let unfit = another_process(&world, &credentials).await;
    let (fit, unfit_stop, stop) = (world.runner(), CancellationToken::new(), CancellationToken::new());
    let story = async {
        let id = world.start_move("eu").await;
        wait_until(|| async { is_unfit(&world, &unfit.owner).await && is_given_back(&world, &id).await }).await;
        assert_eq!(world.tenant().await.status, TenantStatus::Moving);
        // Now and then the move itself is at work: it looks how its tasks get on.
        let who = format!("{} takes no data work: {LACKS}", host_and_process(&unfit.owner));
        wait_until(|| async { explained(&world, &id).await.waits_for.text.contains(&who) }).await;
        let moved = async {
            wait_until(|| world.has_ended(&id)).await;
            stop.cancel();
        };
        tokio::join!(Box::pin(fit.run(stop.clone())), moved);
        unfit_stop.cancel();
        id
    };
    let begins = runner_of(&unfit).with_failpoints(EmptiesAtACopy(credentials));
    let ((), id) = tokio::join!(Box::pin(begins.run(unfit_stop.clone())), story);
    went_well(&world, &id).await;
}

async fn only_unfit(database: Database) {
    let world = World::new(database).await;
    let credentials = RevocableCredentials::default();
    credentials.empty();
    let unfit = another_process(&world, &credentials).await;
    let epoch = world.tenant().await.epoch;
    let (working, serving) = (CancellationToken::new(), CancellationToken::new());
    let story = async {
        let id = world.start_move("eu").await;
        says_who_is_unfit(&world, &id, &unfit).await;
        assert_eq!(world.view(&id).await.state, "preflight", "what reaches no store goes on");
        // A server beside it that leaves data work to others looks at the stores.
        let settings = RunnerSettings { tasks_at_once: 0, ..world.deployment.runner_settings() };
        let server = Runner::new(
            world.deployment.store.clone(),
            workflows::registry(&world.deployment),
            settings,
            "server".to_owned(),
        );
        let served = async {
            wait_until(|| async { world.view(&id).await.waiting_for.is_some_and(|what| what.contains(LACKS)) }).await;
            says_who_is_unfit(&world, &id, &unfit).await;
            let tenant = world.tenant().await;
            assert_eq!((tenant.status, tenant.epoch), (TenantStatus::Online, epoch));
            credentials.fill();
            wait_until(|| world.has_ended(&id)).await;
            serving.cancel();
        };
        tokio::join!(Box::pin(server.run(serving.clone())), served);
        working.cancel();
        id
    };
    let worker = runner_of(&unfit);
    let ((), id) = tokio::join!(Box::pin(worker.run(working.clone())), story);
    went_well(&world, &id).await;
}

async fn says_who_is_unfit(world: &World, id: &str, unfit: &Deployment) {
    wait_until(|| async { explained(world, id).await.waits_for.code == "no_worker" }).await;
    let about = explained(world, id).await;
    let text = &about.waits_for.text;
    assert!(text.contains(&format!("{} takes no data work: {LACKS}", host_and_process(&unfit.owner))), "{text}");
    assert_eq!(about.can_do[0], "realmctl workers list", "another worker here would lack the same: {about:?}");
}

async fn alone(database: Database) {
    let stage = Clocked::new(database).await;
    let (world, credentials) = (&stage.world, RevocableCredentials::default());
    let runner = runner_of(&credentials.of(&world.deployment)).with_failpoints(EmptiesAtACopy(credentials.clone()));
    let id = world.start_move("eu").await;
    ticks_until(&stage, &runner, || async { is_given_back(world, &id).await }).await;
    assert_eq!(world.tenant().await.status, TenantStatus::Moving);

    stage.clock.advance(i64::try_from(timing::short().offline_lease.as_millis()).expect("a short time") + 1);
    ticks_until(&stage, &runner, || async { world.view(&id).await.finished_at.is_some() }).await;
    let (tenant, view) = (world.tenant().await, world.view(&id).await);
    assert_eq!((tenant.status, tenant.realm.as_str()), (TenantStatus::Online, "us"));
    let error = view.error.as_ref().expect("it says why");
    assert_eq!((view.state.as_str(), error.code.as_str()), ("rolled_back", "credentials_missing"), "{view:?}");
    assert!(error.message.contains("offline_lease_lapsed"), "{error:?}");
    assert!(!view.removals.is_empty() && view.removals.iter().all(|removal| removal.state != "failed"), "{view:?}");

    credentials.fill();
    let runner = runner_of(&credentials.of(&world.deployment));
    ticks_until(&stage, &runner, || async { world.has_ended(&id).await }).await;
    assert!(world.view(&id).await.removals.iter().all(|removal| removal.state == "done"), "{view:?}");
    let again = world.start_move("eu").await;
    ticks_until(&stage, &runner, || async { world.has_ended(&again).await }).await;
    went_well(world, &again).await;
}

async fn ticks_until<F: Future<Output = bool>>(stage: &Clocked, runner: &Runner, done: impl Fn() -> F) {
    for _ in 0..20_000 {
        if done().await {
            return;
        }
        if !runner.tick().await.expect("the catalogue answers") {
            stage.clock.advance(10);
        }
    }
    panic!("that is never so");
}

/// The move has completed, and neither it nor a removal ran into anything for good.
async fn went_well(world: &World, id: &str) {
    let view: MoveView = world.view(id).await;
    assert_eq!((view.state.as_str(), &view.error, view.warnings.len()), ("completed", &None, 0), "{view:?}");
    assert!(view.removals.iter().all(|removal| removal.state == "done"), "{view:?}");
    let history = world.history(id).await;
    assert!(history.iter().all(|(_, _, note)| !note.contains("credentials_missing")), "{history:?}");
    world.no_task_is_left(id).await;
    assert_eq!(world.tenant().await.realm, "eu");
}

/// A process of its own on the world's catalogue.
async fn another_process(world: &World, credentials: &RevocableCredentials) -> Deployment {
    credentials.of(&deploy_timed(&world.store_url, timing::short()).await)
}

async fn is_unfit(world: &World, owner: &str) -> bool {
    let mut tx = world.deployment.store.read().await.expect("a read begins");
    let live = runner_table::live(&mut tx).await.expect("they can be read");
    tx.rollback().await.expect("a read ends");
    let unfit = |runner: &LiveRunner| runner.unfit.as_ref().is_some_and(|lacks| lacks.starts_with(LACKS));
    live.iter().any(|runner| runner.owner == owner && runner.task_kinds.is_empty() && unfit(runner))
}

/// Whether one of the move's tasks has been given back for it; all are open, held by nobody, and no attempt is counted.
async fn is_given_back(world: &World, id: &str) -> bool {
    let mut tx = world.deployment.store.read().await.expect("a read begins");
    let tasks = task_table::of_workflow(&mut tx, id).await.expect("tasks can be listed");
    let at_work = task_table::at_work(&mut tx).await.expect("they can be read");
    tx.rollback().await.expect("a read ends");
    assert!(tasks.iter().all(|task| task.status == TaskStatus::Open && task.attempt == 0), "{tasks:?}");
    let given_back = |error: &engine::StoredError| error.code == "credentials_missing";
    at_work.is_empty() && tasks.iter().any(|task| task.error.as_ref().is_some_and(given_back))
}

async fn explained(world: &World, id: &str) -> Explanation {
    let mut tx = world.deployment.store.read().await.expect("a read begins");
    let explained = explain_workflow(&world.deployment, &mut tx, id).await.expect("readable").expect("it exists");
    tx.rollback().await.expect("a read ends");
    explained
}

/// Counts what was claimed that reaches a store.
#[derive(Clone, Default)]
struct Claims(Arc<AtomicUsize>);

impl Failpoints for Claims {
    fn step(&self, point: Failpoint<'_>) -> Result<(), StepError> {
        self.0.fetch_add(usize::from(point.state == "preflight"), Ordering::SeqCst);
        Ok(())
    }

    fn task(&self, _: Failpoint<'_>) -> Result<(), StepError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

/// Takes the credentials away when a copy begins.
struct EmptiesAtACopy(RevocableCredentials);

impl Failpoints for EmptiesAtACopy {
    fn step(&self, _: Failpoint<'_>) -> Result<(), StepError> {
        Ok(())
    }

    fn task(&self, point: Failpoint<'_>) -> Result<(), StepError> {
        if (point.kind, point.moment) == ("copy", Moment::Before) {
            self.0.empty();
        }
        Ok(())
    }
}
