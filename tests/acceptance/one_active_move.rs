//! P7: starts that come at the same moment, through several processes, leave exactly one mover.

use std::collections::BTreeSet;
use std::sync::Arc;

use acceptance::world::{TENANT, deploy};
use acceptance::{Database, World};
use catalogue::tenants::TenantStatus;
use engine::tables::workflow_table;
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use workflows::Deployment;
use workflows::actor::Actor;
use workflows::realm_move::{MoveRequest, Started, cancel_move, start_move};
use workflows::refusal::Refusal;

on_both_databases!(starts_that_race_leave_one_active_move, racing_starts);

/// Starts at the same moment.
const AT_ONCE: usize = 6;

/// Races of each sort.
const ROUNDS: usize = 30;

/// Which starts race.
#[derive(Debug, Clone, Copy)]
enum Race {
    /// All ask for the same.
    Same,
    /// All ask for the same, under one key.
    SameKey,
    /// Some ask for one realm and some for another.
    Different,
}

impl Race {
    fn request(self, round: usize, number: usize) -> MoveRequest {
        let to = if matches!(self, Self::Different) && number.is_multiple_of(2) { "global" } else { "eu" };
        let key = matches!(self, Self::SameKey).then(|| format!("round-{round}"));
        MoveRequest { tenant: TENANT.to_owned(), to: to.to_owned(), idempotency_key: key, ..MoveRequest::default() }
    }
}

async fn racing_starts(database: Database) {
    let world = World::new(database).await;
    // Each has connections of its own, as another process has.
    let mut processes = vec![world.deployment.clone()];
    for _ in 1..AT_ONCE {
        processes.push(deploy(&world.store_url).await);
    }
    for race in [Race::Same, Race::SameKey, Race::Different] {
        for round in 0..ROUNDS {
            let what = format!("{race:?}, round {round}");
            let answers = all_at_once(&processes, |number| race.request(round, number)).await;
            let movers: BTreeSet<&str> = answers.iter().flatten().map(|started| started.id.as_str()).collect();
            assert_eq!(movers.len(), 1, "{what}: {answers:?}");
            assert_eq!(answers.iter().flatten().filter(|started| started.new).count(), 1, "{what}: {answers:?}");
            for refused in answers.iter().filter_map(|answer| answer.as_ref().err()) {
                assert_eq!(refused.code(), "move_in_progress", "{what}: {refused}");
            }
            let refused = answers.iter().filter(|answer| answer.is_err()).count();
            let expected = if matches!(race, Race::Different) { AT_ONCE / 2 } else { 0 };
            assert_eq!(refused, expected, "{what}: {answers:?}");
            let mover = movers.into_iter().next().expect("one");
            is_the_only_one(&world, mover, &what).await;
            let by = Actor::new("test", "");
            cancel_move(&world.deployment, mover, &by).await.expect("cancelled");
        }
    }
}

async fn all_at_once(
    processes: &[Deployment],
    request: impl Fn(usize) -> MoveRequest,
) -> Vec<Result<Started, Refusal>> {
    let together = Arc::new(Barrier::new(processes.len()));
    let mut starting = JoinSet::new();
    for (number, process) in processes.iter().enumerate() {
        let (process, request, together) = (process.clone(), request(number), Arc::clone(&together));
        starting.spawn(async move {
            let by = Actor::new(format!("caller {number}"), "");
            together.wait().await;
            start_move(&process, &request, &by).await
        });
    }
    starting.join_all().await
}

/// The catalogue knows one open move of the tenant, and it is the tenant's mover.
async fn is_the_only_one(world: &World, mover: &str, what: &str) {
    let tenant = world.tenant().await;
    assert_eq!((tenant.status, tenant.active_move.as_deref()), (TenantStatus::Online, Some(mover)), "{what}");
    let mut tx = world.deployment.store.read().await.expect("a read begins");
    let moves = workflow_table::list(&mut tx, "move", Some(TENANT), None, None, 1_000).await.expect("listed");
    tx.rollback().await.expect("a read ends");
    let open: Vec<&str> = moves.iter().filter(|one| one.wake_at.is_some()).map(|one| one.id.as_str()).collect();
    assert_eq!(open, [mover], "{what}");
}
