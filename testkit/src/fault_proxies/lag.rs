//! A front before an embedded DynamoDB whose indexes are behind their tables by a given time, as real ones are and embedded ones never: a
//! Query of an index shows it as it was then. New entries come late, entries of deleted items are still listed, and an item whose index key
//! changed is still found where it was.
//!
//! Only writes that pass through it are late. Entries that are still listed come with a query's last page, and are not filtered by a
//! FilterExpression or a sort key. Scans of an index are not late.

mod front;
mod history;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::Error;
use crate::fault_proxies::service::Service;
use crate::fault_proxies::throttle::Clock;
use crate::fault_proxies::upstream::Behind;
use crate::region::{Region, Server, listen, serve_front};

use front::LagFront;
use history::History;

/// A running front. Dropping it stops it.
#[derive(Debug)]
pub struct Lag {
    server: Server,
    shared: Arc<Shared>,
}

/// What the service and its handle share.
struct Shared {
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    lag: Duration,
    history: History,
    hidden: u64,
    listed: u64,
}

impl Lag {
    /// Starts before the DynamoDB of `region`, with indexes this far behind by `clock`.
    ///
    /// # Errors
    /// No port to listen on.
    pub fn before(region: &Region, lag: Duration, clock: Clock) -> Result<Self, Error> {
        Self::before_url(region, region.dynamodb_endpoint(), lag, clock)
    }

    /// The same, passing on to `url`, where another front leads to the same region.
    ///
    /// # Errors
    /// No port to listen on, or a URL that is none.
    pub fn before_url(region: &Region, url: &str, lag: Duration, clock: Clock) -> Result<Self, Error> {
        let state = State { lag, history: History::default(), hidden: 0, listed: 0 };
        let shared = Arc::new(Shared { clock, state: Mutex::new(state) });
        let front = LagFront::new(shared.clone(), Behind::at(region, url)?);
        Ok(Self { server: serve_front(&format!("{}-lag", region.name()), listen(0)?, Service(front))?, shared })
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        self.server.endpoint()
    }

    /// How far indexes are behind from now on.
    pub fn set(&self, lag: Duration) {
        self.shared.with(|state| state.lag = lag);
    }

    /// How often an entry was withheld because it was too new.
    #[must_use]
    pub fn hidden(&self) -> u64 {
        self.shared.with(|state| state.hidden)
    }

    /// How often an entry was listed that is no longer there.
    #[must_use]
    pub fn listed(&self) -> u64 {
        self.shared.with(|state| state.listed)
    }
}

impl Shared {
    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Shared").field("state", &self.state).finish_non_exhaustive()
    }
}
