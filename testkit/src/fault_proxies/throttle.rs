//! A front before an embedded DynamoDB that has the capacity of a real one and no more: token buckets for each partition of
//! a base table and of an index, back-pressure of indexes on the table, batches done in part, and reasons.
//!
//! What it does not do: split hot partitions, put several index keys in one partition, or count PartiQL. Items' old sizes are read from the
//! embedded database itself, so that only an embedded region can be throttled; the requests may take any way there.

mod answers;
mod bucket;
mod costs;
mod counts;
mod front;
mod limits;
mod model;
mod reads;
mod writes;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use crate::Error;
use crate::fault_proxies::service::Service;
use crate::fault_proxies::upstream::Behind;
use crate::region::{Region, Server, listen, serve_front};

use front::ThrottleFront;
use model::Model;

pub use counts::{Counts, Key, Place};
pub use limits::{Clock, Limits, Settings};

/// A running front, and the handle to change and read it. Dropping it stops it.
#[derive(Debug)]
pub struct Throttle {
    server: Server,
    model: Arc<Model>,
}

impl Throttle {
    /// Starts before the DynamoDB of `region`.
    ///
    /// # Errors
    /// No port to listen on.
    pub fn before(region: &Region, settings: Settings) -> Result<Self, Error> {
        Self::before_url(region, region.dynamodb_endpoint(), settings)
    }

    /// The same, passing on to `url`, where another front leads to the same region.
    ///
    /// # Errors
    /// No port to listen on, or a URL that is none.
    pub fn before_url(region: &Region, url: &str, settings: Settings) -> Result<Self, Error> {
        let model = Arc::new(Model::new(settings));
        let behind = Behind::at(region, url)?;
        let front = ThrottleFront { region: region.name().into(), model: model.clone(), behind };
        let server = serve_front(&format!("{}-throttle", region.name()), listen(0)?, Service(front))?;
        Ok(Self { server, model })
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        self.server.endpoint()
    }

    /// The time by its clock.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.model.now()
    }

    /// Changes what each partition of a base table serves, from now on.
    pub fn limit_table(&self, table: &str, limits: Limits) {
        self.model.change((table.into(), None), None, limits);
    }

    /// Changes what one partition of a base table serves.
    pub fn limit_base_partition(&self, table: &str, partition: u32, limits: Limits) {
        self.model.change((table.into(), None), Some(Place::Base(partition)), limits);
    }

    /// Changes what each partition of an index serves.
    pub fn limit_index(&self, table: &str, index: &str, limits: Limits) {
        self.model.change((table.into(), Some(index.into())), None, limits);
    }

    /// Changes what the partition of an index that holds the key `value` serves.
    pub fn limit_index_partition(&self, table: &str, index: &str, value: &str, limits: Limits) {
        let index: Arc<str> = index.into();
        let place = Place::Index { index: index.clone(), value: value.into() };
        self.model.change((table.into(), Some(index)), Some(place), limits);
    }

    /// Gives a table (or, with a name, an index of it) as a whole a provisioned capacity, or takes it away.
    pub fn provision(&self, table: &str, index: Option<&str>, limits: Option<Limits>) {
        self.model.provision((table.into(), index.map(Into::into)), limits);
    }

    /// Uses up all saved capacity, also of partitions that are first touched later.
    pub fn empty_bursts(&self) {
        self.model.empty_bursts();
    }

    /// Forgets what was counted.
    pub fn reset_counts(&self) {
        self.model.read_ledger(counts::Ledger::clear);
    }

    /// What happened at each place since the start or the last reset.
    #[must_use]
    pub fn totals(&self) -> BTreeMap<Key, Counts> {
        self.model.read_ledger(|ledger| ledger.totals())
    }

    /// What happened in each window, summed over the places that are wanted; each with the time it begins.
    pub fn windows(&self, wanted: impl Fn(&Key) -> bool) -> Vec<(Duration, Counts)> {
        self.model.read_ledger(|ledger| ledger.windows(wanted))
    }

    /// The sum of all windows that begin within `time`, over the places that are wanted.
    pub fn sum(&self, time: Range<Duration>, wanted: impl Fn(&Key) -> bool) -> Counts {
        let mut sum = Counts::default();
        let windows = self.windows(wanted).into_iter().filter(|(begins, _)| time.contains(begins));
        windows.for_each(|(_, counts)| sum += counts);
        sum
    }
}
