//! Where each service's objects are divided into parts, so that one tenant's bucket spreads over several tasks and processes.
//! Decided once, by what preflight counted, and stored with everything that is done part by part. Tables divide by their
//! index shards and are not named here.

use std::collections::BTreeMap;

use catalogue::location::Location;
use serde::{Deserialize, Serialize};
use workers::Cuts;
use workers::place::Place;

use crate::amount::Amount;
use crate::places::place_of;

/// How much is worth a part of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartSize {
    /// So many objects are,
    pub objects: u64,
    /// and so many bytes.
    pub bytes: u64,
}

impl Default for PartSize {
    fn default() -> Self {
        Self { objects: 10_000, bytes: 8 << 30 }
    }
}

/// More would not go faster through one bucket.
const MOST_PARTS: u64 = 16;

/// Where objects are divided, by service, for those that are: the last key of each part but the last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partitioning(BTreeMap<String, Vec<String>>);

impl Partitioning {
    /// Decides for a service whose source holds `counted`, and can be divided by `cuts`, into parts of this size.
    pub(super) fn decide(&mut self, service: &str, counted: Amount, cuts: &Cuts, size: PartSize) {
        let bounds = cuts.bounds(size.parts_for(counted));
        if !bounds.is_empty() {
            self.0.insert(service.to_owned(), bounds);
        }
    }

    /// In how many parts a service's data at `source` is worked on.
    pub(crate) fn parts(&self, service: &str, source: &Location) -> u32 {
        place_of(source).divided_at(self.bounds(service)).parts()
    }

    /// Where its objects are divided.
    pub(super) fn bounds(&self, service: &str) -> &[String] {
        self.0.get(service).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether every service has one part.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// In how many parts data at `source` would be worked on, by how much there is.
pub(super) fn expected_parts(source: &Location, counted: Amount, size: PartSize) -> u32 {
    match place_of(source) {
        Place::S3 { .. } => size.parts_for(counted),
        other => other.parts(),
    }
}

impl PartSize {
    fn parts_for(self, counted: Amount) -> u32 {
        let wanted = counted.objects.div_ceil(self.objects.max(1)).max(counted.bytes.div_ceil(self.bytes.max(1)));
        let parts = wanted.min(MOST_PARTS).min(counted.objects).max(1);
        u32::try_from(parts).unwrap_or(1)
    }
}

#[cfg(test)]
mod tests {
    use crate::partitioning::*;

    #[test]
    fn many_objects_or_many_bytes_make_several_parts_and_items_make_none() {
        let parts_for = |counted| PartSize::default().parts_for(counted);
        let objects = |objects, bytes| parts_for(Amount { items: 0, objects, bytes });
        assert_eq!((objects(0, 0), objects(10_000, 1), objects(10_001, 1)), (1, 1, 2));
        assert_eq!((objects(100_000, 1 << 30), objects(1_000_000, 1 << 30)), (10, 16));
        assert_eq!(objects(1, 1 << 40), 1, "one object is one part, however large");
        assert_eq!(objects(3, 1 << 40), 3);
        assert_eq!(objects(100, 20 << 30), 3);
        assert_eq!(parts_for(Amount { items: 1 << 30, objects: 0, bytes: 1 << 40 }), 1);
    }
}
