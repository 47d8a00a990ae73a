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
    /// `burst` is how long capacity can be saved up; a second's own always can. It has been saving since `empty`, or for ever.
    pub(super) fn new(rate: f64, burst: Duration, empty: Option<Duration>) -> Self {
        let most = most(rate, burst);
        let (left, at) = empty.map_or((most, Duration::ZERO), |empty| (0.0, empty));
        Self { rate, most, left, at }
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

#[cfg(test)]
mod tests {
    use crate::fault_proxies::throttle::bucket::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Units let through one by one at this time.
    fn drained(bucket: &mut Bucket, now: Duration) -> u32 {
        let mut units = 0;
        while bucket.has_any(now) {
            bucket.take(1.0, now);
            units += 1;
        }
        units
    }

    #[test]
    fn five_minutes_of_unused_capacity_are_kept_and_no_more() {
        let mut bucket = Bucket::new(1_000.0, 300 * SECOND, Some(Duration::ZERO));
        assert_eq!(drained(&mut bucket, Duration::ZERO), 0);
        assert_eq!(drained(&mut bucket, 10 * SECOND), 10_000);
        assert_eq!(drained(&mut bucket, 1_000 * SECOND), 300_000);
        assert_eq!(drained(&mut bucket, 1_001 * SECOND), 1_000);
    }

    #[test]
    fn what_costs_more_than_is_left_is_owed() {
        let mut bucket = Bucket::new(10.0, Duration::ZERO, None);
        assert!(bucket.has_any(Duration::ZERO));
        bucket.take(400.0, Duration::ZERO);
        bucket.empty(Duration::ZERO);
        assert!(!bucket.has_any(39 * SECOND));
        assert_eq!(drained(&mut bucket, 40 * SECOND), 10);
    }

    #[test]
    fn a_change_keeps_what_was_earned_as_far_as_it_fits() {
        let mut bucket = Bucket::new(10.0, 10 * SECOND, Some(Duration::ZERO));
        bucket.change(5.0, 10 * SECOND, 4 * SECOND);
        assert_eq!(drained(&mut bucket, 4 * SECOND), 40);
        assert_eq!(drained(&mut bucket, 6 * SECOND), 10);
    }
}
