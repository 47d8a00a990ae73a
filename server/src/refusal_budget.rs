//! How many refusals are written to the audit trail: it is kept for ever, and anybody can ask.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Refusals written a minute: of those whose token is good, and of all others together.
const OF_BEARERS: u32 = 60;
const OF_STRANGERS: u32 = 10;
const MINUTE: Duration = Duration::from_secs(60);

/// How many refusals were written lately.
#[derive(Clone, Default)]
pub(crate) struct RefusalBudget {
    bearers: Arc<Mutex<Spent>>,
    strangers: Arc<Mutex<Spent>>,
}

impl RefusalBudget {
    /// How many were left out since the last one that was written; none if this one is left out, too.
    pub(crate) fn take(&self, of_a_bearer: bool) -> Option<u64> {
        let (spent, most) = if of_a_bearer { (&self.bearers, OF_BEARERS) } else { (&self.strangers, OF_STRANGERS) };
        spent.lock().unwrap_or_else(PoisonError::into_inner).take(most, Instant::now())
    }
}

#[derive(Default)]
struct Spent {
    since: Option<Instant>,
    written: u32,
    left_out: u64,
}

impl Spent {
    fn take(&mut self, most: u32, now: Instant) -> Option<u64> {
        if self.since.is_none_or(|since| now - since >= MINUTE) {
            (self.since, self.written) = (Some(now), 0);
        }
        if self.written >= most {
            self.left_out += 1;
            return None;
        }
        self.written += 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_are_written_a_minute_and_the_others_are_counted() {
        let (mut spent, now) = (Spent::default(), Instant::now());
        assert_eq!((0..5).map(|_| spent.take(3, now)).collect::<Vec<_>>(), [Some(0), Some(0), Some(0), None, None]);
        assert_eq!(spent.take(3, now + MINUTE), Some(2));
        assert_eq!(spent.take(3, now + MINUTE), Some(0));
    }
}
