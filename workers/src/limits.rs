//! Limits on the units a second that this process asks of stores, set from outside while it works.
//!
//! A place falls under several scopes (everything, its region, its table), each with a rate of write units and one of read units.
//! A request is sent as soon as every scope is free, and keeps each of them busy for as long as its units stand for. So any time
//! sees no more than the rate times its length, and one request more; and a limit smaller than a request lets it through, late.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use crate::error::WorkError;
use crate::place::Place;
use crate::pulse::Pulse;

/// A wait gives a sign of life, and looks whether the limits have changed, at least this often.
const LONGEST_SILENCE: Duration = Duration::from_millis(500);
/// Time that a scope was free but timers were late, which is not lost.
const LATENESS: Duration = Duration::from_millis(20);
/// A request has at most so many seconds' worth of units, where it can be cut.
const PIECE_SECONDS: f64 = 0.2;

/// Units a second; `None` is not limited.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Rates {
    /// Write units.
    pub writes: Option<f64>,
    /// Read units.
    pub reads: Option<f64>,
    /// Where anything is limited, nothing is sent before.
    pub not_before: Option<Instant>,
}

/// The names of the scopes that a place falls under.
pub type ScopesOf = fn(&Place) -> Vec<String>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Writes,
    Reads,
}

/// What limits the requests of this process. Shared by all its movers' work; without any limit nothing waits.
#[derive(Debug, Default)]
pub struct Limits {
    gates: Mutex<Gates>,
}

#[derive(Debug, Default)]
struct Gates {
    /// `None` until limits were set for the first time.
    scopes_of: Option<ScopesOf>,
    writes: BTreeMap<String, Gate>,
    reads: BTreeMap<String, Gate>,
}

/// One scope's limit on one kind of units.
#[derive(Debug, Clone, Copy)]
struct Gate {
    rate: f64,
    /// The end of the time that all requests so far stand for.
    free_at: Instant,
    /// Nothing is sent earlier, whatever is free.
    not_before: Option<Instant>,
}

impl Limits {
    /// Whether limits were ever set.
    pub fn are_known(&self) -> bool {
        self.with(|gates| gates.scopes_of.is_some())
    }

    /// Whether anything is limited.
    pub fn limit_anything(&self) -> bool {
        self.with(|gates| !gates.writes.is_empty() || !gates.reads.is_empty())
    }

    /// What is limited from now on, by the names of scopes, instead of what was before. What was sent before still counts.
    pub fn set(&self, rates: &BTreeMap<String, Rates>, scopes_of: ScopesOf) {
        let now = Instant::now();
        self.with(|gates| {
            gates.scopes_of = Some(scopes_of);
            replace(&mut gates.writes, rates, |rates| rates.writes, now);
            replace(&mut gates.reads, rates, |rates| rates.reads, now);
        });
    }

    /// Where requests to a place wait; its clones are the same.
    pub(crate) fn door(self: &Arc<Self>, place: &Place, kind: Kind) -> Door {
        Door { limits: Arc::clone(self), place: place.clone(), kind, queue: Arc::default(), unit: 1.0 }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Gates) -> T) -> T {
        act(&mut self.gates.lock().expect("no holder of this lock panics"))
    }
}

fn replace(
    gates: &mut BTreeMap<String, Gate>,
    rates: &BTreeMap<String, Rates>,
    of: impl Fn(&Rates) -> Option<f64>,
    now: Instant,
) {
    let limited = rates.iter().filter_map(|(scope, rates)| Some((scope, of(rates)?, rates.not_before)));
    let limited = limited.filter(|(_, rate, _)| rate.is_finite() && *rate > 0.0);
    let new = limited.map(|(scope, rate, not_before)| {
        let free_at = gates.get(scope).map_or(now, |gate| gate.free_at_with(rate, now));
        (scope.clone(), Gate { rate, free_at, not_before })
    });
    *gates = new.collect();
}

