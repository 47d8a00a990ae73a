//! Probes that strike at a chosen point: kill the process, fail, lose the reply of a commit, or do something else in
//! between. Each counts its strikes, so that a test can tell that it was hit where it meant to be.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use engine::StepError;
use engine::failpoints::{Failpoint, Failpoints, Moment};
use serde::{Deserialize, Serialize};

/// How long anybody waits for an action that is done in between, before the test fails.
const PATIENCE: Duration = Duration::from_secs(240);

/// A point at which to strike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Kind of the workflow (`move`, `removal`) or of the task (`copy`, `verify`, `remove`).
    pub kind: String,
    /// State of the workflow; empty for tasks, whose point then is the kind alone.
    pub state: String,
    /// Where in the step: before, observed, written, recorded, read_back.
    pub moment: String,
}

impl Target {
    /// A point in a workflow's step.
    pub fn step(kind: &str, state: &str, moment: Moment) -> Self {
        Self { kind: kind.to_owned(), state: state.to_owned(), moment: name(moment).to_owned() }
    }

    /// A point in a task.
    pub fn task(kind: &str, moment: Moment) -> Self {
        Self::step(kind, "", moment)
    }

    fn is_at(&self, point: Failpoint<'_>, task: bool) -> bool {
        let state = if task { "" } else { point.state };
        self.kind == point.kind && self.state == state && self.moment == name(point.moment)
    }
}

fn name(moment: Moment) -> &'static str {
    match moment {
        Moment::Before => "before",
        Moment::Observed => "observed",
        Moment::Written => "written",
        Moment::Recorded => "recorded",
        Moment::ReadBack => "read_back",
    }
}

/// What a strike does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Injected {
    /// `kill -9` of the whole process.
    Kill,
    /// A failure that will not pass.
    FailForGood,
    /// A failure that may pass.
    FailOnce,
    /// After `Recorded`: as if the reply to the commit had been lost. At `ReadBack`: as if the database could not be reached.
    LoseReply,
}

/// Strikes at a target, at most `times`.
#[derive(Debug, Clone)]
pub struct Injector {
    target: Target,
    fault: Injected,
    passes: u32,
    times: u32,
    visits: Arc<AtomicU32>,
    struck: Arc<AtomicU32>,
}

impl Injector {
    /// Strikes at `target` the first `times` that the engine comes by.
    pub fn new(target: Target, fault: Injected, times: u32) -> Self {
        Self { target, fault, passes: 0, times, visits: Arc::default(), struck: Arc::default() }
    }

    /// The same, letting it come by so often before.
    #[must_use]
    pub fn after(self, passes: u32) -> Self {
        Self { passes, ..self }
    }

    /// How often it has struck.
    pub fn struck(&self) -> u32 {
        self.struck.load(Ordering::SeqCst)
    }

    /// How often the engine came by.
    pub fn visited(&self) -> u32 {
        self.visits.load(Ordering::SeqCst)
    }

    fn visit(&self, point: Failpoint<'_>, task: bool) -> Result<(), StepError> {
        if !self.target.is_at(point, task)
            || self.visits.fetch_add(1, Ordering::SeqCst) < self.passes
            || self.struck.fetch_add(1, Ordering::SeqCst) >= self.times
        {
            return Ok(());
        }
        match self.fault {
            Injected::Kill => {
                let me = rustix::process::getpid();
                rustix::process::kill_process(me, rustix::process::Signal::KILL).expect("a process may kill itself");
                unreachable!("SIGKILL can't be outlived")
            }
            Injected::FailForGood => Err(StepError::permanent("injected", "a failure injected by the test")),
            Injected::FailOnce => Err(StepError::retryable("injected", "a passing failure injected by the test")),
            Injected::LoseReply => Err(StepError::retryable("injected", "the reply was lost")),
        }
    }
}

impl Failpoints for Injector {
    fn step(&self, point: Failpoint<'_>) -> Result<(), StepError> {
        self.visit(point, false)
    }

    fn task(&self, point: Failpoint<'_>) -> Result<(), StepError> {
        self.visit(point, true)
    }
}

/// Several injectors in one.
#[derive(Debug, Clone)]
pub struct Injectors(pub Vec<Injector>);

impl Failpoints for Injectors {
    fn step(&self, point: Failpoint<'_>) -> Result<(), StepError> {
        self.0.iter().try_for_each(|injector| injector.step(point))
    }

    fn task(&self, point: Failpoint<'_>) -> Result<(), StepError> {
        self.0.iter().try_for_each(|injector| injector.task(point))
    }
}

/// Does something else in the middle of a step or task, once: what another process might do just then.
#[derive(Clone)]
pub struct Interject {
    target: Target,
    action: Action,
    done: Arc<AtomicU32>,
    /// Whether the action has ended.
    ended: Arc<(Mutex<bool>, Condvar)>,
}

/// What is done in between.
pub type Action = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

impl Interject {
    /// Runs `action` the first time that the engine comes by `target`; whoever comes there meanwhile, before anything is done, waits
    /// until it has ended. Needs a multi-threaded runtime.
    pub fn new<F>(target: Target, action: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self { target, action: Arc::new(move || Box::pin(action())), done: Arc::default(), ended: Arc::default() }
    }

    fn visit(&self, point: Failpoint<'_>, task: bool) {
        if !self.target.is_at(point, task) {
            return;
        }
        let (ended, told) = &*self.ended;
        if self.done.fetch_add(1, Ordering::SeqCst) == 0 {
            let action = (self.action)();
            tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(action));
            *ended.lock().expect("no holder of this lock panics") = true;
            told.notify_all();
        } else if point.moment == Moment::Before {
            // Nobody who is here holds a transaction that the action might wait for.
            tokio::task::block_in_place(|| {
                let ended = ended.lock().expect("no holder of this lock panics");
                let waited = told.wait_timeout_while(ended, PATIENCE, |ended| !*ended);
                let (ended, _) = waited.expect("no holder of this lock panics");
                assert!(*ended, "{:?}: what was to be done in between has not ended", self.target);
            });
        }
    }

    /// Whether the action has been done.
    pub fn has_ended(&self) -> bool {
        *self.ended.0.lock().expect("no holder of this lock panics")
    }

    /// Whether the engine came by.
    pub fn was_reached(&self) -> bool {
        self.done.load(Ordering::SeqCst) > 0
    }
}

impl Failpoints for Interject {
    fn step(&self, point: Failpoint<'_>) -> Result<(), StepError> {
        self.visit(point, false);
        Ok(())
    }

    fn task(&self, point: Failpoint<'_>) -> Result<(), StepError> {
        self.visit(point, true);
        Ok(())
    }
}
