//! The simulated world and its loop: one lane runs at a time, then what it asked for is planned, then time moves.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use store::{Held, ManualClock, Store};
use testkit::simulator::{
    Chance, Coverage, EventQueue, Millis, PendingRequest, SimulatedTable, SimulatedTasks, TableShape, Trace,
};
use tokio::sync::oneshot;

use crate::clients::{Request, View};
use crate::faults;
use crate::hooks::Hooks;
use crate::invariants::{Broken, Invariants, TableMap};
use crate::observer::{Observer, Snapshot};
use crate::operators::{Deeds, Told};
use crate::processes::Process;
use crate::scenario::{REGIONS, Scenario};
use crate::tables::{Answered, At, Call, Calls, INDEX_KEY, KEY};

/// 2026-01-01, where simulated time begins.
const START: Millis = 1_767_225_600_000;

/// By then everything must have come to its end.
const LONGEST: Millis = 120_000;

/// The longest step of time while some work may be asleep: its alarms are this late at most.
const LONGEST_STEP: Millis = 16;

/// Takes the answer to a call.
pub(crate) type Sender = oneshot::Sender<Answered>;

/// Something that is going to happen.
pub(crate) enum Event {
    /// A transaction may begin, or learns that the database can't be reached.
    Admit { lane: usize, answer: oneshot::Sender<Option<Held>>, reachable: bool },
    /// A process that stood still with a call in hand sends it.
    Send(PendingRequest<Call, Answered>),
    /// A call arrives at its table.
    Arrive { lane: usize, call: Call, answer: Option<Sender>, partial: bool },
    /// A caller gets its answer.
    Reply { lane: usize, answer: Sender, reply: Answered },
    /// A change arrives at another region by the store's own replication.
    Replicate { at: At, change: workers::tables::Change, by_mover: bool },
    /// A crashed process is started again.
    Restart(usize),
    /// A paused process goes on.
    Resume(usize),
    /// A client thinks of something to write.
    Think { tenant: usize },
    /// A client's request takes effect.
    Request(Request),
    /// An operator acts.
    Deed(Deeds),
    /// Somebody writes where a removal is under way.
    WriteLate,
    /// A table deletes items that have expired.
    Sweep(At),
    /// An index is made anew, with a sort key or without.
    MakeIndex { at: At, sort: Option<&'static str> },
    /// The database's clock is put right.
    DatabaseClock,
    /// Faults end.
    Calm,
}

/// Everything that a run consists of.
pub(crate) struct World {
    pub(crate) now: Millis,
    pub(crate) chance: Chance,
    pub(crate) scenario: Scenario,
    pub(crate) clock: Arc<ManualClock>,
    /// How far the database's clock is ahead of it, and what it was until when.
    pub(crate) database: Arc<AtomicI64>,
    pub(crate) database_was: (Millis, Millis),
    pub(crate) lanes: SimulatedTasks,
    pub(crate) schedule: EventQueue<Event>,
    pub(crate) hooks: Arc<Hooks>,
    pub(crate) calls: Arc<Calls>,
    pub(crate) store: Store,
    pub(crate) processes: Vec<Process>,
    pub(crate) tables: TableMap,
    pub(crate) invariants: Invariants,
    /// When the last change of a key reaches a replica.
    pub(crate) replicated: BTreeMap<(At, String), Millis>,
    pub(crate) views: Vec<View>,
    pub(crate) in_flight: Vec<String>,
    pub(crate) written: u64,
    pub(crate) told: Arc<Mutex<Vec<Told>>>,
    /// The move that each deed has started.
    pub(crate) started: BTreeMap<usize, String>,
    pub(crate) trace: Trace,
    pub(crate) coverage: Coverage,
    pub(crate) replays: u32,
    pub(crate) observer: Observer,
    step: Millis,
}

impl World {
    /// A world on a copy of the template's file, which has the schema.
    pub(crate) async fn new(seed: u64, file: &Path) -> Self {
        let mut chance = Chance::new(seed);
        let scenario = Scenario::drawn(&mut chance);
        let clock = Arc::new(ManualClock::new(START));
        let lanes = SimulatedTasks::default();
        let hooks = Hooks::new(lanes.wakeups(), Chance::new(chance.bits()), scenario.rates.clone());
        let url = store::StoreUrl::Sqlite(file.to_owned());
        let store = Store::open(&url).await.expect("the catalogue opens").with_clock(Arc::new(Arc::clone(&clock)));
        let shape = || TableShape { key: KEY, index_key: INDEX_KEY };
        let regions = REGIONS.into_iter();
        let places = regions.flat_map(|region| scenario.services.iter().map(move |service| (region, service.name)));
        let table = |(region, name): (&str, &str)| ((region.to_owned(), name.to_owned()), SimulatedTable::new(shape()));
        Self {
            now: 0,
            clock,
            database: Arc::default(),
            database_was: (0, 0),
            schedule: EventQueue::default(),
            hooks: Arc::new(hooks),
            calls: Arc::default(),
            store,
            processes: Vec::new(),
            tables: places.map(table).collect(),
            invariants: Invariants {
                services: scenario.services.clone(),
                seen: Snapshot::default(),
                data: BTreeMap::new(),
                late: BTreeMap::new(),
                until: BTreeMap::new(),
                now: 0,
            },
            replicated: BTreeMap::new(),
            views: Vec::new(),
            in_flight: Vec::new(),
            written: 0,
            told: Arc::default(),
            started: BTreeMap::new(),
            trace: Trace::default(),
            coverage: Coverage::default(),
            replays: 0,
            observer: Observer::new(file),
            step: 1,
            lanes,
            chance,
            scenario,
        }
    }

