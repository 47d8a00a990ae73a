//! A small workflow that walks through a few states and can be struck on the way, a task that never ends, and the stage.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use acceptance::Database;
use acceptance::world::{fresh_store, wait_until};
use async_trait::async_trait;
use catalogue::workflow_in_use;
use engine::tables::workflow_table;
use engine::tables::workflow_table::NewWorkflow;
use engine::task::{HANDED_OVER, NewTask, TaskContext, TaskHandler};
use engine::{
    Next, OnFailure, Priority, Registry, Runner, RunnerSettings, StepError, StepTx, TaskRecord, Treatment, Workflow,
    WorkflowRecord,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{Row, Sql, Store, StoreError, Tx, sql};
use tokio_util::sync::CancellationToken;

const NAMES: [&str; 5] = ["at_0", "at_1", "at_2", "at_3", "done"];
const FAILED: usize = NAMES.len();
const AN_HOUR_MS: i64 = 3_600_000;

/// The stored state.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Walk {
    pub(super) place: usize,
    pub(super) blow_at: usize,
    pub(super) fault: Option<Injected>,
    pub(super) fans_out: bool,
    /// How often it has stayed where it is.
    pub(super) stayed: u32,
}

/// What happens to a walk at its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Injected {
    Fail,
    Panic,
    /// The database refuses a statement of the step, and with it the whole transaction.
    BadStatement,
    /// Somebody else claims the row while the step looks at the outside.
    TakenOver,
    /// An operator holds it back while the step looks at the outside for the first time.
    HeldBack,
    /// The step never stops looking at the outside.
    NeverSees,
    /// The step stays where it is.
    Wait,
}

impl Walk {
    pub(super) fn plain() -> Self {
        Self { place: 0, blow_at: 0, fault: None, fans_out: false, stayed: 0 }
    }

    fn struck(&self) -> Option<Injected> {
        self.fault.filter(|_| self.place == self.blow_at)
    }
}

/// The workflow.
pub(super) struct Chain(Store);

impl Chain {
    async fn change(&self, how: &'static str, record: &WorkflowRecord) -> Result<(), StepError> {
        let mut tx = self.0.begin().await?;
        sql(how).bind(&record.id).execute(&mut tx).await?;
        Ok(tx.commit().await?)
    }
}

#[async_trait]
impl Workflow for Chain {
    type State = Walk;
    type Seen = ();

    const KIND: &'static str = "chain";

    fn name(state: &Walk) -> &'static str {
        NAMES.get(state.place).copied().unwrap_or("failed")
    }

    fn may_follow(from: &str, to: &str) -> bool {
        to == "failed" || NAMES.windows(2).any(|pair| pair == [from, to])
    }

    fn is_final(name: &str) -> bool {
        matches!(name, "done" | "failed")
    }

    fn shares_commits(_: &str) -> bool {
        true
    }

    fn may_be_pruned(name: &str) -> bool {
        name == "done"
    }

    async fn is_named(&self, tx: &mut Tx, record: &WorkflowRecord) -> Result<bool, StoreError> {
        workflow_in_use::names_workflow(tx, &record.id).await
    }

    async fn observe(&self, record: &WorkflowRecord, state: &Walk) -> Result<(), StepError> {
        match state.struck() {
            Some(Injected::NeverSees) => pending().await,
            Some(Injected::TakenOver) => {
                self.change("UPDATE workflows SET fence = fence + 1000 WHERE id = $1", record).await
            }
            Some(Injected::HeldBack) => {
                self.change("UPDATE workflows SET paused = 4 WHERE id = $1 AND fence = 1", record).await
            }
            _ => Ok(()),
        }
    }

    async fn advance(&self, step: &mut StepTx<'_>, state: Walk, (): ()) -> Result<Next<Walk>, StepError> {
        match state.struck() {
            Some(Injected::Fail) => return Err(StepError::permanent("injected", "injected")),
            Some(Injected::Panic) => panic!("injected"),
            Some(Injected::BadStatement) => drop(sql("SELECT no_such_column FROM workflows").fetch_all(step.tx).await?),
            Some(Injected::Wait) => {
                let stayed = state.stayed + 1;
                return Ok(Next::Stay(Walk { stayed, ..state }, step.now + AN_HOUR_MS));
            }
            _ => {}
        }
        if state.fans_out && state.place == 1 {
            return Ok(Next::Stay(state, step.now + AN_HOUR_MS));
        }
        if state.fans_out {
            step.fan_out(&NewTask { kind: EndlessTask::KIND, target: String::new(), input: Value::Null }).await?;
        }
        Ok(Next::Go(Walk { place: state.place + 1, ..state }, String::new()))
    }

    async fn ended(&self, _: &mut StepTx<'_>, _: &Walk) -> Result<(), StepError> {
        Ok(())
    }

    fn on_failure(&self, state: &Walk, _: &StepError, _: u32) -> OnFailure<Walk> {
        OnFailure::Go(Walk { place: FAILED, ..state.clone() })
    }
}

/// Saves a checkpoint, then works for ever.
#[derive(Clone, Default)]
pub(super) struct EndlessTask(Arc<Seen>);

