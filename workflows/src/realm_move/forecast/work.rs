//! What a move has to do, and how far it has got, as `running` and `budget_check` reckon with it.

use serde::{Deserialize, Serialize};
use store::Millis;

/// How much of each kind: items of tables, objects of buckets and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Measure {
    /// Items of tables.
    pub items: u64,
    /// Objects.
    pub objects: u64,
    /// Bytes of objects.
    pub bytes: u64,
}

/// An object takes its requests beside its bytes: as long as at least so many bytes more (a store nearby), and up to this many (two
/// requests of 150 ms at 85 MB/s and more: see `estimate`). What it really is lies between, so the end does, too.
pub(crate) const OBJECT_AT_LEAST: u64 = 16 << 10;
pub(crate) const OBJECT_AT_MOST: u64 = 32 << 20;

impl Measure {
    pub(crate) fn at_most(self, most: Self) -> Self {
        Self {
            items: self.items.min(most.items),
            objects: self.objects.min(most.objects),
            bytes: self.bytes.min(most.bytes),
        }
    }

    /// Bytes, where it is size that takes time.
    pub(crate) fn by_size(self) -> u64 {
        self.bytes.saturating_add(self.objects.saturating_mul(OBJECT_AT_LEAST))
    }

    /// The same where it is mostly the number of objects.
    pub(crate) fn by_count(self) -> u64 {
        self.bytes.saturating_add(self.objects.saturating_mul(OBJECT_AT_MOST))
    }
}

/// What a stage has to do, and what follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work {
    /// All there is.
    pub expected: Measure,
    /// Whether a look for changes and the read-back follow; else nothing does.
    pub copying: bool,
    /// The wait before the look for changes, in milliseconds.
    pub settle_ms: Millis,
    /// How late progress may be told, in milliseconds.
    pub told_every_ms: Millis,
}

/// A reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    pub(crate) at: Millis,
    pub(crate) done: u64,
}
