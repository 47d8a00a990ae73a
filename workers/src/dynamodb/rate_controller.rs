//! What a store takes, as learned from its throttlings. Pure: time comes in from outside. `pacing.rs` says how it works.

use std::time::Duration;

use tokio::time::Instant;

/// The rate after a throttling, of what the store was found to take.
const BELOW: f64 = 0.985;
/// How much the rate grows with each request that passes: from below the ceiling to above it in some fifty,
const CREEP: f64 = 0.0005;
/// and at most this much a second.
const CREEP_PER_SECOND: f64 = 0.02;
/// Once the store has taken more than the believed ceiling explains, each request makes the creeping this much faster,
const FASTER: f64 = 1.4;
/// up to this a request
const FASTEST: f64 = 0.06;
/// and this a second.
const FASTEST_PER_SECOND: f64 = 1.0;
/// Those that wait are given their turns anew when the rate has grown so much since.
const PLANNED_ANEW: f64 = 1.1;
/// More than it explains: by this many requests and this many seconds' worth.
const SLACK_REQUESTS: f64 = 1.0;
const SLACK_SECONDS: f64 = 0.02;
/// The bucket that a store is believed to have, in seconds of its ceiling.
const BUCKET_SECONDS: f64 = 2.0;
/// What was accepted in less time after a throttling says nothing.
const TELLING_TIME: Duration = Duration::from_millis(50);
/// From so many requests on, what is accepted next is counted anew.
const TELLING_REQUESTS: u32 = 4;
/// After so many requests the bucket may have been full for a while, and what was accepted is less than what could have been:
const LONG: u32 = 20;
/// then the ceiling is taken for at least this much of the rate,
const LEAST_LONG: f64 = 0.85;
/// else for at least this much.
const LEAST: f64 = 0.2;
/// A request has up to this many seconds' worth of units: small buckets hold no more, and the answer comes sooner.
const PIECE_SECONDS: f64 = 0.2;
/// After a throttling, so much of a request is left in the bucket for neighbours and for requests that come early.
const CUSHION: f64 = 0.5;
/// The first throttling says what was asked for so far and little about what would be taken: begin with at least so many units a second,
/// half of what a partition takes.
const START: f64 = 500.0;
/// Never slower than this, in units a second: a store that takes less refuses some requests, which come again.
const FLOOR: f64 = 10.0;
/// How long a window is measured over while nothing limits, and at least for the first throttling.
const WINDOW: Duration = Duration::from_secs(1);
const SHORTEST_WINDOW: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(super) struct RateController {
    /// Units a second that requests are spaced by; not at all when `None`.
    rate: Option<f64>,
    /// Units a second that the store was last found to take.
    known: f64,
    creep: f64,
    /// Whether the first throttling was all so far, which told little.
    exploring: bool,
    /// The end of the time that all requests so far stand for, and of those that were sent.
    spent_until: Instant,
    sent_until: Instant,
    /// Raised by each throttling, and when the rate has grown: turns given out before are void.
    generation: u64,
    /// The rate when it was raised.
    planned: f64,
    throttled_at: Option<Instant>,
    /// Requests that were throttled together at the last throttling, and at those before.
    throttled: f64,
    together: f64,
    /// The throttling that what is accepted is counted from,
    since: Instant,
    /// and what was accepted since, in how many requests, and how long nothing was asked for.
    units: f64,
    requests: u32,
    idle: Duration,
    /// What would be in the store's bucket if its ceiling were what is believed, and when that was computed.
    level: f64,
    level_at: Instant,
}

/// When a request may be sent, as planned.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn {
    pub(super) at: Instant,
    pub(super) generation: u64,
}

