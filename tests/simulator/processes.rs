//! Engine processes: each has lanes that tick a runner and one that sweeps. They crash and are started again under another
//! name, stand still while the world goes on, and have clocks that differ.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use engine::Runner;
use store::Clock;
use testkit::simulator::Millis;
use workers::store_clocks::Clocks;
use workers::{Movers, Settings};
use workflows::Deployment;

use crate::faults::{Fault, count};
use crate::hooks::{Hooked, LANES, SkewedClock};
use crate::tables::SimulatedTables;
use crate::world::{Event, World};

/// The lane of a process that sweeps.
const SWEEPER: usize = LANES - 1;

/// From then on, in milliseconds, plays have mostly ended.
const LATE: Millis = 20_000;

/// Of the pauses, so many in a thousand are long.
const LONG_PAUSES: u32 = 250;

/// One process.
pub(crate) struct Process {
    /// Its name with the number of its life: the holder of its leases.
    pub(crate) owner: String,
    pub(crate) clock: SkewedClock,
    pub(crate) deployment: Deployment,
    lives: u32,
    up: bool,
    paused: bool,
    runner: Runner,
    /// What happens to it once it goes on.
    held: Vec<Event>,
    /// How long after a lapse it comes to sweep.
    sweeps_late: Millis,
    /// When each lane looks for work again.
    looks_at: Vec<Millis>,
}

impl World {
    /// Starts the engine's processes, and last the one through which operators act.
    pub(crate) fn start_processes(&mut self) {
        for n in 0..=self.scenario.processes {
            let offset = Arc::new(AtomicI64::new(0));
            let clock = SkewedClock { base: Arc::clone(&self.clock), offset, database: Arc::clone(&self.database) };
            let process = self.process(n, 0, clock);
            self.processes.push(process);
        }
    }

    fn process(&mut self, n: usize, lives: u32, clock: SkewedClock) -> Process {
        let scenario = &self.scenario;
        let hooked = Hooked(Arc::clone(&self.hooks));
        let store = self.store.clone().with_clock(Arc::new(clock.clone())).with_faults(Arc::new(hooked.clone()));
        let settings = Settings {
            batch_concurrency: scenario.batches,
            page_keys: scenario.page_keys,
            index_settle: scenario.timing.index_settle,
            skew: scenario.timing.max_clock_skew,
            settle_rounds: 4,
            permit_fresh_for: Duration::from_millis(20),
            checkpoint_every: Duration::from_millis(scenario.checkpoint_every.unsigned_abs()),
            attempts: 4,
            ..Settings::default()
        };
        let clocks = Arc::new(Clocks::default());
        let (calls, wakeups) = (Arc::clone(&self.calls), self.lanes.wakeups());
        let tables = SimulatedTables { calls, wakeups, clocks: Arc::clone(&clocks) };
        let movers = Movers::with_tables(Arc::new(tables), clocks, settings);
        let mut deployment = Deployment::new(store.clone(), movers, scenario.timing.clone());
        deployment.ids = Arc::new(hooked.clone());
        let name = if n == scenario.processes { "operator".to_owned() } else { format!("p{n}") };
        let owner = format!("{name}.{lives}");
        let runner = Runner::new(store, workflows::registry(&deployment), deployment.runner_settings(), owner.clone())
            .with_ids(Arc::new(hooked.clone()))
            .with_failpoints(hooked);
        let lease = self.lease();
        Process {
            owner,
            clock,
            deployment,
            lives,
            up: true,
            paused: false,
            runner,
            held: Vec::new(),
            sweeps_late: self.chance.between(0, lease / 2),
            looks_at: vec![self.now; LANES],
        }
    }

    pub(crate) fn name_of(&self, lane: usize) -> String {
        self.processes[lane / LANES].owner.clone()
    }

    pub(crate) fn is_paused(&self, lane: usize) -> bool {
        self.processes[lane / LANES].paused
    }

    /// Keeps something for a process that stands still.
    pub(crate) fn hold(&mut self, lane: usize, event: Event) {
        self.processes[lane / LANES].held.push(event);
    }

    /// One of the lanes that could go on.
    pub(crate) fn ready_lane(&mut self) -> Option<usize> {
        let mut ready = self.lanes.ready();
        ready.retain(|lane| !self.is_paused(*lane));
        if ready.is_empty() { None } else { Some(*self.chance.pick(&ready)) }
    }

    /// SimulatedTasks without work, with the time at which there will be some for them.
    fn idle(&self) -> impl Iterator<Item = (usize, Millis)> {
        let (due, lapses) = (self.invariants.seen.due_at(), self.invariants.seen.lapses_at());
        let held = self.invariants.seen.any_held().then(|| self.clock.now() - self.now);
        let (engines, ticking) = (self.scenario.processes, self.scenario.lanes);
        let start = self.clock.now() - self.now;
        self.processes[..engines].iter().enumerate().filter(|(_, process)| process.up && !process.paused).flat_map(
            move |(n, process)| {
                let lanes = (0..ticking).map(move |k| (k, due));
                let sweeps = lapses.map(|at| at + process.sweeps_late).into_iter().chain(held).min();
                let lanes = lanes.chain([(SWEEPER, sweeps)]);
                lanes.filter(move |(k, _)| !self.lanes.is_busy(n * LANES + k)).filter_map(move |(k, at)| {
                    let at = at? - start - process.clock.ahead();
                    Some((n * LANES + k, at.max(process.looks_at[k])))
                })
            },
        )
    }