#[derive(Default)]
struct Seen {
    entered: AtomicUsize,
    begun: AtomicUsize,
    can_stop: AtomicBool,
    unfit: AtomicBool,
    has_a_deadline: AtomicBool,
    running: AtomicUsize,
    resumed_from: AtomicI64,
}

impl EndlessTask {
    const KIND: &'static str = "endless";

    /// One that looks whether its room is wanted.
    pub(super) fn that_can_stop() -> Self {
        let task = Self::default();
        task.0.can_stop.store(true, Ordering::SeqCst);
        task
    }

    /// One that this process can't do, `max_attempts` times at most or for as long as it takes.
    pub(super) fn beyond_this_process(has_a_deadline: bool) -> Self {
        let task = Self::default();
        task.0.unfit.store(true, Ordering::SeqCst);
        task.0.has_a_deadline.store(has_a_deadline, Ordering::SeqCst);
        task
    }

    /// How many runs have begun, whether or not they have saved a checkpoint.
    pub(super) fn entered(&self) -> usize {
        self.0.entered.load(Ordering::SeqCst)
    }

    /// How many runs have saved a checkpoint.
    pub(super) fn begun(&self) -> usize {
        self.0.begun.load(Ordering::SeqCst)
    }

    pub(super) fn running(&self) -> usize {
        self.0.running.load(Ordering::SeqCst)
    }

    /// The checkpoint that the last run began from; 0 for none.
    pub(super) fn resumed_from(&self) -> i64 {
        self.0.resumed_from.load(Ordering::SeqCst)
    }
}

