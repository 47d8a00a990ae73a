//! What can be set, before the start and while it runs.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What one partition serves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Write units a second.
    pub write: f64,
    /// Read units a second.
    pub read: f64,
    /// How long unused capacity is kept for bursts. A second's own capacity always is.
    pub burst: Duration,
}

impl Limits {
    /// A partition of AWS: 1,000 write units and 3,000 read units a second, unused capacity of up to 300 seconds kept (DynamoDB
    /// Developer Guide, "Designing partition keys" and "Burst and adaptive capacity").
    pub const AWS: Self = Self { write: 1_000.0, read: 3_000.0, burst: Duration::from_secs(300) };

    /// This part of AWS's capacity, with the same time of burst.
    #[must_use]
    pub fn scaled(part: f64) -> Self {
        Self { write: Self::AWS.write * part, read: Self::AWS.read * part, burst: Self::AWS.burst }
    }

    /// The same without saved capacity beyond a second.
    #[must_use]
    pub fn without_burst(self) -> Self {
        Self { burst: Duration::ZERO, ..self }
    }
}

/// What the front starts with; tables and indexes can be given limits of their own while it runs.
#[derive(Clone)]
pub struct Settings {
    /// Of each partition of a base table.
    pub table: Limits,
    /// Of each partition of an index: all entries with one key value.
    pub index: Limits,
    /// Partitions a base table has; an item's is chosen by a hash of its partition key.
    pub base_partitions: u32,
    /// Whether partitions begin with all the burst they may save.
    pub full: bool,
    /// How long one window of the counters is.
    pub window: Duration,
    /// What time it is, since whenever.
    pub clock: Clock,
}

/// A clock that can be replaced by a test's.
pub type Clock = Arc<dyn Fn() -> Duration + Send + Sync>;

impl Default for Settings {
    fn default() -> Self {
        let start = Instant::now();
        Self {
            table: Limits::AWS,
            index: Limits::AWS,
            base_partitions: 10,
            full: true,
            window: Duration::from_secs(1),
            clock: Arc::new(move || start.elapsed()),
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, index, base_partitions, full, window, clock: _ } = self;
        let mut out = out.debug_struct("Settings");
        out.field("table", table).field("index", index).field("base_partitions", base_partitions);
        out.field("full", full).field("window", window).finish_non_exhaustive()
    }
}
