//! Limits on the units a second that this process asks of stores, set from outside while it works.
//!
//! A place falls under several scopes (everything, its region, its table), each with a rate of write units and one of read units.
//! A request is sent as soon as every scope is free, and keeps each of them busy for as long as its units stand for. So any time
//! sees no more than the rate times its length, and one request more; and a limit smaller than a request lets it through, late.
//!
//! Those that wait plan when their turn will be, behind those that came before and whose turn is as near. A plan is no claim: work
//! that waits may not be polled for a while, and nobody else is held up by it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use crate::error::WorkError;
use crate::heartbeat::Heartbeat;
use crate::place::Place;

/// A wait gives a heartbeat, and looks whether the limits have changed, at least this often.
const LONGEST_SILENCE: Duration = Duration::from_millis(500);
/// Time that a scope was free but timers were late, which is not lost. Who is later than this for its turn is not waited for.
const LATENESS: Duration = Duration::from_millis(20);
/// Turns this close together are one after the other.
const TICK: Duration = Duration::from_millis(1);
/// A request has up to this many seconds' worth of units, where it can be cut.
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
    by_scope: Mutex<ScopeLimiters>,
}

#[derive(Debug, Default)]
struct ScopeLimiters {
    /// `None` until limits were set for the first time.
    scopes_of: Option<ScopesOf>,
    writes: BTreeMap<String, ScopeLimiter>,
    reads: BTreeMap<String, ScopeLimiter>,
    /// Requests that wait, in the order in which they came.
    waiting: BTreeMap<u64, Waiting>,
    came: u64,
}

#[derive(Debug)]
struct Waiting {
    scopes: Vec<String>,
    kind: Kind,
    units: f64,
    /// When its turn is, by what was known when it looked last,
    turn: Instant,
    /// and when it looks again.
    looks: Instant,
}

/// One scope's limit on one kind of units.
#[derive(Debug, Clone, Copy)]
struct ScopeLimiter {
    rate: f64,
    /// The end of the time that all requests so far stand for.
    free_at: Instant,
    /// Nothing is sent earlier, whatever is free.
    not_before: Option<Instant>,
}

impl Limits {
    /// Whether limits were ever set.
    pub fn are_known(&self) -> bool {
        self.with(|by_scope| by_scope.scopes_of.is_some())
    }

    /// Whether anything is limited.
    pub fn limit_anything(&self) -> bool {
        self.with(|by_scope| !by_scope.writes.is_empty() || !by_scope.reads.is_empty())
    }

    /// What is limited from now on, by the names of scopes, instead of what was before. What was sent before still counts.
    pub fn set(&self, rates: &BTreeMap<String, Rates>, scopes_of: ScopesOf) {
        let now = Instant::now();
        self.with(|by_scope| {
            by_scope.scopes_of = Some(scopes_of);
            replace(&mut by_scope.writes, rates, |rates| rates.writes, now);
            replace(&mut by_scope.reads, rates, |rates| rates.reads, now);
        });
    }

    /// Where requests to a place wait.
    pub(crate) fn limiter(self: &Arc<Self>, place: &Place, kind: Kind) -> RateLimiter {
        RateLimiter { limits: Arc::clone(self), place: place.clone(), kind, unit: 1.0 }
    }

    fn with<T>(&self, act: impl FnOnce(&mut ScopeLimiters) -> T) -> T {
        act(&mut self.by_scope.lock().expect("no holder of this lock panics"))
    }
}

fn replace(
    by_scope: &mut BTreeMap<String, ScopeLimiter>,
    rates: &BTreeMap<String, Rates>,
    of: impl Fn(&Rates) -> Option<f64>,
    now: Instant,
) {
    let limited = rates.iter().filter_map(|(scope, rates)| Some((scope, of(rates)?, rates.not_before)));
    let limited = limited.filter(|(_, rate, _)| rate.is_finite() && *rate > 0.0);
    let new = limited.map(|(scope, rate, not_before)| {
        let free_at = by_scope.get(scope).map_or(now, |scope_limiter| scope_limiter.free_at_with(rate, now));
        (scope.clone(), ScopeLimiter { rate, free_at, not_before })
    });
    *by_scope = new.collect();
}

impl ScopeLimiter {
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

impl ScopeLimiters {
    /// The limited scopes that a place's requests fall under.
    fn scopes(&self, place: &Place, kind: Kind) -> Vec<String> {
        let by_scope = if kind == Kind::Writes { &self.writes } else { &self.reads };
        let scopes = self.scopes_of.filter(|_| !by_scope.is_empty()).map(|scopes_of| scopes_of(place));
        scopes.unwrap_or_default().into_iter().filter(|scope| by_scope.contains_key(scope)).collect()
    }