/// Counts a run as running until it is dropped.
struct Running(Arc<Seen>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl TaskHandler for EndlessTask {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    async fn run(&self, cx: &TaskContext) -> Result<Value, StepError> {
        self.0.entered.fetch_add(1, Ordering::SeqCst);
        self.0.running.fetch_add(1, Ordering::SeqCst);
        let _running = Running(Arc::clone(&self.0));
        if self.0.unfit.load(Ordering::SeqCst) {
            let message = "this process lacks something".to_owned();
            return Err(StepError { treatment: Treatment::Unfit, ..StepError::permanent("unfit", message) });
        }
        let from = cx.task.checkpoint.as_ref().and_then(Value::as_i64).unwrap_or(0);
        self.0.resumed_from.store(from, Ordering::SeqCst);
        cx.save(&json!(from + 1), &json!({}), 1).await?;
        self.0.begun.fetch_add(1, Ordering::SeqCst);
        if !self.0.can_stop.load(Ordering::SeqCst) {
            return pending().await;
        }
        let mut look = tokio::time::interval(Duration::from_millis(5));
        while !cx.is_wanted_back() {
            look.tick().await;
        }
        Err(StepError::retryable(HANDED_OVER, "its room is wanted"))
    }

    async fn on_checkpoint(&self, _: &mut Tx, _: &TaskRecord) -> Result<(), StepError> {
        Ok(())
    }

    fn max_attempts(&self, _: &TaskRecord) -> Option<u32> {
        let unfit = self.0.unfit.load(Ordering::SeqCst);
        match (unfit, self.0.has_a_deadline.load(Ordering::SeqCst)) {
            (false, _) => Some(1),
            (true, true) => Some(6),
            (true, false) => None,
        }
    }
}

/// A fresh store on which walks are started.
pub(super) struct Stage {
    pub(super) store: Store,
    url: String,
    _folder: tempfile::TempDir,
}

impl Stage {
    pub(super) async fn new(database: Database) -> Self {
        let (url, folder) = fresh_store(database).await;
        Self { store: open(&url).await, url, _folder: folder }
    }

    /// The workflow, and the task that never ends.
    pub(super) fn registry(&self, endless: &EndlessTask) -> Registry {
        Registry::default().workflow(Chain(self.store.clone())).task(endless.clone())
    }

    pub(super) fn runner(&self, name: &str, settings: RunnerSettings) -> Runner {
        self.runner_with(name, settings, &EndlessTask::default())
    }

    pub(super) fn runner_with(&self, name: &str, settings: RunnerSettings, endless: &EndlessTask) -> Runner {
        Runner::new(self.store.clone(), self.registry(endless), settings, name.to_owned())
    }

    /// A runner that shares nothing with this process but the database.
    pub(super) async fn runner_of_another_process(&self, name: &str, settings: RunnerSettings) -> Runner {
        let store = open(&self.url).await;
        Runner::new(store, self.registry(&EndlessTask::default()), settings, name.to_owned())
    }

    pub(super) async fn start(&self, id: &str, walk: Walk) {
        self.start_about(id, id, walk).await;
    }

    /// A walk whose tenant is offline until it has taken its first step.
    pub(super) async fn start_offline(&self, id: &str, walk: Walk) {
        let mut tx = self.store.begin().await.expect("begins");
        self.insert(&mut tx, (id, id), walk).await;
        let offline = sql("UPDATE workflows SET keeps_offline = 1 WHERE id = $1").bind(id);
        offline.execute(&mut tx).await.expect("executed");
        tx.commit().await.expect("commits");
    }

    pub(super) async fn tasks(&self) -> usize {
        self.rows("SELECT id FROM tasks").await.len()
    }

    pub(super) async fn tasks_of(&self, id: &str) -> usize {
        let mut tx = self.store.read().await.expect("begins");
        engine::tables::task_table::of_workflow(&mut tx, id).await.expect("tasks can be listed").len()
    }

    /// Tasks that somebody is at work on.
    pub(super) async fn tasks_held(&self) -> usize {
        self.rows("SELECT id FROM tasks WHERE lease_owner IS NOT NULL AND lease_until > 0").await.len()
    }

    pub(super) async fn start_about(&self, id: &str, subject: &str, walk: Walk) {
        let mut tx = self.store.begin().await.expect("begins");
        self.insert(&mut tx, (id, subject), walk).await;
        tx.commit().await.expect("commits");
    }

    async fn insert(&self, tx: &mut Tx, (id, subject): (&str, &str), walk: Walk) {
        let now = tx.now().await.expect("a clock");
        let new = NewWorkflow {
            id,
            kind: Chain::KIND,
            subject,
            start_key: None,
            request: "",
            state: Chain::name(&walk),
            data: serde_json::to_string(&walk).expect("it serialises"),
            wake_at: now,
            priority: Priority::default(),
        };
        workflow_table::insert(tx, new, now).await.expect("inserted");
    }

    /// Runs until that many walks have ended, and stops in order.
    pub(super) async fn run_until_ended(&self, settings: RunnerSettings, count: i64) {
        let (runner, stop) = (self.runner("test", settings), CancellationToken::new());
        let ended = async {
            wait_until(|| async {
                let ended = self.rows("SELECT COUNT(*) AS ended FROM workflows WHERE wake_at IS NULL").await;
                ended[0].int("ended").expect("a number") == count
            })
            .await;
            stop.cancel();
        };
        tokio::join!(runner.run(stop.clone()), ended);
    }

    /// Asserts that the walk has entered every state on its way once, and has ended as it should.
    pub(super) async fn walked_once(&self, id: &str, end: &str) {
        let mut tx = self.store.read().await.expect("begins");
        let history = engine::tables::history::after(&mut tx, id, 0, 100).await.expect("a history");
        let entered: Vec<_> = history.iter().map(|row| row.to_state.as_str()).collect();
        let expected: &[&str] = match end {
            "done" => &["at_1", "at_2", "at_3", "done"],
            _ => &["at_1", "at_2", "failed"],
        };
        assert_eq!(entered, expected, "{id}");
    }

    pub(super) async fn state_and_fence(&self, id: &str) -> (String, i64) {
        let mut tx = self.store.read().await.expect("begins");
        let record = workflow_table::get(&mut tx, id).await.expect("readable").expect("it exists");
        (record.state, record.fence)
    }

    /// The stored state of a walk.
    pub(super) async fn walk(&self, id: &str) -> Walk {
        let mut tx = self.store.read().await.expect("begins");
        let record = workflow_table::get(&mut tx, id).await.expect("readable").expect("it exists");
        serde_json::from_str(&record.data).expect("a walk")
    }

    pub(super) async fn rows(&self, text: &'static str) -> Vec<Row> {
        let mut tx = self.store.read().await.expect("begins");
        sql(text).fetch_all(&mut tx).await.expect("a result")
    }

    pub(super) async fn execute(&self, statement: Sql) {
        let mut tx = self.store.begin().await.expect("begins");
        statement.execute(&mut tx).await.expect("executed");
        tx.commit().await.expect("commits");
    }

    /// The server's processes that listen for announcements.
    pub(super) async fn listeners(&self) -> Vec<i64> {
        let found = "SELECT CAST(pid AS BIGINT) AS pid FROM pg_stat_activity \
                     WHERE datname = current_database() AND query LIKE 'LISTEN%'";
        self.rows(found).await.iter().map(|row| row.int("pid").expect("a number")).collect()
    }

    pub(super) async fn cut_listeners(&self) {
        let cut = "SELECT COUNT(pg_terminate_backend(pid)) AS cut FROM pg_stat_activity \
                   WHERE datname = current_database() AND query LIKE 'LISTEN%'";
        assert!(self.rows(cut).await[0].int("cut").expect("a number") > 0, "nobody listened");
    }
}

async fn open(url: &str) -> Store {
    Store::open(&url.parse().expect("a store URL")).await.expect("the store opens")
}

/// A runner at work beside the test.
pub(super) struct Working {
    stop: CancellationToken,
    running: tokio::task::JoinHandle<()>,
}

impl Working {
    pub(super) fn begin(runner: Runner) -> Self {
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        Self { stop, running: tokio::spawn(async move { runner.run(stopped).await }) }
    }

    /// Tells it to stop.
    pub(super) fn tell_to_stop(&self) {
        self.stop.cancel();
    }

    /// Stops it in order, bounded.
    pub(super) async fn end(self) {
        self.tell_to_stop();
        tokio::time::timeout(Duration::from_secs(30), self.running).await.expect("it stops in time").expect("no panic");
    }
}
