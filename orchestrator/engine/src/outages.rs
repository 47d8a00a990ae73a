//! What a process does again and again by itself, such as sweeps and claims, and fails to do: told at once with its cause, then each time
//! that it has failed for twice as long, and once more when it works again.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::{info, warn};

/// The first time that a trouble lasts before it is told again.
const AGAIN_AFTER: Duration = Duration::from_secs(10);

/// How long after the last failure the next one is another trouble.
const OVER_AFTER: Duration = Duration::from_secs(120);

/// Troubles that last, each by what can't be done.
#[derive(Debug, Default)]
pub struct Outages(Mutex<HashMap<&'static str, Outage>>);

#[derive(Debug, Clone, Copy)]
struct Outage {
    since: Instant,
    times: u64,
    /// When it failed last.
    last: Instant,
    /// How long it will have lasted when it is told again.
    tell_at: Duration,
}

impl Outages {
    /// It was tried and failed, with this cause; or worked.
    pub fn note(&self, what: &'static str, cause: Option<&str>) {
        match (cause, self.tried(what, cause.is_some(), Instant::now())) {
            (Some(cause), Some(outage)) => {
                let lasting_s = outage.since.elapsed().as_secs();
                warn!(lasting_s, times = outage.times, error = cause, "{what}; trying again");
            }
            (None, Some(outage)) => {
                let lasted_s = outage.since.elapsed().as_secs();
                info!(lasted_s, times = outage.times, "works again: {what}");
            }
            (_, None) => {}
        }
    }

    /// What there is to tell.
    fn tried(&self, what: &'static str, failed: bool, now: Instant) -> Option<Outage> {
        let mut lasting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !failed {
            return lasting.remove(what);
        }
        let new = Outage { since: now, times: 0, last: now, tell_at: Duration::ZERO };
        let outage = lasting.entry(what).or_insert(new);
        // Where nothing works in between, nothing may have been tried either.
        if now.duration_since(outage.last) > OVER_AFTER {
            *outage = new;
        }
        outage.times += 1;
        outage.last = now;
        let lasts = now.duration_since(outage.since);
        if lasts < outage.tell_at {
            return None;
        }
        outage.tell_at = (lasts * 2).max(AGAIN_AFTER);
        Some(*outage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_all_the_time_is_told_at_once_then_ever_more_rarely_and_when_it_is_over() {
        let (outages, begin) = (Outages::default(), Instant::now());
        let at = |tenth: u64| begin + Duration::from_millis(100 * tenth);
        let told: Vec<u64> =
            (0..1_000).filter(|tenth| outages.tried("a sweep fails", true, at(*tenth)).is_some()).collect();
        assert_eq!(told, [0, 100, 200, 400, 800]);
        assert!(outages.tried("another one fails", true, at(900)).is_some(), "each by itself");
        assert_eq!(outages.tried("a sweep fails", false, at(1_000)).map(|outage| outage.times), Some(1_000));
        assert!(outages.tried("a sweep fails", false, at(1_001)).is_none(), "told once that it is over");
        assert!(outages.tried("a sweep fails", true, at(1_002)).is_some(), "and anew at once");
    }
}
