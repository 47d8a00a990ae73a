//! Room for what is offline: a tenant's move goes on however much other work there is, and no tenant goes offline while nobody
//! would run its tasks.

use acceptance::world::wait_until;
use acceptance::{Database, World};
use async_trait::async_trait;
use catalogue::tenants::TenantStatus;
use engine::task::{TaskContext, TaskHandler};
use engine::{Registry, Runner, RunnerSettings, StepError, TaskRecord};
use serde_json::Value;
use store::{Tx, sql};
use tokio_util::sync::CancellationToken;
use workflows::actor::Actor;
use workflows::explain::explain_workflow;
use workflows::provision::{NewTenant, create_tenant};
use workflows::realm_move::{MoveRequest, start_move};

on_both_databases!(a_move_completes_while_removals_that_do_not_end_fill_every_slot, full_of_removals);
on_both_databases!(without_a_worker_a_move_waits_online_and_goes_on_when_one_comes, no_worker);

const SLOTS: usize = 3;

async fn full_of_removals(database: Database) {
    let world = World::with_topology(database, acceptance::world::Seed::SMALL, |yaml| yaml).await;
    create(&world, "zeta").await;
    world.finish_creating().await;
    let first = world.start_move("eu").await;
    let stop = CancellationToken::new();
    let settings = RunnerSettings { tasks_at_once: SLOTS, ..world.deployment.runner_settings() };
    let registry = workflows::registry(&world.deployment).task(NeverRemoves);
    let moved = async {
        wait_until(|| async { removing(&world).await == SLOTS }).await;
        let by = Actor::new("test", "");
        let request = MoveRequest { tenant: "zeta".to_owned(), to: "eu".to_owned(), ..MoveRequest::default() };
        let second = start_move(&world.deployment, &request, &by).await.expect("the move starts").id;
        wait_until(|| async { world.view(&second).await.finished_at.is_some() }).await;
        let view = world.view(&second).await;
        assert_eq!((view.state.as_str(), view.error), ("completed", None));
        // One whose lease was lost a moment ago is about to be claimed again: they never end.
        wait_until(|| async { removing(&world).await == SLOTS }).await;
        stop.cancel();
    };
    let full = runner(&world, registry, settings, "full");
    tokio::join!(full.run(stop.clone()), moved);
    assert_eq!(world.view(&first).await.state, "completed");
}

async fn no_worker(database: Database) {
    let world = World::new(database).await;
    // The runner that created the tenants was this process's: it has gone, and its server leaves data work to others.
    let serves = RunnerSettings { tasks_at_once: 0, ..world.deployment.runner_settings() };
    let works = world.deployment.runner_settings();
    let (serving, working) = (CancellationToken::new(), CancellationToken::new());
    let epoch = world.tenant().await.epoch;
    let story = async {
        let id = world.start_move("eu").await;
        wait_until(|| async { world.view(&id).await.waiting_for.is_some_and(|what| what.starts_with("a worker")) })
            .await;
        let tenant = world.tenant().await;
        assert_eq!((tenant.status, tenant.epoch), (TenantStatus::Online, epoch));
        let mut tx = world.deployment.store.read().await.expect("a read begins");
        let explained = explain_workflow(&world.deployment, &mut tx, &id).await.expect("readable").expect("it exists");
        tx.rollback().await.expect("a read ends");
        assert_eq!((explained.state.as_str(), explained.waits_for.code.as_str()), ("waiting", "no_worker"));
        assert!(explained.can_do.iter().any(|command| command == "realmctl worker --store URL"), "{explained:?}");

        let comes = runner(&world, workflows::registry(&world.deployment), works, "worker");
        let done = async {
            wait_until(|| world.has_ended(&id)).await;
            assert_eq!(world.view(&id).await.state, "completed");
            working.cancel();
        };
        tokio::join!(comes.run(working.clone()), done);

        // It has gone in order: the way back waits again.
        let back = world.start_move("us").await;
        wait_until(|| async { world.view(&back).await.waiting_for.is_some_and(|what| what.starts_with("a worker")) })
            .await;
        assert_eq!(world.tenant().await.status, TenantStatus::Online);
        serving.cancel();
    };
    let server = runner(&world, workflows::registry(&world.deployment), serves, "server");
    tokio::join!(server.run(serving.clone()), story);
}

fn runner(world: &World, registry: Registry, settings: RunnerSettings, name: &str) -> Runner {
    Runner::new(world.deployment.store.clone(), registry, settings, name.to_owned())
}

async fn create(world: &World, id: &str) {
    let new = NewTenant {
        id: id.parse().expect("a tenant id"),
        host: format!("{id}.example").parse().expect("a host"),
        realm: "us".to_owned(),
    };
    let by = Actor::new("test", "");
    create_tenant(&world.deployment, &new, &by).await.expect("the tenant is created");
}

/// Removal tasks that somebody is at work on.
async fn removing(world: &World) -> usize {
    let mut tx = world.deployment.store.read().await.expect("a read begins");
    let held = sql("SELECT id FROM tasks WHERE kind = 'remove' AND status = 'open' AND lease_owner IS NOT NULL");
    let held = held.fetch_all(&mut tx).await.expect("a result").len();
    tx.rollback().await.expect("a read ends");
    held
}

/// In the place of what removes: it is at work for ever.
struct NeverRemoves;

#[async_trait]
impl TaskHandler for NeverRemoves {
    fn kind(&self) -> &'static str {
        "remove"
    }

    async fn run(&self, _: &TaskContext) -> Result<Value, StepError> {
        std::future::pending().await
    }

    async fn on_checkpoint(&self, _: &mut Tx, _: &TaskRecord) -> Result<(), StepError> {
        Ok(())
    }

    fn max_attempts(&self, _: &TaskRecord) -> Option<u32> {
        Some(1)
    }
}
