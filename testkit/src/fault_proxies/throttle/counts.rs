//! What was served and what was throttled, by place, caller and window of time.

use std::collections::{BTreeMap, HashMap};
use std::ops::AddAssign;
use std::sync::Arc;
use std::time::Duration;

/// A part of a table that has limits of its own, or the table.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// All of it: each request counts here once.
    Table,
    /// A partition of the base table.
    Base(u32),
    /// A partition of an index: all entries with this key value.
    Index {
        /// The index's name.
        index: Arc<str>,
        /// The key value.
        value: Arc<str>,
    },
}

/// What a count is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// The table's name.
    pub table: Arc<str>,
    /// Where in it.
    pub place: Place,
    /// The access key the requests were signed with.
    pub caller: Arc<str>,
}

impl Key {
    /// Whether this is a partition of an index whose key value is one of `tenant`'s: `tenant#n`.
    #[must_use]
    pub fn is_of_tenant(&self, tenant: &str) -> bool {
        match &self.place {
            Place::Index { value, .. } => {
                value.strip_prefix(tenant).is_some_and(|rest| rest.is_empty() || rest.starts_with('#'))
            }
            Place::Table | Place::Base(_) => false,
        }
    }
}

/// What happened at one place.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Counts {
    /// Write units that were served.
    pub write_units: f64,
    /// Read units that were served.
    pub read_units: f64,
    /// Requests that touched the place.
    pub requests: u64,
    /// Those that were throttled for it, wholly or in part.
    pub throttled_requests: u64,
    /// Items (written, deleted or read by key; a page counts as one) that touched the place.
    pub items: u64,
    /// Those that were throttled for it.
    pub throttled_items: u64,
}

impl Counts {
    /// Throttled requests among all of them; zero when there were none.
    #[must_use]
    pub fn throttled_share(&self) -> f64 {
        if self.requests == 0 { 0.0 } else { self.throttled_requests as f64 / self.requests as f64 }
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.write_units += other.write_units;
        self.read_units += other.read_units;
        self.requests += other.requests;
        self.throttled_requests += other.throttled_requests;
        self.items += other.items;
        self.throttled_items += other.throttled_items;
    }
}

/// All windows.
#[derive(Debug)]
pub(super) struct Ledger {
    window: Duration,
    windows: BTreeMap<u64, HashMap<Key, Counts>>,
}

impl Ledger {
    pub(super) fn new(window: Duration) -> Self {
        Self { window, windows: BTreeMap::new() }
    }

    pub(super) fn at(&mut self, now: Duration, key: Key) -> &mut Counts {
        let number = now.as_nanos() / self.window.as_nanos().max(1);
        let number = u64::try_from(number).unwrap_or(u64::MAX);
        self.windows.entry(number).or_default().entry(key).or_default()
    }

    /// The windows' beginnings and what happened in each at the places that are wanted, in order of time.
    pub(super) fn windows(&self, wanted: impl Fn(&Key) -> bool) -> Vec<(Duration, Counts)> {
        let sum = |counts: &HashMap<Key, Counts>| {
            let mut sum = Counts::default();
            counts.iter().filter(|(key, _)| wanted(key)).for_each(|(_, counts)| sum += *counts);
            sum
        };
        let begins = |number: u64| Duration::from_secs_f64(self.window.as_secs_f64() * number as f64);
        self.windows.iter().map(|(number, counts)| (begins(*number), sum(counts))).collect()
    }

    /// Every place that was touched, over all windows.
    pub(super) fn totals(&self) -> BTreeMap<Key, Counts> {
        let mut totals = BTreeMap::new();
        for (key, counts) in self.windows.values().flatten() {
            *totals.entry(key.clone()).or_insert_with(Counts::default) += *counts;
        }
        totals
    }

    pub(super) fn clear(&mut self) {
        self.windows.clear();
    }
}
