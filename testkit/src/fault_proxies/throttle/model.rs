//! The buckets of all tables, and who gets in. One lock; nothing in here waits.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::fault_proxies::throttle::bucket::Bucket;
use crate::fault_proxies::throttle::counts::{Counts, Key, Ledger, Place};
use crate::fault_proxies::throttle::limits::{Limits, Settings};

/// What a unit is spent on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Write,
    Read,
}

/// Units at one place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Charge {
    pub(super) place: Place,
    pub(super) units: f64,
}

/// What has to be let in together: one item of a batch, or a whole page.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Piece {
    pub(super) table: Arc<str>,
    pub(super) kind: Kind,
    pub(super) charges: Vec<Charge>,
}

/// Why something was throttled.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Reason {
    pub(super) table: Arc<str>,
    /// The index that was short of capacity; `None` for the table itself.
    pub(super) index: Option<Arc<str>>,
    pub(super) kind: Kind,
    /// The capacity of the whole table or index, not of one partition.
    pub(super) provisioned: bool,
}

/// Whether a request may be served in part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Served {
    InPart,
    WholeOrNot,
}

#[derive(Debug)]
pub(super) struct Model {
    settings: Settings,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Since when partitions have been saving capacity; `None` when they begin full.
    empty: Option<Duration>,
    resources: HashMap<Resource, Buckets>,
    ledger: Ledger,
}

/// A table (no index) or an index.
type Resource = (Arc<str>, Option<Arc<str>>);

#[derive(Debug)]
struct Pair {
    write: Bucket,
    read: Bucket,
}

#[derive(Debug)]
struct Buckets {
    limits: Limits,
    /// Limits of single partitions.
    own: HashMap<Place, Limits>,
    partitions: HashMap<Place, Pair>,
    /// What is provisioned for all partitions together.
    provisioned: Option<Pair>,
}

impl Pair {
    fn new(limits: Limits, empty: Option<Duration>) -> Self {
        let bucket = |rate| Bucket::new(rate, limits.burst, empty);
        Self { write: bucket(limits.write), read: bucket(limits.read) }
    }

    fn of(&mut self, kind: Kind) -> &mut Bucket {
        match kind {
            Kind::Write => &mut self.write,
            Kind::Read => &mut self.read,
        }
    }

    fn change(&mut self, limits: Limits, now: Duration) {
        self.write.change(limits.write, limits.burst, now);
        self.read.change(limits.read, limits.burst, now);
    }

    fn empty(&mut self, now: Duration) {
        self.write.empty(now);
        self.read.empty(now);
    }
}

impl Model {
    pub(super) fn new(settings: Settings) -> Self {
        let ledger = Ledger::new(settings.window);
        let empty = (!settings.full).then(|| (settings.clock)());
        let state = State { empty, resources: HashMap::new(), ledger };
        Self { settings, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // What is in there is numbers: a panic elsewhere leaves none of them half written.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> Duration {
        (self.settings.clock)()
    }

    pub(super) fn base_partitions(&self) -> u32 {
        self.settings.base_partitions.max(1)
    }

    /// Decides about each piece of one request, charges those let in, and counts. The reasons of each piece that is not.
    pub(super) fn admit(&self, pieces: &[Piece], served: Served, caller: &str) -> Vec<Vec<Reason>> {
        let now = self.now();
        let state = &mut *self.state();
        let mut refused: Vec<Vec<Reason>> = Vec::with_capacity(pieces.len());
        for piece in pieces {
            let reasons = state.short_of(piece, &self.settings, now);
            if reasons.is_empty() && served == Served::InPart {
                state.charge(piece, &self.settings, now);
            }
            refused.push(reasons);
        }
        let all = refused.iter().all(Vec::is_empty);
        if served == Served::WholeOrNot && all {
            pieces.iter().for_each(|piece| state.charge(piece, &self.settings, now));
        }
        let kept_out = |number: usize| match served {
            Served::InPart => !refused[number].is_empty(),
            Served::WholeOrNot => !all,
        };
        state.count(pieces, kept_out, &refused, caller, now);
        refused
    }

    /// Charges what turned out only afterwards.
    pub(super) fn settle(&self, piece: &Piece, caller: &str) {
        let now = self.now();
        let state = &mut *self.state();
        state.charge(piece, &self.settings, now);
        for charge in &piece.charges {
            state.ledger.at(now, key(piece, charge.place.clone(), caller)).spend(piece.kind, charge.units);
        }
        let sum = piece.charges.iter().map(|charge| charge.units).sum();
        state.ledger.at(now, key(piece, Place::Table, caller)).spend(piece.kind, sum);
    }

    /// Changes the limits of a table's or index's partitions; of one partition only, when `place` is given.
    pub(super) fn change(&self, resource: Resource, place: Option<Place>, limits: Limits) {
        let now = self.now();
        let buckets = &mut *self.state();
        let buckets = buckets.of(resource, &self.settings);
        match place {
            Some(place) => {
                buckets.own.insert(place.clone(), limits);
                if let Some(pair) = buckets.partitions.get_mut(&place) {
                    pair.change(limits, now);
                }
            }
            None => {
                buckets.limits = limits;
                buckets.own.clear();
                buckets.partitions.values_mut().for_each(|pair| pair.change(limits, now));
            }
        }
    }

    /// Limits what all partitions of a table or an index may take together, or no longer.
    pub(super) fn provision(&self, resource: Resource, limits: Option<Limits>) {
        let mut state = self.state();
        let empty = state.empty;
        state.of(resource, &self.settings).provisioned = limits.map(|limits| Pair::new(limits, empty));
    }

    /// Empties every bucket, also of partitions that are first used later.
    pub(super) fn empty_bursts(&self) {
        let now = self.now();
        let mut state = self.state();
        state.empty = Some(now);
        for buckets in state.resources.values_mut() {
            buckets.partitions.values_mut().chain(&mut buckets.provisioned).for_each(|pair| pair.empty(now));
        }
    }

    pub(super) fn read_ledger<T>(&self, read: impl FnOnce(&mut Ledger) -> T) -> T {
        read(&mut self.state().ledger)
    }
}

impl State {
    fn of(&mut self, resource: Resource, settings: &Settings) -> &mut Buckets {
        let limits = if resource.1.is_some() { settings.index } else { settings.table };
        let fresh = || Buckets { limits, own: HashMap::new(), partitions: HashMap::new(), provisioned: None };
        self.resources.entry(resource).or_insert_with(fresh)
    }