impl Gate {
    /// What is owed are units: a higher rate has earned them sooner.
    fn free_at_with(self, rate: f64, now: Instant) -> Instant {
        let owed = self.free_at.saturating_duration_since(now).as_secs_f64() * self.rate;
        if owed > 0.0 { now + Duration::from_secs_f64(owed / rate) } else { self.free_at }
    }

    fn opens_at(&self) -> Instant {
        self.not_before.map_or(self.free_at, |earliest| self.free_at.max(earliest))
    }

    fn take(&mut self, units: f64, now: Instant) {
        let earliest = now.checked_sub(LATENESS).unwrap_or(now);
        self.free_at = self.free_at.max(earliest) + Duration::from_secs_f64(units / self.rate);
    }
}

impl Gates {
    /// Those that a place's requests pass.
    fn of(&mut self, place: &Place, kind: Kind) -> Vec<&mut Gate> {
        let gates = if kind == Kind::Writes { &mut self.writes } else { &mut self.reads };
        let Some(scopes_of) = self.scopes_of.filter(|_| !gates.is_empty()) else { return Vec::new() };
        let scopes = scopes_of(place);
        gates.iter_mut().filter(|(scope, _)| scopes.contains(scope)).map(|(_, gate)| gate).collect()
    }

    /// Takes the units if all scopes are open; else says when they will be.
    fn admit(&mut self, place: &Place, kind: Kind, units: f64, now: Instant) -> Result<(), Instant> {
        let mut gates = self.of(place, kind);
        let opens_at = gates.iter().map(|gate| gate.opens_at()).max().unwrap_or(now);
        if opens_at > now {
            return Err(opens_at);
        }
        gates.iter_mut().for_each(|gate| gate.take(units, now));
        Ok(())
    }
}

/// Where one kind of request to a place waits.
#[derive(Debug, Clone)]
pub(crate) struct Door {
    limits: Arc<Limits>,
    place: Place,
    kind: Kind,
    /// Held by whoever waits for the limits: the others are sent after it, in the order in which they came.
    queue: Arc<tokio::sync::Mutex<()>>,
    /// What the requests' own unit is in units of the limits.
    unit: f64,
}

impl Door {
    /// The same for requests that are counted in half units.
    pub(crate) fn in_half_units(&self) -> Self {
        Self { unit: 0.5, ..self.clone() }
    }

    /// Waits until a request of `units` may be sent. Fails when the task is no longer ours.
    pub(crate) async fn pass(&self, units: u64, pulse: &Pulse<'_>) -> Result<(), WorkError> {
        if !self.limits.limit_anything() {
            return Ok(());
        }
        let mut first = std::pin::pin!(self.queue.lock());
        let _first = loop {
            match tokio::time::timeout(LONGEST_SILENCE, &mut first).await {
                Ok(first) => break first,
                Err(_) => pulse.beat().await?,
            }
        };
        let units = units as f64 * self.unit;
        loop {
            let now = Instant::now();
            match self.limits.with(|gates| gates.admit(&self.place, self.kind, units, now)) {
                Ok(()) => return Ok(()),
                Err(opens_at) => tokio::time::sleep_until(opens_at.min(now + LONGEST_SILENCE)).await,
            }
            pulse.beat().await?;
        }
    }

    /// A request that has passed took so many units more than was thought.
    pub(crate) fn took_more(&self, units: u64) {
        let now = Instant::now();
        let units = units as f64 * self.unit;
        self.limits.with(|gates| gates.of(&self.place, self.kind).into_iter().for_each(|gate| gate.take(units, now)));
    }

    /// Units that the next request may have; any number when `None`.
    pub(crate) fn piece(&self) -> Option<u64> {
        let lowest = self
            .limits
            .with(|gates| gates.of(&self.place, self.kind).into_iter().map(|gate| gate.rate).reduce(f64::min));
        lowest.map(|rate| (rate * PIECE_SECONDS / self.unit) as u64)
    }
}

#[cfg(test)]
mod tests;
