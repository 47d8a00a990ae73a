//! A front that makes requests fail as they do on the way to a real store: slowly, with a server's error, by a reset
//! connection, without any answer, or with half of one; before or after they had their effect. Works before a DynamoDB and an S3.

mod chance;
mod service;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::Error;
use crate::fault_proxies::forward::Forward;
use crate::region::{Server, listen, serve_front};

use chance::Chance;
use service::Service;

/// What goes wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// Answered with 500 or 503.
    ServerError(Effect),
    /// Answered with 502 or 504 by something on the way, in words that are none of the store's.
    Gateway(Effect),
    /// The connection is reset instead of an answer.
    Reset(Effect),
    /// Never answered; the connection stays open.
    Timeout(Effect),
    /// The answer breaks off in the middle, after the effect.
    Truncated,
}

/// Whether the request reached the store all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// It did not.
    None,
    /// It did, and only the answer is lost.
    Done,
}

/// How likely each fault is, of each request; they add up to at most 1.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Odds {
    /// Of each kind of fault.
    pub faults: Vec<(Fault, f64)>,
    /// How long requests are held up before they are passed on.
    pub latency: Latency,
}

/// A distribution of delays: most are short, a few are long, evenly spread between their bounds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Latency {
    /// Shortest and longest of the usual delays.
    pub usual: (Duration, Duration),
    /// Shortest and longest of the long ones.
    pub long: (Duration, Duration),
    /// How many of all delays are long, 0 to 1.
    pub share_long: f64,
}

impl Odds {
    /// All faults but the timeout, each as likely, `share` of the requests in all.
    #[must_use]
    pub fn of_each(share: f64) -> Self {
        let faults = [
            Fault::ServerError(Effect::None),
            Fault::ServerError(Effect::Done),
            Fault::Gateway(Effect::None),
            Fault::Gateway(Effect::Done),
            Fault::Reset(Effect::None),
            Fault::Reset(Effect::Done),
            Fault::Truncated,
        ];
        let each = share / faults.len() as f64;
        Self { faults: faults.map(|fault| (fault, each)).to_vec(), latency: Latency::default() }
    }

    /// The same with this delay.
    #[must_use]
    pub fn with_latency(self, latency: Latency) -> Self {
        Self { latency, ..self }
    }
}

/// A running front. Dropping it stops it and closes what it left unanswered.
#[derive(Debug)]
pub struct Faults {
    server: Server,
    shared: Arc<Shared>,
}

/// What the service and its handle share.
#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Ends the requests that are never answered.
    stopping: CancellationToken,
}

#[derive(Debug)]
struct State {
    odds: Odds,
    chance: Chance,
    requests: u64,
    happened: BTreeMap<Fault, u64>,
}

impl Faults {
    /// Starts before `url`. What happens to the n-th request follows from `seed` and the odds.
    ///
    /// # Errors
    /// No port to listen on, or a URL that is none.
    pub fn before(url: &str, seed: u64, odds: Odds) -> Result<Self, Error> {
        let state = State { odds, chance: Chance::new(seed), requests: 0, happened: BTreeMap::new() };
        let shared = Arc::new(Shared { state: Mutex::new(state), stopping: CancellationToken::new() });
        let service = Service::new(shared.clone(), Forward::to(url)?);
        Ok(Self { server: serve_front("faults", listen(0)?, service)?, shared })
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        self.server.endpoint()
    }

    /// Other odds from now on.
    pub fn set(&self, odds: Odds) {
        self.shared.with(|state| state.odds = odds);
    }

    /// Requests seen so far.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.shared.with(|state| state.requests)
    }

    /// How often each fault happened.
    #[must_use]
    pub fn happened(&self) -> BTreeMap<Fault, u64> {
        self.shared.with(|state| state.happened.clone())
    }
}

impl Drop for Faults {
    fn drop(&mut self) {
        self.shared.stopping.cancel();
    }
}

impl Shared {
    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    /// What happens to the next request: how long it is held up, and what goes wrong.
    fn next(&mut self) -> (Duration, Option<Fault>) {
        self.requests += 1;
        let delay = self.chance.delay(&self.odds.latency);
        let fault = self.chance.fault(&self.odds.faults);
        if let Some(fault) = fault {
            *self.happened.entry(fault).or_default() += 1;
        }
        (delay, fault)
    }
}
