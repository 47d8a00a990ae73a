//! What a write costs where, and which partition things are in.

use dynoxide::Item;
use dynoxide::types::item_size;

use crate::fault_proxies::schema::{Entry, Index, Schema, values};
use crate::fault_proxies::throttle::counts::Place;
use crate::fault_proxies::throttle::model::Charge;

/// Units of a write of this many bytes: one for each KiB begun (DynamoDB Developer Guide, "DynamoDB read and write operations").
pub(super) fn write_units(bytes: usize) -> f64 {
    bytes.div_ceil(1024).max(1) as f64
}

/// Units of a read of this many bytes: one for each 4 KiB begun when consistent, half as many when not (same page).
pub(super) fn read_units(bytes: usize, consistent: bool) -> f64 {
    let whole = bytes.div_ceil(4096).max(1) as f64;
    if consistent { whole } else { whole / 2.0 }
}

impl Schema {
    /// The partition of the base table that holds the item.
    pub(super) fn base(&self, item: &Item, partitions: u32) -> Option<Place> {
        Some(base(&values(item, &self.keys[..1])?, partitions))
    }

    /// The partition where entries of this index (or, without one, items) with these values of the hash keys are.
    pub(super) fn place(&self, index: Option<&str>, value: &str, partitions: u32) -> Place {
        match index.and_then(|index| self.index(index)).filter(|index| !index.local) {
            Some(index) => Place::Index { index: index.name.clone(), value: plain(value).into() },
            None => base(value, partitions),
        }
    }

    /// What turning `old` into `new` costs: at the base table the larger of the two, at an index only what changes there. `factor` is
    /// 2 in a transaction; it does not apply to indexes.
    pub(super) fn write(&self, old: Option<&Item>, new: Option<&Item>, factor: f64, partitions: u32) -> Vec<Charge> {
        let Some(base) = old.or(new).and_then(|item| self.base(item, partitions)) else { return Vec::new() };
        let bytes = old.map_or(0, item_size).max(new.map_or(0, item_size));
        let mut charges = vec![Charge { place: base.clone(), units: factor * write_units(bytes) }];
        for index in &self.indexes {
            for (value, units) in index.charges(old, new, &self.keys) {
                let place = match index.local {
                    true => base.clone(),
                    false => Place::Index { index: index.name.clone(), value: plain(&value).into() },
                };
                charges.push(Charge { place, units });
            }
        }
        charges
    }
}

impl Index {
    /// Units by hash key (DynamoDB Developer Guide, "Using global secondary indexes", on write capacity): a new entry costs its size, so does
    /// one that goes; a key that changes is both; a change in place costs the larger; no change of what is projected, nothing.
    fn charges(&self, old: Option<&Item>, new: Option<&Item>, table_keys: &[String]) -> Vec<(String, f64)> {
        let entry = |item: Option<&Item>| item.and_then(|item| self.entry(item, table_keys));
        let units = |entry: &Entry| write_units(item_size(&entry.projected));
        match (entry(old), entry(new)) {
            (None, None) => Vec::new(),
            (Some(only), None) | (None, Some(only)) => vec![(only.hash.clone(), units(&only))],
            (Some(old), Some(new)) if old.key != new.key => {
                vec![(old.hash.clone(), units(&old)), (new.hash.clone(), units(&new))]
            }
            (Some(old), Some(new)) if old.projected == new.projected => Vec::new(),
            (Some(old), Some(new)) => vec![(new.hash.clone(), units(&old).max(units(&new)))],
        }
    }
}

/// What people call a key value: without its type.
fn plain(value: &str) -> &str {
    value.split_once(':').map_or(value, |(_, plain)| plain)
}

fn base(value: &str, partitions: u32) -> Place {
    let hash = blake3::hash(value.as_bytes());
    let first: [u8; 4] = hash.as_bytes()[..4].try_into().expect("a hash is longer");
    Place::Base(u32::from_le_bytes(first) % partitions)
}
