//! Paces the writes to one part of a table: additive increase, multiplicative decrease.
//!
//! Without throttling it does not hold anything back. The first throttling sets a rate from what went through lately; from
//! then on the rate creeps up while writes pass and is cut when they are throttled, so that it stays near the ceiling of one
//! index partition (1,000 write units a second: DynamoDB Developer Guide, "Partitions") instead of bouncing off it.
//! It does not share what it learns with other processes.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use crate::error::WorkError;
use crate::pulse::Pulse;

/// The rate kept when cut: below the throttled rate by a margin, so that the store's bucket refills.
const CUT: f64 = 0.7;
/// Write units a second gained for each second without throttling.
const GAIN_PER_SECOND: f64 = 50.0;
/// Never slower than this, in write units a second.
const FLOOR: f64 = 25.0;
/// Throttled answers within this time of a cut belong to the same congestion.
const ONE_CONGESTION: Duration = Duration::from_millis(500);
/// The window over which the rate that went through is measured.
const WINDOW: Duration = Duration::from_secs(1);
/// A turn can be minutes away; at least this often the wait gives a sign of life.
const LONGEST_SILENCE: Duration = Duration::from_secs(1);

/// The controller of one (target table, part). Shared by everything that writes there.
#[derive(Debug)]
pub(crate) struct Pacer(Mutex<State>);

#[derive(Debug)]
struct State {
    /// Write units a second; not limited when `None`.
    rate: Option<f64>,
    /// When the next write may start.
    next: Instant,
    cut_at: Option<Instant>,
    window_began: Instant,
    window_units: f64,
    /// Units a second in the last full window.
    measured: Option<f64>,
}

impl Pacer {
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        let state = State { rate: None, next: now, cut_at: None, window_began: now, window_units: 0.0, measured: None };
        Self(Mutex::new(state))
    }

    /// Waits for the turn of a write of `units` write units. Fails when the task is no longer ours.
    pub(crate) async fn turn(&self, units: u64, pulse: &Pulse<'_>) -> Result<(), WorkError> {
        let turn = self.0.lock().expect("no holder of this lock panics").reserve(units as f64, Instant::now());
        while let Some(turn) = turn.filter(|turn| *turn > Instant::now()) {
            tokio::time::sleep_until(turn.min(Instant::now() + LONGEST_SILENCE)).await;
            pulse.beat().await?;
        }
        Ok(())
    }

    /// A write of `units` went through.
    pub(crate) fn accepted(&self, units: u64) {
        self.0.lock().expect("no holder of this lock panics").accepted(units as f64, Instant::now());
    }

    /// The store throttled a write or left part of it undone.
    pub(crate) fn throttled(&self) {
        self.0.lock().expect("no holder of this lock panics").throttled(Instant::now());
    }
}

impl State {
    fn reserve(&mut self, units: f64, now: Instant) -> Option<Instant> {
        let rate = self.rate?;
        let turn = self.next.max(now);
        self.next = turn + Duration::from_secs_f64(units / rate);
        Some(turn)
    }

    fn accepted(&mut self, units: f64, now: Instant) {
        self.window_units += units;
        let open = now - self.window_began;
        if open >= WINDOW {
            self.measured = Some(self.window_units / open.as_secs_f64());
            (self.window_began, self.window_units) = (now, 0.0);
        }
        // `units / rate` is the time that these units stand for.
        self.rate = self.rate.map(|rate| rate + GAIN_PER_SECOND * units / rate);
    }

    fn throttled(&mut self, now: Instant) {
        if self.cut_at.is_some_and(|at| now - at < ONE_CONGESTION) {
            return;
        }
        self.cut_at = Some(now);
        let lately = self.measured.unwrap_or_else(|| {
            let open = (now - self.window_began).max(Duration::from_millis(100));
            self.window_units / open.as_secs_f64()
        });
        let rate = self.rate.unwrap_or(lately).min(lately.max(FLOOR / CUT));
        self.rate = Some((rate * CUT).max(FLOOR));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Offers as much as the pacer lets through to a store that takes `ceiling` units a second, for `seconds`.
    fn through(ceiling: f64, seconds: u64) -> (f64, u32) {
        let start = Instant::now();
        let mut pacer = Pacer::new().0.into_inner().expect("nobody holds it");
        let (mut now, mut room, mut passed, mut refused) = (start, ceiling, 0.0, 0);
        while now - start < Duration::from_secs(seconds) {
            let turn = pacer.reserve(25.0, now).unwrap_or(now).max(now + Duration::from_millis(2));
            room = (room + ceiling * (turn - now).as_secs_f64()).min(ceiling);
            now = turn;
            if room >= 25.0 {
                room -= 25.0;
                passed += 25.0;
                pacer.accepted(25.0, now);
            } else {
                refused += 1;
                pacer.throttled(now);
            }
        }
        (passed / seconds as f64, refused)
    }

    #[test]
    fn stays_near_the_ceiling_and_rarely_bounces_off_it() {
        let (rate, refused) = through(1000.0, 120);
        assert!(rate > 850.0, "{rate} units a second");
        assert!(refused < 200, "{refused} refusals");
    }

    #[test]
    fn does_not_hold_back_before_the_first_throttling() {
        let mut pacer = Pacer::new().0.into_inner().expect("nobody holds it");
        assert_eq!(pacer.reserve(1e9, Instant::now()), None);
    }

    #[test]
    fn one_congestion_is_one_cut() {
        let now = Instant::now();
        let mut pacer = Pacer::new().0.into_inner().expect("nobody holds it");
        pacer.accepted(1000.0, now + Duration::from_secs(1));
        let at = now + Duration::from_millis(1100);
        pacer.throttled(at);
        let once = pacer.rate;
        pacer.throttled(at + Duration::from_millis(100));
        assert_eq!(pacer.rate, once);
        pacer.throttled(at + Duration::from_secs(1));
        assert!(pacer.rate < once);
    }
}
