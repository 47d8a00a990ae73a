//! Into how many parts each service's objects are divided, so that one tenant's bucket spreads over several tasks and processes.
//! Decided once, by what preflight counted, and stored with everything that is done part by part. Tables divide by their
//! index shards and are not named here.

use std::collections::BTreeMap;

use catalogue::location::Location;
use serde::{Deserialize, Serialize};

use crate::data_tasks::{Amount, place_of};

/// So many objects are worth a part of their own.
const OBJECTS_A_PART: u64 = 25_000;
/// So many bytes are, too.
const BYTES_A_PART: u64 = 8 << 30;
/// Each part lists the whole prefix, so more parts do not go faster without end.
const MOST_PARTS: u64 = 8;

/// Parts by service, where there is more than one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Divided(BTreeMap<String, u32>);

impl Divided {
    /// Decides for a service whose source holds `counted`.
    pub(super) fn decide(&mut self, service: &str, counted: Amount) {
        let parts = parts_for(counted);
        if parts > 1 {
            self.0.insert(service.to_owned(), parts);
        }
    }

    /// In how many parts a service's data at `source` is worked on.
    pub(crate) fn parts(&self, service: &str, source: &Location) -> u32 {
        place_of(source).in_parts(self.objects(service)).parts()
    }

    /// Into how many parts its objects are divided, if it has objects.
    pub(super) fn objects(&self, service: &str) -> u32 {
        self.0.get(service).copied().unwrap_or(1)
    }

    /// Whether every service has one part.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn parts_for(counted: Amount) -> u32 {
    let wanted = counted.objects.div_ceil(OBJECTS_A_PART).max(counted.bytes.div_ceil(BYTES_A_PART));
    let parts = wanted.min(MOST_PARTS).min(counted.objects).max(1);
    u32::try_from(parts).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_objects_or_many_bytes_make_several_parts_and_items_make_none() {
        let objects = |objects, bytes| parts_for(Amount { items: 0, objects, bytes });
        assert_eq!((objects(0, 0), objects(25_000, 1), objects(25_001, 1)), (1, 1, 2));
        assert_eq!((objects(100_000, 1 << 30), objects(1_000_000, 1 << 30)), (4, 8));
        assert_eq!(objects(1, 1 << 40), 1, "one object is one part, however large");
        assert_eq!(objects(3, 1 << 40), 3);
        assert_eq!(objects(100, 20 << 30), 3);
        assert_eq!(parts_for(Amount { items: 1 << 30, objects: 0, bytes: 1 << 40 }), 1);
    }
}
