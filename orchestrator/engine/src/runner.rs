//! The runner: claims due workflows and tasks and runs them, until told to stop. Any number of processes run one each.

mod commit_group;
mod lease;
mod presence;
mod prune;
mod slots;
mod standing_aside;
mod task_run;
mod workflow_run;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64};
use std::time::Duration;

use store::{Store, StoreError};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::failpoints::{Failpoints, NoFailpoints};
use crate::ids::{Ids, RandomIds};
use crate::outages::Outages;
use crate::record::{TaskRecord, WorkflowRecord};
use crate::registry::Registry;
use crate::retry::RetryPolicy;
use crate::runner::slots::{Claiming, FreeSlots, WorkerSlots, report_panic};
use crate::runner::standing_aside::Standing;
use crate::tables::due_sql::Claim;
use crate::tables::{task_table, workflow_table};
use crate::task::in_flight::InFlight;
use crate::task::yielding::Wanted;

/// What a driver that ticks takes at a time.
const ONE: FreeSlots = FreeSlots { all: 1, any: 1 };

/// Groups of steps on their way at a time: while one waits for the database, the next one decides.
const COMMITTING_AT_ONCE: usize = 2;

/// How a runner behaves.
#[derive(Debug, Clone)]
pub struct RunnerSettings {
    /// How long a claim lasts without a heartbeat.
    pub lease: Duration,
    /// How often a lease is renewed while work runs; at most a third of `lease`.
    pub heartbeat: Duration,
    /// How long to wait before looking for due work again when nothing announced any.
    pub poll: Duration,
    /// Workflows stepped at a time by this process; a quarter as many again may be stepped that keep a tenant offline.
    pub workflows_at_once: usize,
    /// Steps that share a commit, at most. 1: every step has its own.
    pub shared_commit: usize,
    /// Tasks run at a time by this process, and beside them a quarter as many that keep a tenant offline; 0 leaves data work to
    /// others.
    pub tasks_at_once: usize,
    /// How long work in hand may take to end once the runner is told to stop; then it is dropped where it stands. Most of it is for
    /// answers to requests in flight.
    pub drain: Duration,
    /// How long a workflow that has ended is kept, with its history. `None`: for ever.
    pub keep_history: Option<Duration>,
    /// Waits between failed attempts.
    pub retry: RetryPolicy,
    /// How long something may fail before that is logged as an error, for a person to look; again whenever this has doubled.
    pub alarm_after: Duration,
}

impl Default for RunnerSettings {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(30),
            heartbeat: Duration::from_secs(10),
            poll: Duration::from_millis(500),
            workflows_at_once: 32,
            shared_commit: 128,
            tasks_at_once: 16,
            drain: Duration::from_secs(20),
            keep_history: None,
            retry: RetryPolicy::default(),
            alarm_after: Duration::from_secs(600),
        }
    }
}

impl RunnerSettings {
    pub(crate) fn lease_ms(&self) -> i64 {
        i64::try_from(self.lease.as_millis()).unwrap_or(i64::MAX / 2)
    }

    /// How long answers are waited for by work that is told to stop; the rest of `drain` is for the database.
    pub(crate) fn answers_within(&self) -> Duration {
        self.drain / 4 * 3
    }
}

/// Runs workflows and tasks. Cheap to clone.
#[derive(Clone)]
pub struct Runner {
    pub(crate) store: Store,
    pub(crate) registry: Arc<Registry>,
    pub(crate) settings: RunnerSettings,
    pub(crate) failpoints: Arc<dyn Failpoints>,
    pub(crate) ids: Arc<dyn Ids>,
    pub(crate) owner: String,
    /// When it was last said that this process is there.
    pub(crate) said_here: Arc<AtomicI64>,
    /// Whether it has said that it is gone.
    pub(crate) gone: Arc<AtomicBool>,
    /// Whether it claims all kinds of work.
    pub(crate) standing: Arc<Standing>,
    /// Tasks that are to make room.
    pub(crate) wanted: Arc<Wanted>,
    pub(crate) outages: Arc<Outages>,
}

impl Runner {
    /// A runner named `owner` (seen by on-call as the holder of leases).
    pub fn new(store: Store, registry: Registry, settings: RunnerSettings, owner: String) -> Self {
        let standing = Arc::new(Standing::new(registry.fitness.is_some()));
        Self {
            standing,
            store,
            registry: Arc::new(registry),
            settings,
            failpoints: Arc::new(NoFailpoints),
            ids: Arc::new(RandomIds),
            owner,
            said_here: Arc::new(AtomicI64::new(i64::MIN)),
            gone: Arc::default(),
            wanted: Arc::default(),
            outages: Arc::default(),
        }
    }

    /// The same runner with failpoints that may fire at its points.
    #[must_use]
    pub fn with_failpoints(mut self, failpoints: impl Failpoints) -> Self {
        self.failpoints = Arc::new(failpoints);
        self
    }

    /// The same runner with another source of identifiers and chance.
    #[must_use]
    pub fn with_ids(mut self, ids: Arc<dyn Ids>) -> Self {
        self.ids = ids;
        self
    }

