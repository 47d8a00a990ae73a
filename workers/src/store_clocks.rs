//! Clocks of the stores beside that of the catalogue's database, by which permits are signed. Each answer of a store carries its
//! time (`Date`, in whole seconds); this process's monotonic clock, which nobody sets, carries it on to the moment of a reading
//! of the database. What the date can't tell, and the times that the request and the reading took, count for the clocks: a
//! difference is reported only as far as it is certain.

mod interceptor;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use tokio::time::Instant;

use crate::error::WorkError;
use crate::failure::is_of_a_gateway;
use crate::place::Place;

pub(crate) use interceptor::ReadsDates;

/// The code of a permit that is refused because the clocks differ by more than they may.
pub const CLOCK_SKEW: &str = "clock_skew";

/// A `Date` has whole seconds (RFC 9110, 5.6.7), and a server may keep it for a second before it makes the next.
const OF_A_DATE: Duration = Duration::from_secs(2);

/// How long what an answer has told is relied on.
const KNOWN_FOR: Duration = Duration::from_secs(60);

/// How long it is shown: an idle process asks nobody, and its clocks are as wrong as before.
const SHOWN_FOR: Duration = Duration::from_secs(60 * 60);

/// An answer that took longer tells too little to take the place of a better one.
const LONG: Duration = Duration::from_secs(5);

/// Whose clock: a store of one kind at one address. By the words it is told with.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClockOf(String);

impl ClockOf {
    /// Of the store that the place is in.
    pub fn place(place: &Place) -> Self {
        match place {
            Place::Dynamodb { region, endpoint, .. } => Self::dynamodb(region, endpoint.as_deref()),
            Place::S3 { region, endpoint, .. } => Self::s3(region, endpoint.as_deref()),
            Place::Hooks { url, .. } => Self::hooks(url),
        }
    }

    pub(crate) fn dynamodb(region: &str, endpoint: Option<&str>) -> Self {
        Self(format!("DynamoDB in {region} ({})", endpoint.unwrap_or("AWS's own endpoint")))
    }

    pub(crate) fn s3(region: &str, endpoint: Option<&str>) -> Self {
        Self(format!("S3 in {region} ({})", endpoint.unwrap_or("AWS's own endpoint")))
    }

    pub(crate) fn hooks(url: &str) -> Self {
        Self(format!("the service at {url}"))
    }
}

impl fmt::Display for ClockOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An answer, by this process's clock, and the time that it told.
#[derive(Debug, Clone, Copy)]
pub struct Told {
    /// When the request was sent.
    pub sent: Instant,
    /// When its answer was here.
    pub received: Instant,
    /// The store's time at some moment between; `None`: it told none.
    pub date: Option<SystemTime>,
    /// How much later it may have been.
    pub within: Duration,
}

/// A reading of the database's clock.
#[derive(Debug, Clone, Copy)]
pub struct Read {
    /// When it was asked.
    pub asked: Instant,
    /// When its answer was here.
    pub read: Instant,
    /// Its time at some moment between.
    pub at: SystemTime,
}

/// How the database's clock stands to a store's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stands {
    /// The store has not been heard of lately.
    Unknown,
    /// Its answers tell no time: it can't be known.
    Untold,
    /// As far as can be told, they agree.
    Agree,
    /// The database is ahead by at least so much.
    Ahead(Duration),
    /// It is behind by at least so much.
    Behind(Duration),
}

impl Stands {
    /// Whether the difference, as far as it is certain, is more than `skew`.
    pub fn is_beyond(self, skew: Duration) -> bool {
        matches!(self, Self::Ahead(by) | Self::Behind(by) if by > skew)
    }
}

/// What the stores have told of their clocks to this process.
#[derive(Debug, Default)]
pub struct Clocks(Mutex<HashMap<ClockOf, Told>>);

impl Clocks {
    /// A store has answered what was sent then. A gateway's own answer has the gateway's time, and one out of a cache an old one.
    pub(crate) fn answered<'a>(
        &self,
        of: &ClockOf,
        sent: Instant,
        status: u16,
        header: impl Fn(&'static str) -> Option<&'a str>,
    ) {
        if !is_of_a_gateway(status, false) {
            let date = header("date").filter(|_| header("age").is_none()).and_then(time_of);
            self.told(of, Told { sent, received: Instant::now(), date, within: OF_A_DATE });
        }
    }

