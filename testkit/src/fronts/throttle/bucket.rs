//! One token bucket. Time comes from outside.

use std::time::Duration;

/// What is served a second, and how much unused capacity is kept for bursts.
///
/// The bucket lets work through as long as anything is left; what the work costs beyond that is owed and has to be
/// earned before the next. So an item larger than a second's capacity gets through, and in the long run exactly `rate`
/// units a second do.
#[derive(Debug)]
pub(super) struct Bucket {
    rate: f64,
    most: f64,
    left: f64,
    at: Duration,
}

impl Bucket {
    /// `burst` is how many seconds' capacity can be saved up; a second's own always can.
    pub(super) fn new(rate: f64, burst: Duration, full: bool, now: Duration) -> Self {
        let most = most(rate, burst);
        Self { rate, most, left: if full { most } else { 0.0 }, at: now }
    }

    /// Earns what is due up to `now`.
    fn refill(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.at);
        self.left = (self.left + self.rate * passed.as_secs_f64()).min(self.most);
        self.at = self.at.max(now);
    }

    pub(super) fn has_any(&mut self, now: Duration) -> bool {
        self.refill(now);
        self.left > 0.0
    }

    pub(super) fn take(&mut self, units: f64, now: Duration) {
        self.refill(now);
        self.left -= units;
    }

    /// From now on; what was earned before stays, as far as it fits.
    pub(super) fn change(&mut self, rate: f64, burst: Duration, now: Duration) {
        self.refill(now);
        self.rate = rate;
        self.most = most(rate, burst);
        self.left = self.left.min(self.most);
    }

    /// Gives up what was saved. What is owed stays owed.
    pub(super) fn empty(&mut self, now: Duration) {
        self.refill(now);
        self.left = self.left.min(0.0);
    }
}

fn most(rate: f64, burst: Duration) -> f64 {
    rate * burst.as_secs_f64().max(1.0)
}