    /// Plays until everything has come to its end, and judges every step.
    pub(crate) async fn play(&mut self) -> Result<(), Broken> {
        self.start_processes();
        self.found().await?;
        self.hooks.set_calm(false);
        self.plan_the_play();
        loop {
            if let Some(lane) = self.ready_lane() {
                self.run(lane).await?;
            } else if let Some(event) = self.schedule.take_due(self.now) {
                self.happen(event).await?;
            } else if self.begin_due_work() {
                // It runs in the next turn.
            } else if self.is_over()? {
                self.invariants.now = self.seconds();
                return self.invariants.end(&self.tables);
            } else if self.now > LONGEST {
                return Err(format!("P9: no end after {LONGEST} ms: {:?}", self.invariants.seen));
            } else {
                self.move_time().await;
            }
        }
    }

    /// Lets the next thing happen, before the play begins.
    pub(crate) async fn next_event(&mut self) -> Result<(), Broken> {
        match self.schedule.take_due(self.now) {
            Some(event) => self.happen(event).await,
            None => {
                self.move_time().await;
                Ok(())
            }
        }
    }

    /// Notes something in the trace.
    pub(crate) fn note(&mut self, who: &str, what: &str) {
        self.trace.note(self.now, who, what);
    }

    /// Plans an event for so many milliseconds from now.
    pub(crate) fn plan(&mut self, after: Millis, event: Event) {
        self.schedule.plan(&mut self.chance, self.now + after, event);
    }

    /// Runs a lane until it is quiet, and does what follows from it.
    pub(crate) async fn run(&mut self, lane: usize) -> Result<(), Broken> {
        self.may_skew(lane);
        self.may_set_database_clock(lane);
        self.trace.mix(lane, self.now);
        self.step = 1;
        let ended = self.lanes.run(lane).await;
        for gate in self.hooks.gates.collect() {
            self.admit_later(gate);
        }
        for call in self.calls.collect() {
            self.send(call);
        }
        for hit in self.hooks.take_hits() {
            faults::count(&mut self.coverage, hit.fault, hit.state);
            let who = self.name_of(hit.lane);
            self.note(&who, &format!("{} in {}", hit.fault.name(), hit.state.unwrap_or("nothing")));
        }
        if self.hooks.take_committed() {
            self.look(lane)?;
        }
        if ended {
            self.lane_ended(lane);
        }
        for process in self.hooks.take_doomed() {
            self.crash(process).await;
        }
        for process in self.hooks.take_to_pause() {
            self.pause(process);
        }
        self.hear()
    }

