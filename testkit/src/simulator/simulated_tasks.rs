//! Simulated tasks: each is a line of work of some process, and exactly one runs at a time, until all that is left for it is to wait
//! for something that the simulation decides. So the order of everything follows from the simulation's choices.
//!
//! A task may wait for threads of its own, such as a database's: then the run waits with it, and nothing else runs. Runs on a
//! current-thread runtime with a paused clock, kept from moving by itself.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use tokio::sync::Notify;

const NONE: usize = usize::MAX;

/// How many turns of the runtime without any news make a lane quiet: tasks that it has spawned get theirs.
const QUIET_TURNS: u32 = 2;

/// Which lane runs, and what it has open with other threads.
#[derive(Debug)]
pub struct Wakeups {
    running: AtomicUsize,
    open: AtomicUsize,
    changed: Notify,
}

impl Wakeups {
    /// The lane that runs now.
    pub fn running(&self) -> Option<usize> {
        Some(self.running.load(Ordering::SeqCst)).filter(|lane| *lane != NONE)
    }

    /// Says that the running lane is going to wait for a thread of its own, until the guard is dropped.
    pub fn open(self: &Arc<Self>) -> Open {
        self.open.fetch_add(1, Ordering::SeqCst);
        Open(Arc::clone(self))
    }
}

/// Something that a lane has open with another thread.
#[derive(Debug)]
pub struct Open(Arc<Wakeups>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
        self.0.changed.notify_one();
    }
}

struct Woken {
    flag: AtomicBool,
    wakeups: Arc<Wakeups>,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.flag.store(true, Ordering::SeqCst);
        self.wakeups.changed.notify_one();
    }
}

struct SimulatedTask {
    work: Pin<Box<dyn Future<Output = ()> + Send>>,
    woken: Arc<Woken>,
}

/// All lanes that have work.
pub struct SimulatedTasks {
    lanes: BTreeMap<usize, SimulatedTask>,
    wakeups: Arc<Wakeups>,
}

impl Default for SimulatedTasks {
    fn default() -> Self {
        let wakeups = Wakeups { running: AtomicUsize::new(NONE), open: AtomicUsize::new(0), changed: Notify::new() };
        Self { lanes: BTreeMap::new(), wakeups: Arc::new(wakeups) }
    }
}

impl SimulatedTasks {
    /// What hooks inside the work ask.
    pub fn wakeups(&self) -> Arc<Wakeups> {
        Arc::clone(&self.wakeups)
    }

    /// Gives a lane that has none its work; it starts when it is first run.
    pub fn begin(&mut self, lane: usize, work: impl Future<Output = ()> + Send + 'static) {
        let woken = Arc::new(Woken { flag: AtomicBool::new(true), wakeups: self.wakeups() });
        let before = self.lanes.insert(lane, SimulatedTask { work: Box::pin(work), woken });
        assert!(before.is_none(), "lane {lane} has work already");
    }

    /// Whether the lane has work.
    pub fn is_busy(&self, lane: usize) -> bool {
        self.lanes.contains_key(&lane)
    }

    /// Whether any lane has work.
    pub fn any_busy(&self) -> bool {
        !self.lanes.is_empty()
    }

    /// SimulatedTasks that could go on at once.
    pub fn ready(&self) -> Vec<usize> {
        let woken = self.lanes.iter().filter(|(_, lane)| lane.woken.flag.load(Ordering::SeqCst));
        woken.map(|(lane, _)| *lane).collect()
    }

    /// Runs the lane until it is quiet; says whether its work has ended.
    pub async fn run(&mut self, id: usize) -> bool {
        self.wakeups.running.store(id, Ordering::SeqCst);
        let mut quiet = 0;
        let ended = loop {
            let Some(lane) = self.lanes.get_mut(&id) else { break true };
            if lane.woken.flag.swap(false, Ordering::SeqCst) {
                quiet = 0;
                let waker = Waker::from(Arc::clone(&lane.woken));
                if lane.work.as_mut().poll(&mut Context::from_waker(&waker)) == Poll::Ready(()) {
                    self.lanes.remove(&id);
                    break true;
                }
            }
            if self.wakeups.open.load(Ordering::SeqCst) > 0 {
                quiet = 0;
                self.wakeups.changed.notified().await;
                continue;
            }
            tokio::task::yield_now().await;
            quiet += 1;
            let woken = self.lanes.get(&id).is_some_and(|lane| lane.woken.flag.load(Ordering::SeqCst));
            if !woken && quiet > QUIET_TURNS && self.wakeups.open.load(Ordering::SeqCst) == 0 {
                break false;
            }
        };
        self.wakeups.running.store(NONE, Ordering::SeqCst);
        ended
    }

    /// Takes the lane's work away as a crash does: nothing of it runs on.
    pub async fn kill(&mut self, id: usize) {
        drop(self.lanes.remove(&id));
        for _ in 0..=QUIET_TURNS {
            tokio::task::yield_now().await;
        }
        while self.wakeups.open.load(Ordering::SeqCst) > 0 {
            self.wakeups.changed.notified().await;
        }
    }
}
