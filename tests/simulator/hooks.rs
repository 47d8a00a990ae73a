//! Where the product asks the simulation: before a transaction and a commit, at the failpoints of a step, for ids and for
//! the time. All of it is asked by the one lane that runs, so the answers follow from the seed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use engine::failpoints::{Failpoint, Failpoints, Moment};
use engine::{Ids, StepError};
use store::{Admission, Clock, CommitFate, Faults, Held, ManualClock, Millis};
use testkit::simulator::{Chance, Mailbox, Wakeups};

use crate::faults::{Fault, FaultRates};

/// SimulatedTasks of one process have ids next to each other.
pub(crate) const LANES: usize = 16;

/// How much more often a rare state is struck.
const RARE: u32 = 10;

/// What a lane is working on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Work {
    /// The state of the workflow that it steps or runs a task of.
    pub(crate) state: &'static str,
}

/// A hit of a fault, to be noted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hit {
    pub(crate) lane: usize,
    pub(crate) fault: Fault,
    pub(crate) state: Option<&'static str>,
}

/// What the product's hooks share with the simulation.
pub(crate) struct Hooks {
    pub(crate) gates: Mailbox<(), Option<Held>>,
    wakeups: Arc<Wakeups>,
    chance: Mutex<Chance>,
    rates: FaultRates,
    calm: AtomicBool,
    work: Mutex<BTreeMap<usize, Work>>,
    doomed: Mutex<BTreeSet<usize>>,
    to_pause: Mutex<BTreeSet<usize>>,
    hits: Mutex<Vec<Hit>>,
    committed: AtomicBool,
    next_id: AtomicU64,
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().expect("no holder of this lock panics")
}

impl Hooks {
    pub(crate) fn new(wakeups: Arc<Wakeups>, chance: Chance, rates: FaultRates) -> Self {
        Self {
            gates: Mailbox::default(),
            wakeups,
            chance: Mutex::new(chance),
            rates,
            calm: AtomicBool::new(true),
            work: Mutex::default(),
            doomed: Mutex::default(),
            to_pause: Mutex::default(),
            hits: Mutex::default(),
            committed: AtomicBool::new(false),
            next_id: AtomicU64::new(0),
        }
    }

    /// Begins or ends the time in which faults happen.
    pub(crate) fn set_calm(&self, calm: bool) {
        self.calm.store(calm, Ordering::SeqCst);
    }

    pub(crate) fn is_calm(&self) -> bool {
        self.calm.load(Ordering::SeqCst)
    }

    /// Whether something was committed since the last question.
    pub(crate) fn take_committed(&self) -> bool {
        self.committed.swap(false, Ordering::SeqCst)
    }

    pub(crate) fn take_hits(&self) -> Vec<Hit> {
        std::mem::take(&mut *locked(&self.hits))
    }

    /// The state that the lane is working in.
    pub(crate) fn state_of(&self, lane: usize) -> Option<&'static str> {
        locked(&self.work).get(&lane).map(|work| work.state)
    }

    /// The lane has nothing in hand any more.
    pub(crate) fn forget_work(&self, lane: usize) {
        locked(&self.work).remove(&lane);
    }

    /// Processes that were struck down at a point of a step.
    pub(crate) fn take_doomed(&self) -> BTreeSet<usize> {
        std::mem::take(&mut *locked(&self.doomed))
    }

    /// Processes that are to be paused where they are.
    pub(crate) fn take_to_pause(&self) -> BTreeSet<usize> {
        std::mem::take(&mut *locked(&self.to_pause))
    }

    /// Whether a fault of this rate strikes the running lane now.
    pub(crate) fn strikes(&self, permille: u32) -> bool {
        let lane = self.wakeups.running();
        let permille = permille * lane.map_or(1, |lane| self.weight(lane));
        !self.is_calm() && locked(&self.chance).permille(permille)
    }

    /// A state that is rarely entered is struck more often while it lasts.
    pub(crate) fn weight(&self, lane: usize) -> u32 {
        if matches!(self.state_of(lane), Some("re_online" | "recheck")) { RARE } else { 1 }
    }

    /// Notes that a fault has struck the lane in the state it works in.
    pub(crate) fn note(&self, lane: usize, fault: Fault) {
        let state = self.state_of(lane);
        locked(&self.hits).push(Hit { lane, fault, state });
    }

    pub(crate) fn is_doomed(&self, lane: usize) -> bool {
        locked(&self.doomed).contains(&(lane / LANES))
    }

    /// The outcome of a commit is about to be read back.
    fn read_back(&self) -> Result<(), StepError> {
        let Some(lane) = self.wakeups.running().filter(|_| self.strikes(self.rates.read_back_fails)) else {
            return Ok(());
        };
        self.note(lane, Fault::ReadBackFails);
        Err(StepError::retryable("catalogue_unavailable", "the row can't be read back"))
    }

    fn visit(&self, state: &'static str) {
        let Some(lane) = self.wakeups.running() else { return };
        locked(&self.work).insert(lane, Work { state });
        if self.strikes(self.rates.crash_at_point) {
            self.note(lane, Fault::Crash);
            locked(&self.doomed).insert(lane / LANES);
        } else if self.strikes(self.rates.pause_at_point) {
            self.note(lane, Fault::Pause);
            locked(&self.to_pause).insert(lane / LANES);
        }
    }
}