    /// When an idle lane will find work.
    pub(crate) fn work_begins_at(&self) -> Option<Millis> {
        self.idle().map(|(_, at)| at).min()
    }

    /// Lets one idle lane look for the work that is due; `false` when there is none.
    pub(crate) fn begin_due_work(&mut self) -> bool {
        let due: Vec<usize> = self.idle().filter(|(_, at)| *at <= self.now).map(|(lane, _)| lane).collect();
        if due.is_empty() {
            return false;
        }
        let lane = *self.chance.pick(&due);
        let runner = self.processes[lane / LANES].runner.clone();
        if lane % LANES == SWEEPER {
            self.lanes.begin(lane, async move {
                runner.sweep().await;
            });
        } else {
            let steps_on = self.scenario.steps_on;
            self.lanes.begin(lane, async move {
                // What it could not begin it tries again when it looks next.
                drop(if steps_on { runner.turn().await } else { runner.tick().await });
            });
        }
        true
    }

    /// A lane's work has come to its end.
    pub(crate) fn lane_ended(&mut self, lane: usize) {
        self.hooks.forget_work(lane);
        // Late in a play, when something does not end, looking often would only take long.
        let held = lane % LANES == SWEEPER && self.invariants.seen.any_held();
        let rest = if self.now > LATE || held { 200 } else { 12 };
        let again = self.now + self.chance.between(0, rest);
        self.processes[lane / LANES].looks_at[lane % LANES] = again;
    }

    /// Now and then the database's clock is set, further ahead of the tables' than is allowed, and put right after a while.
    pub(crate) fn may_set_database_clock(&mut self, lane: usize) {
        let rate = self.scenario.rates.database_clock * self.hooks.weight(lane);
        if self.hooks.is_calm() || self.database.load(Ordering::SeqCst) != 0 || !self.chance.permille(rate) {
            return;
        }
        let skew = i64::try_from(self.scenario.timing.max_clock_skew.as_millis()).expect("short");
        // Beyond what is allowed, and often beyond every wait. It is never behind: what is noted meanwhile would count from too early.
        let ahead = self.chance.between(skew * 2, self.longest_wait() * 2);
        self.set_database_clock(ahead);
        let lasting = self.chance.between(1, self.lease() * 4);
        self.plan(lasting, Event::DatabaseClock);
        let state = self.hooks.state_of(lane);
        count(&mut self.coverage, Fault::DatabaseClock, state);
    }

    /// Sets the database's clock so far ahead of the tables'.
    pub(crate) fn set_database_clock(&mut self, ahead: Millis) {
        let before = self.database.swap(ahead, Ordering::SeqCst);
        if before != ahead {
            self.database_was = (before, self.now);
            self.note("database", &format!("its clock is set to {ahead:+} ms"));
        }
    }

    /// Now and then a process's clock is set.
    pub(crate) fn may_skew(&mut self, lane: usize) {
        let rate = self.scenario.rates.skew * self.hooks.weight(lane);
        if self.hooks.is_calm() || !self.chance.permille(rate) {
            return;
        }
        // Any two clocks differ by at most the skew.
        let half = i64::try_from(self.scenario.timing.max_clock_skew.as_millis() / 2).expect("short");
        let offset = self.chance.between(-half, half);
        self.processes[lane / LANES].clock.offset.store(offset, Ordering::SeqCst);
        let state = self.hooks.state_of(lane);
        count(&mut self.coverage, Fault::ClockSkew, state);
        let who = self.name_of(lane);
        self.note(&who, &format!("its clock is set to {offset:+} ms"));
    }

    /// The process ends. What it has sent may still arrive.
    pub(crate) async fn crash(&mut self, n: usize) {
        for lane in n * LANES..(n + 1) * LANES {
            self.lanes.kill(lane).await;
            self.hooks.forget_work(lane);
        }
        self.processes[n].up = false;
        self.processes[n].held.clear();
        let lease = self.lease();
        let after = self.chance.between(1, lease * 2);
        self.plan(after, Event::Restart(n));
        let who = self.processes[n].owner.clone();
        self.note(&who, "has crashed");
    }

    pub(crate) fn restart(&mut self, n: usize) {
        let (lives, clock) = (self.processes[n].lives + 1, self.processes[n].clock.clone());
        self.processes[n] = self.process(n, lives, clock);
        let who = self.processes[n].owner.clone();
        self.note(&who, "is started");
    }

    /// The process stands still, often for longer than its leases last.
    pub(crate) fn pause(&mut self, n: usize) {
        if self.processes[n].paused || !self.processes[n].up {
            return;
        }
        self.processes[n].paused = true;
        let lease = self.lease();
        // Some of the pauses outlast everything that waits for what a process that stands still has in hand.
        let longest = if self.chance.permille(LONG_PAUSES) { self.longest_wait() * 4 } else { lease * 4 };
        let after = self.chance.between(lease / 4, longest);
        self.plan(after, Event::Resume(n));
        let who = self.processes[n].owner.clone();
        self.note(&who, &format!("stands still for {after} ms"));
    }

    pub(crate) fn resume(&mut self, n: usize) {
        self.processes[n].paused = false;
        for event in std::mem::take(&mut self.processes[n].held) {
            self.plan(0, event);
        }
        let who = self.processes[n].owner.clone();
        self.note(&who, "goes on");
    }
}
