//! A world whose clock stands still unless a test moves it, and a runner that is ticked by hand.

use std::sync::Arc;

use engine::failpoints::{Failpoint, Failpoints, Moment};
use engine::{Runner, StepError};
use store::{Clock, ManualClock, Store, StoreUrl};
use testkit::RequestAge;
use workflows::Deployment;
use workflows::realm_move::MoveView;

use crate::Database;
use crate::world::{Seed, World, deploy_on, fresh_store};

/// Ticks after which a test gives up.
const MOST_TICKS: u32 = 20_000;

/// A process of realmctl with this clock.
pub async fn on_clock(store_url: &str, clock: &Arc<ManualClock>) -> Deployment {
    let url: StoreUrl = store_url.parse().expect("the tests' store URLs are well formed");
    deploy_on(Store::open(&url).await.expect("the store opens").with_clock(Arc::new(Arc::clone(clock))))
}

/// A world and its clock.
pub struct Clocked {
    /// The world.
    pub world: World,
    /// Its clock.
    pub clock: Arc<ManualClock>,
}

impl Clocked {
    /// A world with the usual tenants at 2023-11-14T22:13:20Z.
    pub async fn new(database: Database) -> Self {
        Self::with_topology(database, |yaml| yaml).await
    }

    /// The same with another topology: `edit` gets the usual one.
    pub async fn with_topology(database: Database, edit: impl FnOnce(String) -> String) -> Self {
        Self::seeded(database, Seed::SMALL, edit).await
    }

    /// The same with so much data.
    pub async fn seeded(database: Database, seed: Seed, edit: impl FnOnce(String) -> String) -> Self {
        let (store_url, folder) = fresh_store(database).await;
        let clock = Arc::new(ManualClock::new(1_700_000_000_000));
        let world =
            World::on(on_clock(&store_url, &clock).await, store_url, folder, (seed, RequestAge::ANY), edit).await;
        Self { world, clock }
    }

    /// The time.
    pub fn now(&self) -> i64 {
        self.clock.now()
    }

    /// A runner to be ticked.
    pub fn runner(&self, failpoints: impl Failpoints) -> Runner {
        self.world.runner().with_failpoints(failpoints)
    }

    /// Ticks until there is nothing to do at this time.
    pub async fn tick_until_idle(&self, runner: &Runner) {
        for _ in 0..MOST_TICKS {
            if !runner.tick().await.expect("the catalogue answers") {
                return;
            }
        }
        panic!("there is always something to do");
    }

    /// Ticks until the move and its removals have ended. Each copy and each read-back takes `task_ms` of the clock, and 10 ms pass
    /// whenever there is nothing to do.
    pub async fn run_to_the_end(&self, id: &str, failpoints: impl Failpoints, task_ms: i64) -> MoveView {
        let runner = self.runner(Slowly { clock: Arc::clone(&self.clock), task_ms, failpoints });
        for _ in 0..MOST_TICKS {
            if self.world.has_ended(id).await {
                return self.world.view(id).await;
            }
            if !runner.tick().await.expect("the catalogue answers") {
                self.clock.advance(10);
            }
        }
        panic!("the move does not end: {:?}", self.world.view(id).await);
    }
}

/// Moves the clock when a copy or a read-back has ended.
struct Slowly<P> {
    clock: Arc<ManualClock>,
    task_ms: i64,
    failpoints: P,
}

impl<P: Failpoints> Failpoints for Slowly<P> {
    fn step(&self, point: Failpoint<'_>) -> Result<(), StepError> {
        self.failpoints.step(point)
    }

    fn task(&self, point: Failpoint<'_>) -> Result<(), StepError> {
        if point.moment == Moment::Recorded && point.kind != "remove" {
            self.clock.advance(self.task_ms);
        }
        self.failpoints.task(point)
    }
}