    fn by_scope(&mut self, place: &Place, kind: Kind) -> impl Iterator<Item = &mut ScopeLimiter> {
        let scopes = self.scopes(place, kind);
        let by_scope = if kind == Kind::Writes { &mut self.writes } else { &mut self.reads };
        by_scope.iter_mut().filter(move |(scope, _)| scopes.contains(scope)).map(|(_, scope_limiter)| scope_limiter)
    }

    /// Takes the units if it is the request's turn; else says when to look again.
    fn admit(&mut self, came: u64, limiter: &RateLimiter, units: f64, now: Instant) -> Result<(), Instant> {
        let scopes = self.scopes(&limiter.place, limiter.kind);
        let turn = self.turn(came, &scopes, limiter.kind, now);
        if turn > now {
            let looks = turn.min(now + LONGEST_SILENCE);
            self.waiting.insert(came, Waiting { scopes, kind: limiter.kind, units, turn, looks });
            return Err(looks);
        }
        self.waiting.remove(&came);
        self.by_scope(&limiter.place, limiter.kind).for_each(|scope_limiter| scope_limiter.take(units, now));
        Ok(())
    }

    /// When a request's turn is: as soon as all its scopes are open and those have gone that came before and whose turn is
    /// no later, if they are there to take it.
    fn turn(&self, came: u64, scopes: &[String], kind: Kind, now: Instant) -> Instant {
        let by_scope = if kind == Kind::Writes { &self.writes } else { &self.reads };
        let opens_at = scopes.iter().filter_map(|scope| by_scope.get(scope)).map(ScopeLimiter::opens_at).max();
        let mut turn = opens_at.unwrap_or(now).max(now);
        let before = self.waiting.range(..came).map(|(_, other)| other);
        let mut before: Vec<_> = before.filter(|other| other.kind == kind && other.looks + LATENESS >= now).collect();
        before.sort_by_key(|other| other.turn);
        for other in before {
            if other.turn > turn + TICK {
                break;
            }
            let shared =
                scopes.iter().filter(|scope| other.scopes.contains(scope)).filter_map(|scope| by_scope.get(scope));
            if let Some(rate) = shared.map(|scope_limiter| scope_limiter.rate).reduce(f64::min) {
                turn = turn.max(other.turn + Duration::from_secs_f64(other.units / rate));
            }
        }
        turn
    }
}

/// A place among those that wait, given up when dropped.
struct Queued<'a> {
    limits: &'a Limits,
    came: u64,
}

impl<'a> Queued<'a> {
    fn last(limits: &'a Limits) -> Self {
        let came = limits.with(|by_scope| {
            by_scope.came += 1;
            by_scope.came
        });
        Self { limits, came }
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.limits.with(|by_scope| by_scope.waiting.remove(&self.came));
    }
}

/// Where one kind of request to a place waits.
#[derive(Debug, Clone)]
pub(crate) struct RateLimiter {
    limits: Arc<Limits>,
    place: Place,
    kind: Kind,
    /// What the requests' own unit is in units of the limits.
    unit: f64,
}

impl RateLimiter {
    /// The same for requests that are counted in half units.
    pub(crate) fn in_half_units(&self) -> Self {
        Self { unit: 0.5, ..self.clone() }
    }

    /// Waits until a request of `units` may be sent. Fails when the task is no longer ours.
    pub(crate) async fn pass(&self, units: u64, heartbeat: &Heartbeat<'_>) -> Result<(), WorkError> {
        if !self.limits.limit_anything() {
            return Ok(());
        }
        let (units, queued) = (units as f64 * self.unit, Queued::last(&self.limits));
        loop {
            let now = Instant::now();
            match self.limits.with(|by_scope| by_scope.admit(queued.came, self, units, now)) {
                Ok(()) => return Ok(()),
                Err(looks) => tokio::time::sleep_until(looks).await,
            }
            heartbeat.beat().await?;
        }
    }

    /// A request that has passed took so many units more than was thought.
    pub(crate) fn took_more(&self, units: u64) {
        let now = Instant::now();
        let units = units as f64 * self.unit;
        self.limits.with(|by_scope| {
            by_scope.by_scope(&self.place, self.kind).for_each(|scope_limiter| scope_limiter.take(units, now));
        });
    }

    /// Units that the next request may have; any number when `None`.
    pub(crate) fn piece(&self) -> Option<u64> {
        let lowest = self.limits.with(|by_scope| {
            by_scope.by_scope(&self.place, self.kind).map(|scope_limiter| scope_limiter.rate).reduce(f64::min)
        });
        lowest.map(|rate| (rate * PIECE_SECONDS / self.unit) as u64)
    }
}

#[cfg(test)]
mod tests;