    /// The bucket of one place, and that of the table or index it belongs to.
    fn buckets(&mut self, table: &Arc<str>, place: &Place, settings: &Settings) -> (&mut Pair, Option<&mut Pair>) {
        let empty = self.empty;
        let buckets = self.of((table.clone(), index_of(place)), settings);
        let limits = buckets.own.get(place).copied().unwrap_or(buckets.limits);
        if !buckets.partitions.contains_key(place) {
            buckets.partitions.insert(place.clone(), Pair::new(limits, empty));
        }
        let pair = buckets.partitions.get_mut(place).expect("just made");
        (pair, buckets.provisioned.as_mut())
    }

    fn short_of(&mut self, piece: &Piece, settings: &Settings, now: Duration) -> Vec<Reason> {
        let mut reasons = Vec::new();
        for charge in &piece.charges {
            let (partition, provisioned) = self.buckets(&piece.table, &charge.place, settings);
            let partition_is_short = !partition.of(piece.kind).has_any(now);
            let provisioned_is_short = provisioned.is_some_and(|pair| !pair.of(piece.kind).has_any(now));
            for (short, provisioned) in [(partition_is_short, false), (provisioned_is_short, true)] {
                let (table, index) = (piece.table.clone(), index_of(&charge.place));
                let reason = Reason { table, index, kind: piece.kind, provisioned };
                if short && !reasons.contains(&reason) {
                    reasons.push(reason);
                }
            }
        }
        reasons
    }

    fn charge(&mut self, piece: &Piece, settings: &Settings, now: Duration) {
        for charge in &piece.charges {
            let (partition, provisioned) = self.buckets(&piece.table, &charge.place, settings);
            partition.of(piece.kind).take(charge.units, now);
            if let Some(pair) = provisioned {
                pair.of(piece.kind).take(charge.units, now);
            }
        }
    }

    /// A request counts once at each place it touches, and as throttled where a piece of it was kept out for that place.
    fn count(
        &mut self,
        pieces: &[Piece],
        kept_out: impl Fn(usize) -> bool,
        refused: &[Vec<Reason>],
        caller: &str,
        now: Duration,
    ) {
        let (mut touched, mut throttled) = (HashSet::new(), HashSet::new());
        for (number, piece) in pieces.iter().enumerate() {
            let out = kept_out(number);
            let total = piece.charges.iter().map(|charge| charge.units).sum();
            let whole = (Place::Table, total, out);
            let parts = piece.charges.iter().map(|charge| {
                let index = index_of(&charge.place);
                (charge.place.clone(), charge.units, refused[number].iter().any(|reason| reason.index == index))
            });
            for (place, units, throttled_here) in parts.chain([whole]) {
                let key = key(piece, place, caller);
                let counts = self.ledger.at(now, key.clone());
                counts.items += 1;
                counts.throttled_items += u64::from(throttled_here);
                if !out {
                    counts.spend(piece.kind, units);
                }
                if throttled_here {
                    throttled.insert(key.clone());
                }
                touched.insert(key);
            }
        }
        touched.into_iter().for_each(|key| self.ledger.at(now, key).requests += 1);
        throttled.into_iter().for_each(|key| self.ledger.at(now, key).throttled_requests += 1);
    }
}

impl Counts {
    fn spend(&mut self, kind: Kind, units: f64) {
        match kind {
            Kind::Write => self.write_units += units,
            Kind::Read => self.read_units += units,
        }
    }
}

fn index_of(place: &Place) -> Option<Arc<str>> {
    match place {
        Place::Index { index, .. } => Some(index.clone()),
        Place::Table | Place::Base(_) => None,
    }
}

fn key(piece: &Piece, place: Place, caller: &str) -> Key {
    Key { table: piece.table.clone(), place, caller: caller.into() }
}