/// The hooks as the product's traits want them.
#[derive(Clone)]
pub(crate) struct Hooked(pub Arc<Hooks>);

impl Faults for Hooked {
    fn begin(&self) -> Admission {
        let hooks = Arc::clone(&self.0);
        let lane = hooks.wakeups.running().expect("only lanes use the database");
        let admitted = hooks.gates.ask(lane, ());
        Box::pin(async move {
            match admitted.await {
                Ok(admitted) => admitted,
                // Its process has crashed: nothing of it goes on.
                Err(_) => std::future::pending().await,
            }
        })
    }

    fn commit(&self) -> CommitFate {
        let hooks = &self.0;
        let lane = hooks.wakeups.running().expect("only lanes use the database");
        if hooks.is_doomed(lane) {
            return CommitFate::NotMade;
        }
        if hooks.strikes(hooks.rates.commit_not_made) {
            hooks.note(lane, Fault::CommitNotMade);
            return CommitFate::NotMade;
        }
        hooks.committed.store(true, Ordering::SeqCst);
        if hooks.strikes(hooks.rates.commit_reply_lost) {
            hooks.note(lane, Fault::CommitReplyLost);
            return CommitFate::ReplyLost;
        }
        CommitFate::Made
    }
}

impl Failpoints for Hooked {
    fn step(&self, point: Failpoint<'_>) -> Result<(), StepError> {
        let state = match (point.kind, point.state) {
            ("removal", "waiting") => "removal waiting",
            ("removal", "comparing") => "removal comparing",
            ("removal", "removing") => "removal removing",
            ("recheck", _) => "recheck",
            (_, state) => workflows::realm_move::STATES.iter().find(|known| **known == state).unwrap_or(&"another"),
        };
        if point.moment == Moment::ReadBack {
            return self.0.read_back();
        }
        self.0.visit(state);
        Ok(())
    }

    fn task(&self, point: Failpoint<'_>) -> Result<(), StepError> {
        let state = match point.kind {
            "copy" => "add_data",
            "verify" => "verify",
            "compare" => "removal comparing",
            _ => "removal removing",
        };
        if point.moment != Moment::Recorded {
            self.0.visit(state);
        }
        Ok(())
    }
}

impl Ids for Hooked {
    fn next(&self) -> String {
        format!("id-{:05}", self.0.next_id.fetch_add(1, Ordering::SeqCst))
    }

    fn chance(&self) -> f64 {
        locked(&self.0.chance).share()
    }
}

/// A process's clock: the simulation's and a little beside it, or far when the database's is wrong.
#[derive(Clone)]
pub(crate) struct SkewedClock {
    pub(crate) base: Arc<ManualClock>,
    pub(crate) offset: Arc<AtomicI64>,
    /// How far the database's clock, by which all processes count, is ahead of the tables'.
    pub(crate) database: Arc<AtomicI64>,
}

impl SkewedClock {
    /// How far it is ahead of the simulation's.
    pub(crate) fn ahead(&self) -> Millis {
        self.offset.load(Ordering::SeqCst) + self.database.load(Ordering::SeqCst)
    }
}

impl Clock for SkewedClock {
    fn now(&self) -> Millis {
        self.base.now() + self.ahead()
    }

    fn overrides_database(&self) -> bool {
        true
    }
}