    /// A store has told its time, or none.
    pub fn told(&self, of: &ClockOf, told: Told) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let better = known.get(of).is_some_and(|before| {
            let says_less = told.date.is_none() || told.received.saturating_duration_since(told.sent) > LONG;
            says_less && before.date.is_some() && told.received.saturating_duration_since(before.received) < KNOWN_FOR
        });
        if !better {
            known.insert(of.clone(), told);
        }
    }

    /// How the database's clock stood to the store's when it was read.
    pub fn stands(&self, of: &ClockOf, read: Read) -> Stands {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(of).map_or(Stands::Unknown, |told| stands(*told, read, KNOWN_FOR))
    }

    /// Every store whose clock differs by more than `skew` from the database's, in words.
    pub fn beyond(&self, read: Read, skew: Duration) -> Vec<String> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let apart = known.iter().map(|(of, told)| (of, stands(*told, read, SHOWN_FOR)));
        let mut beyond: Vec<_> = apart.filter_map(|(of, stands)| difference(of, stands, skew)).collect();
        beyond.sort();
        beyond
    }

    /// `clock_skew` when the two differ by more than `skew`: what is signed now would be accepted for longer than anybody waits,
    /// or not at all.
    ///
    /// # Errors
    /// Which store, by how much, and what to look at.
    pub fn check(&self, of: &ClockOf, read: Read, skew: Duration) -> Result<(), WorkError> {
        match difference(of, self.stands(of, read), skew) {
            None => Ok(()),
            Some(difference) => Err(WorkError::retryable(CLOCK_SKEW, difference)),
        }
    }
}

/// The time of a `Date` header.
fn time_of(header: &str) -> Option<SystemTime> {
    SystemTime::try_from(DateTime::from_str(header, Format::HttpDate).ok()?).ok()
}

fn difference(of: &ClockOf, stands: Stands, skew: Duration) -> Option<String> {
    if !stands.is_beyond(skew) {
        return None;
    }
    let (by, how) = match stands {
        Stands::Ahead(by) => (by, "ahead of"),
        Stands::Behind(by) => (by, "behind"),
        _ => return None,
    };
    Some(format!(
        "the clock of the catalogue's database is at least {} s {how} that of {of}, and {} s are allowed: nothing is written or \
         deleted there meanwhile. Look at the time synchronisation (NTP) of the database's host (with SQLite, of this machine), then \
         at the store's",
        tenths(by),
        tenths(skew)
    ))
}

fn tenths(time: Duration) -> f64 {
    (time.as_secs_f64() * 10.0).round() / 10.0
}

/// At the moment x of the reading the store's clock was at least `date + (x - received)` and less than `date + within + (x - sent)`,
/// for x between `asked` and `read`.
fn stands(told: Told, read: Read, known_for: Duration) -> Stands {
    if read.asked.saturating_duration_since(told.received) > known_for {
        return Stands::Unknown;
    }
    let Some(date) = told.date else { return Stands::Untold };
    let (date, at) = (micros(date), micros(read.at));
    let earliest = date + between(told.received, read.asked);
    let latest =
        date + i128::try_from(told.within.as_micros()).unwrap_or(i128::MAX / 2) + between(told.sent, read.read);
    let by = |micros: i128| Duration::from_micros(u64::try_from(micros).unwrap_or_default());
    if at > latest {
        Stands::Ahead(by(at - latest))
    } else if at < earliest {
        Stands::Behind(by(earliest - at))
    } else {
        Stands::Agree
    }
}

fn micros(time: SystemTime) -> i128 {
    let since = |time: Duration| i128::try_from(time.as_micros()).unwrap_or(i128::MAX / 4);
    time.duration_since(UNIX_EPOCH).map_or_else(|before| -since(before.duration()), since)
}

/// From one moment to another, in microseconds; less than 0 if that one was first.
fn between(from: Instant, to: Instant) -> i128 {
    let since =
        |from: Instant, to: Instant| i128::try_from(to.saturating_duration_since(from).as_micros()).unwrap_or_default();
    since(from, to) - since(to, from)
}

/// The clock that permits for one place are judged by.
#[derive(Debug, Clone)]
pub struct ClockWatch {
    pub(crate) clocks: std::sync::Arc<Clocks>,
    pub(crate) of: ClockOf,
    pub(crate) skew: Duration,
}

impl ClockWatch {
    pub(crate) fn check(&self, read: Read) -> Result<(), WorkError> {
        self.clocks.check(&self.of, read, self.skew)
    }
}

#[cfg(test)]
mod tests;