impl RateController {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            rate: None,
            known: 0.0,
            creep: CREEP,
            exploring: false,
            spent_until: now,
            sent_until: now,
            generation: 0,
            planned: 0.0,
            throttled_at: None,
            throttled: 0.0,
            together: 1.0,
            since: now,
            units: 0.0,
            requests: 0,
            idle: Duration::ZERO,
            level: 0.0,
            level_at: now,
        }
    }

    /// Units that the next request may have; no limit when `None`.
    pub(super) fn piece(&self) -> Option<f64> {
        self.rate.map(|rate| rate * PIECE_SECONDS)
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// When a request of `units` may be sent. The time that it stands for passes before, so that what it takes has been
    /// refilled; time that nobody used is lost.
    pub(super) fn reserve(&mut self, units: f64, now: Instant) -> Turn {
        let Some(rate) = self.rate else { return Turn { at: now, generation: self.generation } };
        let mut at = self.spent_until + Duration::from_secs_f64(units / rate);
        if at < now {
            self.idle += now - at;
            at = now;
        }
        self.spent_until = at;
        Turn { at, generation: self.generation }
    }

    /// A request is sent in its turn.
    pub(super) fn sent(&mut self, turn: Turn) {
        self.sent_until = self.sent_until.max(turn.at);
    }

    /// The store did `units`: all of a request.
    pub(super) fn accepted(&mut self, units: f64, now: Instant) {
        self.took(units, now);
        let Some(rate) = self.rate else { return };
        let slack = SLACK_REQUESTS * units.max(1.0) + SLACK_SECONDS * self.known;
        self.creep = if self.exploring {
            FASTEST
        } else if self.level < -slack {
            (self.creep * FASTER).min(FASTEST)
        } else {
            CREEP
        };
        let faster = self.creep > CREEP;
        let per_second = if faster { FASTEST_PER_SECOND } else { CREEP_PER_SECOND };
        // The further away the store, the more requests find the ceiling together, and the more rarely it is looked for.
        let creep = if faster { self.creep } else { self.creep / self.together };
        let rate = rate * (1.0 + creep.min(per_second * units / rate));
        self.rate = Some(rate);
        if rate > self.planned * PLANNED_ANEW {
            (self.generation, self.planned) = (self.generation + 1, rate);
            self.spent_until = self.sent_until;
        }
    }

    /// The store did `units` of a request that was sent at `sent`, and left `undone` of it.
    pub(super) fn throttled(&mut self, units: f64, undone: f64, sent: Instant, now: Instant) {
        self.took(units, now);
        // Requests that were under way at a throttling belong to it.
        if self.throttled_at.is_some_and(|at| sent <= at) {
            self.throttled += 1.0;
            return;
        }
        self.together = (self.together + self.throttled.max(1.0)) / 2.0;
        self.throttled = 1.0;
        (self.generation, self.throttled_at) = (self.generation + 1, Some(now));
        let open = now.saturating_duration_since(self.since);
        if self.rate.is_some() && open < TELLING_TIME {
            self.spent_until = self.since + TELLING_TIME;
            self.sent_until = self.spent_until;
            return;
        }
        self.learn(open);
        let rate = self.rate.unwrap_or(FLOOR);
        (self.level, self.level_at) = (0.0, now);
        self.creep = CREEP;
        // What is sent next waits for its own units; so this leaves a little more than it takes in the bucket.
        self.spent_until = now + Duration::from_secs_f64(CUSHION * (units + undone) / rate);
        (self.sent_until, self.planned) = (self.spent_until, rate);
        if self.requests >= TELLING_REQUESTS || self.requests == 0 {
            (self.since, self.units, self.requests, self.idle) = (now, 0.0, 0, Duration::ZERO);
        }
    }

    /// The bucket was empty at the throttling before, and is now: what was accepted in between is what was refilled.
    fn learn(&mut self, open: Duration) {
        let Some(rate) = self.rate else {
            self.known = self.units / open.max(SHORTEST_WINDOW).as_secs_f64();
            self.rate = Some((self.known * BELOW).max(START));
            (self.requests, self.exploring) = (0, true);
            return;
        };
        let most = if self.exploring { f64::MAX } else { rate };
        self.exploring &= self.requests < TELLING_REQUESTS;
        let busy = open.saturating_sub(self.idle).max(TELLING_TIME).as_secs_f64();
        let least = if self.requests > LONG { LEAST_LONG } else { LEAST };
        self.known = (self.units / busy).clamp(rate * least, most);
        self.rate = Some((self.known * BELOW).max(FLOOR));
    }

    fn took(&mut self, units: f64, now: Instant) {
        let passed = now.saturating_duration_since(self.level_at).as_secs_f64();
        self.level = (self.level + self.known * passed).min(self.known * BUCKET_SECONDS) - units;
        self.level_at = now;
        // While nothing limits, only what was accepted lately counts.
        if self.rate.is_none() && now.saturating_duration_since(self.since) >= WINDOW {
            let half = now - WINDOW / 2;
            self.units /= 2.0;
            self.since = half.max(self.since);
        }
        self.units += units;
        self.requests += 1;
    }
}

#[cfg(test)]
mod tests;