    fn admit_later(&mut self, gate: PendingRequest<(), Option<Held>>) {
        let (lane, calm) = (gate.lane, self.hooks.is_calm());
        let rates = &self.scenario.rates;
        let weight = self.hooks.weight(lane);
        let (slow, unreachable) = (rates.slow_store * weight, rates.unreachable * weight);
        let lease = self.lease();
        let is_slow = !calm && self.chance.permille(slow);
        let after = if is_slow { self.chance.between(5, lease) } else { self.chance.between(0, 2) / 2 };
        let reachable = calm || !self.chance.permille(unreachable);
        if is_slow {
            self.hooks.note(lane, faults::Fault::SlowStore);
        }
        if !reachable {
            self.hooks.note(lane, faults::Fault::Unreachable);
        }
        self.plan(after, Event::Admit { lane, answer: gate.answer, reachable });
    }

    async fn happen(&mut self, event: Event) -> Result<(), Broken> {
        match event {
            Event::Admit { lane, answer, reachable } if self.is_paused(lane) => {
                self.hold(lane, Event::Admit { lane, answer, reachable });
            }
            Event::Reply { lane, answer, reply } if self.is_paused(lane) => {
                self.hold(lane, Event::Reply { lane, answer, reply });
            }
            Event::Admit { lane, answer, reachable } => {
                let held: Option<Held> = reachable.then(|| Box::new(self.lanes.wakeups().open()) as Held);
                if answer.send(held).is_ok() {
                    self.run(lane).await?;
                }
            }
            Event::Reply { answer, reply, .. } => drop(answer.send(reply)),
            Event::Send(errand) => self.mailbox(errand),
            Event::Arrive { lane, call, answer, partial } => self.arrive(lane, call, answer, partial)?,
            Event::Replicate { at, change, by_mover } => self.replicate(&at, change, by_mover)?,
            Event::Restart(process) => self.restart(process),
            Event::Resume(process) => self.resume(process),
            Event::Think { tenant } => self.think(tenant),
            Event::Request(request) => self.request(request),
            Event::Deed(deed) => self.act(deed),
            Event::WriteLate => self.write_late()?,
            Event::Sweep(at) => self.sweep(&at),
            Event::MakeIndex { at, sort } => self.make_index(&at, sort),
            Event::DatabaseClock => self.set_database_clock(0),
            Event::Calm => {
                self.set_database_clock(0);
                self.hooks.set_calm(true);
                self.repair_replicas();
                self.note("world", "no more faults");
            }
        }
        Ok(())
    }

    /// Moves all clocks to what happens next, or a small step when work may be asleep.
    async fn move_time(&mut self) {
        let planned = self.schedule.next().into_iter().chain(self.work_begins_at()).min();
        let asleep = self.lanes.any_busy().then_some(self.now + self.step);
        let next = planned.into_iter().chain(asleep).min().unwrap_or(self.now + LONGEST_STEP).max(self.now + 1);
        self.step = (self.step * 2).min(LONGEST_STEP);
        let by = next - self.now;
        self.now = next;
        self.clock.advance(by);
        tokio::time::advance(Duration::from_millis(by.unsigned_abs())).await;
    }

    /// The lease of workflows and tasks.
    pub(crate) fn lease(&self) -> Millis {
        i64::try_from(self.scenario.timing.lease.as_millis()).expect("short")
    }

    /// Whether nothing is left to happen. A pause that took effect late is ended, and a failed removal is replayed first, as on-call would.
    fn is_over(&mut self) -> Result<bool, Broken> {
        let quiet = self.hooks.is_calm() && self.schedule.next().is_none() && !self.lanes.any_busy();
        if !quiet || self.invariants.seen.lapses_at().is_some() {
            return Ok(false);
        }
        if self.invariants.seen.due_at().is_some() {
            // A removal may wait for as long as another, which it follows, has failed.
            if self.invariants.seen.only_removals_wait() {
                self.replay_failed()?;
            }
            return Ok(false);
        }
        if self.let_go_of_the_rest() {
            return Ok(false);
        }
        self.replay_failed()
    }
}
