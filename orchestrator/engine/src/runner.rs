//! The runner: claims due workflows and tasks and runs them, until told to stop. Any number of processes run one each.

use std::sync::Arc;
use std::time::Duration;

use store::{Store, StoreError};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::commit_group;
use crate::hands::{Hands, Room, report_panic};
use crate::ids::{Ids, RandomIds};
use crate::probe::{NoProbe, Probe};
use crate::record::{TaskRecord, WorkflowRecord};
use crate::registry::Registry;
use crate::retry::RetryPolicy;
use crate::task_table;
use crate::workflow_table;

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
    /// Workflows stepped at a time by this process.
    pub workflows_at_once: usize,
    /// Steps that share a commit, at most. 1: every step has its own.
    pub shared_commit: usize,
    /// Tasks run at a time by this process; 0 leaves data work to others.
    pub tasks_at_once: usize,
    /// How long work in hand may take to end once the runner is told to stop; then it is dropped where it stands.
    pub drain: Duration,
    /// How long a workflow that has ended is kept, with its history. `None`: for ever.
    pub keep_history: Option<Duration>,
    /// Waits between failed attempts.
    pub retry: RetryPolicy,
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
        }
    }
}

impl RunnerSettings {
    pub(crate) fn lease_ms(&self) -> i64 {
        i64::try_from(self.lease.as_millis()).unwrap_or(i64::MAX / 2)
    }
}

/// Runs workflows and tasks. Cheap to clone.
#[derive(Clone)]
pub struct Runner {
    pub(crate) store: Store,
    pub(crate) registry: Arc<Registry>,
    pub(crate) settings: RunnerSettings,
    pub(crate) probe: Arc<dyn Probe>,
    pub(crate) ids: Arc<dyn Ids>,
    owner: String,
}

impl Runner {
    /// A runner named `owner` (seen by on-call as the holder of leases).
    pub fn new(store: Store, registry: Registry, settings: RunnerSettings, owner: String) -> Self {
        Self {
            store,
            registry: Arc::new(registry),
            settings,
            probe: Arc::new(NoProbe),
            ids: Arc::new(RandomIds),
            owner,
        }
    }

    /// The same runner with a probe that may strike at its points.
    #[must_use]
    pub fn with_probe(mut self, probe: impl Probe) -> Self {
        self.probe = Arc::new(probe);
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
        if let Some(record) = self.look_for_workflows(1).await?.pop() {
            self.step_once(record).await;
            return Ok(true);
        }
        if let Some(task) = self.look_for_tasks(1).await?.pop() {
            self.run_task(&task, &Arc::default()).await;
            return Ok(true);
        }
        Ok(self.sweep().await > 0)
    }

    /// Runs until `stop`. Then no new work is claimed, steps in hand are finished, and tasks in hand are handed over from
    /// their last checkpoint.
    pub async fn run(&self, stop: CancellationToken) {
        info!(owner = self.owner, "runner started");
        let work = async {
            tokio::join!(
                self.run_workflows(&stop),
                self.run_tasks(&stop),
                self.run_sweeps(&stop),
                self.run_pruning(&stop)
            )
        };
        tokio::select! {
            biased;
            _ = work => {}
            () = self.store.carry_announcements() => {}
        }
        info!(owner = self.owner, "runner stopped");
    }

    async fn run_workflows(&self, stop: &CancellationToken) {
        let (queue, waiting) = commit_group::queue();
        let mut committing = JoinSet::new();
        for _ in 0..COMMITTING_AT_ONCE {
            let (runner, waiting) = (self.clone(), Arc::clone(&waiting));
            committing.spawn(async move { runner.commit_groups(waiting).await });
        }
        let mut hands = Hands::new(self.settings.workflows_at_once, self.settings.poll, self.store.waker());
        while let Some(room) = hands.room(stop).await {
            let (claimed, room) = match room {
                Room::Claim(room) => (self.claim_workflows(room).await, room),
                Room::Look(room) => (self.look_for_workflows(room).await, room),
            };
            hands.take(claimed, room, |record| {
                let (runner, queue, stop) = (self.clone(), queue.clone(), stop.clone());
                async move { runner.drive(record, &queue, &stop).await }
            });
        }
        hands.finish(self.settings.drain).await;
        drop(queue);
        while let Some(ended) = committing.join_next().await {
            report_panic(ended);
        }
    }

    async fn run_tasks(&self, stop: &CancellationToken) {
        let mut hands = Hands::new(self.settings.tasks_at_once, self.settings.poll, self.store.waker());
        while let Some(room) = hands.room(stop).await {
            let (claimed, room) = match room {
                Room::Claim(room) => (self.claim_tasks(room).await, room),
                Room::Look(room) => (self.look_for_tasks(room).await, room),
            };
            hands.take(claimed, room, |task| {
                let (runner, stop) = (self.clone(), stop.clone());
                async move { runner.run_task_until(&task, stop).await }
            });
        }
        hands.finish(self.settings.drain).await;
    }

    async fn run_task_until(&self, task: &TaskRecord, stop: CancellationToken) {
        let unsettled = Arc::default();
        if stop.run_until_cancelled(self.run_task(task, &unsettled)).await.is_some() {
            return;
        }
        if !self.note_unsettled(task, &unsettled).await {
            return;
        }
        let released = async {
            let mut tx = self.store.begin().await?;
            task_table::release(&mut tx, &task.id, task.fence).await?;
            tx.commit().await
        };
        if let Err(error) = released.await {
            warn!(task = task.id, %error, "a task could not be handed over; its lease will run out");
        }
        self.let_go(task).await;
    }

    async fn run_sweeps(&self, stop: &CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(self.settings.poll)).await.is_some() {
            self.sweep().await;
        }
    }

    /// One pass of every sweep; returns how much was settled.
    pub async fn sweep(&self) -> u64 {
        let mut settled = 0;
        for sweep in &self.registry.sweeps {
            match sweep.sweep().await {
                Ok(count) => settled += count,
                Err(error) => warn!(%error, "a sweep failed; the next one tries again"),
            }
        }
        if settled > 0 {
            self.store.waker().notify_waiters();
        }
        settled
    }

    async fn look_for_workflows(&self, limit: usize) -> Result<Vec<WorkflowRecord>, StoreError> {
        let mut look = self.store.read().await?;
        let due = workflow_table::any_due(&mut look).await?;
        look.rollback().await?;
        if due { self.claim_workflows(limit).await } else { Ok(Vec::new()) }
    }

    async fn claim_workflows(&self, limit: usize) -> Result<Vec<WorkflowRecord>, StoreError> {
        let mut tx = self.store.begin().await?;
        let claimed = workflow_table::claim(&mut tx, &self.owner, self.settings.lease_ms(), limit).await?;
        tx.commit().await?;
        Ok(claimed)
    }

    async fn look_for_tasks(&self, limit: usize) -> Result<Vec<TaskRecord>, StoreError> {
        let mut look = self.store.read().await?;
        let due = task_table::any_due(&mut look).await?;
        look.rollback().await?;
        if due { self.claim_tasks(limit).await } else { Ok(Vec::new()) }
    }

    async fn claim_tasks(&self, limit: usize) -> Result<Vec<TaskRecord>, StoreError> {
        let mut tx = self.store.begin().await?;
        let claimed = task_table::claim(&mut tx, &self.owner, self.settings.lease_ms(), limit).await?;
        tx.commit().await?;
        Ok(claimed)
    }
}
