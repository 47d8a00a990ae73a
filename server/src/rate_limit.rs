//! How many requests a second one caller may make, so that a loop somewhere does not keep the others waiting. Each process counts by
//! itself. Callers are told apart by their tokens, certificates and sessions; those of the server's own token share one count.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use tokio::time::Instant;

use crate::principal::Principal;
use crate::problem::ApiError;

/// Requests that may come at once, in seconds' worth of them.
const BURST: f64 = 2.0;

/// Callers that are remembered; those that have asked for nothing lately are forgotten beyond.
const REMEMBERED: usize = 10_000;

/// What callers have used up.
#[derive(Clone)]
pub(crate) struct RateLimit {
    /// Requests a second; none: as many as they like.
    per_second: Option<f64>,
    callers: Arc<Mutex<HashMap<String, Left>>>,
}

/// What a caller had left, and when.
#[derive(Debug, Clone, Copy)]
struct Left {
    requests: f64,
    at: Instant,
}

impl RateLimit {
    pub(crate) fn new(per_second: Option<u32>) -> Self {
        Self { per_second: per_second.map(f64::from), callers: Arc::default() }
    }

    /// Refuses a request too many.
    pub(crate) fn check(&self, principal: &Principal) -> Result<(), ApiError> {
        let Some(wait) = self.wait(&principal.key()) else { return Ok(()) };
        let per_second = self.per_second.unwrap_or_default();
        let detail = format!("{} makes more than {per_second} requests a second: ask less often", principal.shown());
        Err(ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", detail).retry_after(wait))
    }

    /// Takes one for this caller; how long to wait if there is none.
    pub(crate) fn wait(&self, name: &str) -> Option<Duration> {
        self.take(name, Instant::now())
    }

    /// Takes one; how long to wait if there is none.
    fn take(&self, name: &str, now: Instant) -> Option<Duration> {
        let per_second = self.per_second?;
        let most = per_second * BURST;
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        if callers.len() >= REMEMBERED && !callers.contains_key(name) {
            callers.retain(|_, left| left.now(now, per_second, most) < most);
        }
        let left = callers.entry(name.to_owned()).or_insert(Left { requests: most, at: now });
        *left = Left { requests: left.now(now, per_second, most), at: now };
        if left.requests >= 1.0 {
            left.requests -= 1.0;
            return None;
        }
        Some(Duration::from_secs_f64((1.0 - left.requests) / per_second))
    }
}

impl Left {
    fn now(self, now: Instant, per_second: f64, most: f64) -> f64 {
        (self.requests + now.duration_since(self.at).as_secs_f64() * per_second).min(most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_gets_its_share_and_takes_nothing_of_others() {
        let limit = RateLimit::new(Some(10));
        let begin = Instant::now();
        let taken = |name: &str, at: Instant| (0..100).filter(|_| limit.take(name, at).is_none()).count();
        assert_eq!(taken("a", begin), 20);
        assert_eq!(taken("b", begin), 20);
        assert_eq!(limit.take("a", begin), Some(Duration::from_millis(100)));
        assert_eq!(taken("a", begin + Duration::from_secs(1)), 10);
        assert_eq!(taken("a", begin + Duration::from_secs(60)), 20);
        let free = RateLimit::new(None);
        assert!((0..1000).all(|_| free.take("a", begin).is_none()));
    }
}