    /// Tells the runner, from the same process, that something has become due.
    pub fn waker(&self) -> Arc<Notify> {
        self.store.waker()
    }

    /// One claim: a step of a due workflow, else a due task run to its end, else a sweep. Returns whether it found work.
    /// For drivers that decide themselves when to go on.
    pub async fn tick(&self) -> Result<bool, StoreError> {
        self.know_fitness().await;
        if let Some(record) = self.look_for_workflows(ONE).await?.pop() {
            self.step_once(record).await;
            return Ok(true);
        }
        if let Some(task) = self.look_for_tasks(ONE).await?.pop() {
            self.run_task(&task, &Arc::default()).await;
            return Ok(true);
        }
        Ok(self.sweep().await > 0)
    }

    /// The same, but a workflow is stepped as [`Self::run`] does it: on and on until it waits, with commits that can be shared,
    /// and read back when their outcome is not known.
    pub async fn turn(&self) -> Result<bool, StoreError> {
        self.know_fitness().await;
        let Some(record) = self.look_for_workflows(ONE).await?.pop() else { return self.tick().await };
        let (queue, waiting) = commit_group::queue();
        let never = CancellationToken::new();
        tokio::select! {
            biased;
            () = self.drive(record, &queue, &never) => {}
            () = self.commit_groups(waiting) => {}
        }
        Ok(true)
    }

    /// Runs until `stop`. Then no new work is claimed, steps in hand are finished, and tasks in hand send nothing more, have
    /// their requests answered, and are handed over from their last checkpoint.
    pub async fn run(&self, stop: CancellationToken) {
        info!(owner = self.owner, "runner started");
        let work = async {
            tokio::join!(
                self.run_workflows(&stop),
                self.run_tasks(&stop),
                Box::pin(self.run_sweeps(&stop)),
                Box::pin(self.run_presence(&stop)),
                Box::pin(self.run_fitness(&stop)),
                Box::pin(self.run_pruning(&stop))
            )
        };
        tokio::select! {
            biased;
            _ = work => {}
            () = self.store.carry_announcements() => {}
        }
        // A claim that was on its way when it was told to stop may have said once more that it is there.
        self.say_gone().await;
        info!(owner = self.owner, "runner stopped");
    }

    async fn run_workflows(&self, stop: &CancellationToken) {
        let (queue, waiting) = commit_group::queue();
        let mut committing = JoinSet::new();
        for _ in 0..COMMITTING_AT_ONCE {
            let (runner, waiting) = (self.clone(), Arc::clone(&waiting));
            committing.spawn(async move { runner.commit_groups(waiting).await });
        }
        let size = FreeSlots::with_kept(self.settings.workflows_at_once);
        let mut hands = WorkerSlots::new(size, self.settings.poll, self.store.waker(), Arc::clone(&self.outages));
        while let Some(room) = hands.room(stop).await {
            let (claimed, room) = match room {
                Claiming::Claim(room) => (self.claim_workflows(room).await, room),
                Claiming::Look(room) => (self.look_for_workflows(room).await, room),
                // A step does not last.
                Claiming::Full(_) => continue,
            };
            hands.take(
                claimed,
                room,
                |record| record.keeps_offline,
                |record| {
                    let (runner, queue, stop) = (self.clone(), queue.clone(), stop.clone());
                    async move { runner.drive(record, &queue, &stop).await }
                },
            );
        }
        hands.finish(self.settings.drain).await;
        drop(queue);
        while let Some(ended) = committing.join_next().await {
            report_panic(ended);
        }
    }

    async fn run_tasks(&self, stop: &CancellationToken) {
        let size = FreeSlots::with_kept(self.settings.tasks_at_once);
        let mut hands = WorkerSlots::new(size, self.settings.poll, self.store.waker(), Arc::clone(&self.outages));
        while let Some(room) = hands.room(stop).await {
            let (claimed, room) = match room {
                Claiming::Claim(room) => (self.claim_tasks(room).await, room),
                Claiming::Look(room) => (self.look_for_tasks(room).await, room),
                Claiming::Full(could_wait) => {
                    self.ask_for_room(could_wait).await;
                    continue;
                }
            };
            self.wanted.set(0);
            hands.take(
                claimed,
                room,
                |task| task.keeps_offline,
                |task| {
                    let (runner, stop) = (self.clone(), stop.clone());
                    async move { runner.run_task_until(&task, stop).await }
                },
            );
        }
        hands.finish(self.settings.drain).await;
    }

    async fn run_task_until(&self, task: &TaskRecord, stop: CancellationToken) {
        // Claimed by a look that was under way when it was told to stop.
        if stop.is_cancelled() {
            return self.hand_task_over(task).await;
        }
        let in_flight = Arc::new(InFlight::default());
        if self.until_stopped(self.run_task(task, &in_flight), &in_flight, stop).await {
            return;
        }
        if self.note(task, &in_flight).await {
            self.hand_task_over(task).await;
        }
    }

