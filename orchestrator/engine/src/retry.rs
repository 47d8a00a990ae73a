//! How long to wait before trying again: the `backoff` crate's exponential policy with jitter, recomputed from the stored
//! attempt. The only module that names that crate.

use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff;
use store::Millis;

use crate::record::Failing;

/// An exponential policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Wait before the first retry.
    pub first: Duration,
    /// Longest wait.
    pub longest: Duration,
}

/// Each wait is this much longer than the one before.
const MULTIPLIER: f64 = 2.0;

/// A wait varies by this share either way, so that failed tasks do not come back in step.
const JITTER: f64 = 0.25;

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { first: Duration::from_millis(500), longest: Duration::from_secs(60) }
    }
}

impl RetryPolicy {
    /// The wait before retry number `attempt` (the first is 1); `chance`, from 0 to 1, says where in the jitter it lies.
    pub fn wait(&self, attempt: u32, chance: f64) -> Duration {
        let base =
            self.first.as_secs_f64() * MULTIPLIER.powi(i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX));
        let interval = Duration::from_secs_f64(base.min(self.longest.as_secs_f64()));
        let mut policy = ExponentialBackoff {
            current_interval: interval,
            initial_interval: interval,
            randomization_factor: 0.0,
            multiplier: MULTIPLIER,
            max_interval: self.longest,
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        };
        policy.next_backoff().unwrap_or(self.longest).mul_f64(1.0 + JITTER * (2.0 * chance - 1.0))
    }
}

/// Whether a failure at `now` is to be told a person, and how long it has failed by then, in milliseconds. Once `after`, and then
/// each time that this has doubled: work that is tried without end says so a few times, and not with every attempt.
pub(crate) fn alarm(before: Option<Failing>, now: Millis, after: Duration) -> Option<Millis> {
    let before = before?;
    let doublings = |until: Millis| {
        let lasting = u64::try_from(until - before.since).unwrap_or(0);
        (lasting / u64::try_from(after.as_millis()).unwrap_or(u64::MAX).max(1)).checked_ilog2()
    };
    (doublings(now) > doublings(before.at)).then_some(now - before.since)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_fails_for_long_is_told_once_and_then_whenever_the_time_has_doubled() {
        let minutes = |count: i64| count * 60_000;
        let mut told = Vec::new();
        let mut failing = None;
        for minute in 0..200 {
            told.extend(alarm(failing, minutes(minute), Duration::from_secs(600)));
            failing = Some(Failing::again(failing, minutes(minute)));
        }
        assert_eq!(told, [10, 20, 40, 80, 160].map(minutes));
        assert_eq!(failing, Some(Failing { since: 0, at: minutes(199) }));
    }

    proptest! {
        #[test]
        fn waits_grow_to_the_longest_and_stay_within_the_jitter(attempt in 1u32..200, chance in 0.0f64..1.0) {
            let policy = RetryPolicy { first: Duration::from_millis(100), longest: Duration::from_secs(5) };
            let expected = (0.1 * 2f64.powi(i32::try_from(attempt).unwrap() - 1)).min(5.0);
            let wait = policy.wait(attempt, chance).as_secs_f64();
            prop_assert!(wait >= expected * 0.74 && wait <= expected * 1.26, "attempt {attempt}: {wait} s");
        }
    }
}