    /// There is no room: as many tasks that can wait are to yield as there are tasks that keep a tenant offline and find none.
    async fn ask_for_room(&self, could_wait: usize) {
        let waiting = async {
            let mut look = self.store.read().await?;
            let waiting = task_table::offline_due(&mut look, could_wait).await?;
            look.rollback().await?;
            Ok::<_, StoreError>(waiting)
        };
        let waiting = waiting.await;
        let cause = waiting.as_ref().err().map(StoreError::chain);
        self.outages.note("it can't be looked for work that keeps a tenant offline", cause.as_deref());
        if let Ok(waiting) = waiting {
            self.wanted.set(waiting);
        }
    }

    /// Whether the task has ended. If not, it was told to stop: then it sends nothing more, what is in flight is answered, or has been
    /// waited for, and its work is dropped.
    async fn until_stopped(
        &self,
        running: impl Future<Output = ()>,
        in_flight: &InFlight,
        stop: CancellationToken,
    ) -> bool {
        let mut running = std::pin::pin!(running);
        if stop.run_until_cancelled(running.as_mut()).await.is_some() {
            return true;
        }
        in_flight.hold();
        tokio::select! {
            biased;
            () = running => true,
            () = in_flight.all_ended(self.settings.answers_within()) => false,
        }
    }

    async fn run_sweeps(&self, stop: &CancellationToken) {
        // While the database can't be used each pass would only be one more burden to it.
        let rarer = RetryPolicy { first: self.settings.poll, longest: self.settings.heartbeat.max(self.settings.poll) };
        let mut failures = 0;
        loop {
            let wait = if failures == 0 { self.settings.poll } else { rarer.wait(failures, self.ids.chance()) };
            if stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
                return;
            }
            failures = if self.try_sweeps().await.is_ok() { 0 } else { failures.saturating_add(1) };
        }
    }

    /// One pass of every sweep; returns how much was settled.
    pub async fn sweep(&self) -> u64 {
        self.try_sweeps().await.unwrap_or_else(|settled| settled)
    }

    /// The same; an error if one of them failed.
    async fn try_sweeps(&self) -> Result<u64, u64> {
        let (mut settled, mut cause) = (0, None);
        for sweep in &self.registry.sweeps {
            match sweep.sweep().await {
                Ok(count) => settled += count,
                Err(error) => cause = Some(error.chain()),
            }
        }
        if settled > 0 {
            self.store.waker().notify_waiters();
        }
        self.outages.note("a sweep fails", cause.as_deref());
        if cause.is_none() { Ok(settled) } else { Err(settled) }
    }

    async fn look_for_workflows(&self, room: FreeSlots) -> Result<Vec<WorkflowRecord>, StoreError> {
        let mut look = self.store.read().await?;
        let left_to_others = self.left_to_others();
        let due = match (room.any, &left_to_others) {
            (0, _) => workflow_table::any_offline_due(&mut look).await?,
            (_, None) => workflow_table::any_due(&mut look).await?,
            (_, Some(states)) => workflow_table::any_due_except(&mut look, states).await?,
        };
        look.rollback().await?;
        if due { self.claim_workflows(room).await } else { Ok(Vec::new()) }
    }

    async fn claim_workflows(&self, room: FreeSlots) -> Result<Vec<WorkflowRecord>, StoreError> {
        let mut tx = self.store.begin().await?;
        let now = tx.now().await?;
        let claimed = match self.left_to_others() {
            None => workflow_table::claim(&mut tx, &self.claim(room), now).await?,
            Some(states) => workflow_table::claim_except(&mut tx, &self.claim(room), &states, now).await?,
        };
        self.say_here_if_due(&mut tx, now).await?;
        tx.commit().await?;
        Ok(claimed)
    }

    /// The states of workflows that this process leaves to others; `None`: it takes part in everything.
    fn left_to_others(&self) -> Option<Vec<(&'static str, &'static str)>> {
        (!self.standing.takes_part()).then(|| self.registry.reaching_out().collect())
    }

    async fn look_for_tasks(&self, room: FreeSlots) -> Result<Vec<TaskRecord>, StoreError> {
        if !self.standing.takes_part() {
            return Ok(Vec::new());
        }
        let mut look = self.store.read().await?;
        let due = match room.any {
            0 => task_table::offline_due(&mut look, 1).await? > 0,
            _ => task_table::any_due(&mut look).await?,
        };
        look.rollback().await?;
        if due { self.claim_tasks(room).await } else { Ok(Vec::new()) }
    }

    fn claim(&self, room: FreeSlots) -> Claim<'_> {
        let bound = |slots: usize| i64::try_from(slots).unwrap_or(i64::MAX);
        Claim { owner: &self.owner, lease: self.settings.lease_ms(), all: bound(room.all), any: bound(room.any) }
    }

    async fn claim_tasks(&self, room: FreeSlots) -> Result<Vec<TaskRecord>, StoreError> {
        if !self.standing.takes_part() {
            return Ok(Vec::new());
        }
        let mut tx = self.store.begin().await?;
        let now = tx.now().await?;
        let claimed = task_table::claim(&mut tx, &self.claim(room), now).await?;
        self.say_here_if_due(&mut tx, now).await?;
        tx.commit().await?;
        Ok(claimed)
    }
}
