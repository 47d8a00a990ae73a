//! How hard and how patiently the movers work.

use std::time::Duration;

use crate::hooks::HookSecrets;

/// When a store copies objects from one bucket to another by itself, so that their contents are not sent to it. They are read all
/// the same, to be compared. A store that refuses has them sent to it, which is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerSideCopy {
    /// Never.
    Never,
    /// When both buckets are at the same endpoint, or both at AWS's own, in whatever region.
    SameEndpoint,
    /// Whenever the target's store does it, such as when one provider has an endpoint for each region.
    Always,
}

/// Limits and waits of the movers. Memory is bounded by `batch_concurrency` batches of at most 16 MiB that are read and four more
/// that are written for each part of a table, and for all objects of the process together by `object_concurrency` x the larger of `multipart_threshold` and `part_size`.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Batches of 100 items that are read or deleted at once per part of a table.
    pub batch_concurrency: usize,
    /// Keys asked for in one page of an index query. A checkpoint can stand after each page.
    pub page_keys: i32,
    /// How long an index may lag behind its table: the wait between two passes that must agree.
    pub index_settle: Duration,
    /// How far the clocks of stores and of the catalogue's database may be apart: what expires within it may be there or not.
    pub skew: Duration,
    /// How many times copying, verifying or removing looks again before it gives up, where an index may be behind.
    pub settle_rounds: u32,
    /// How old a reading of the ledger may be when it backs a permit: for the callers that build
    /// [`Permits`](crate::ledger_permit::Permits).
    pub permit_fresh_for: Duration,
    /// At most this much time of work between two checkpoints (taken at the next page or object).
    pub checkpoint_every: Duration,
    /// Objects larger than this many bytes are written in parts.
    pub multipart_threshold: u64,
    /// Bytes in one part, 5 MiB to 5 GiB (S3 User Guide, "Multipart upload limits"), raised to a power of two, and further for an
    /// object that would need more than 10,000 parts.
    pub part_size: u64,
    /// Objects copied or read back at once, in each part; and ranges of one large object.
    pub object_concurrency: usize,
    /// When a store copies objects by itself.
    pub server_side_copy: ServerSideCopy,
    /// How long nothing may arrive by a store's own replication before it is taken to be broken. Most objects
    /// are replicated within 15 minutes (S3 User Guide, "Using S3 Replication Time Control"), items within
    /// seconds.
    pub replication_wait: Duration,
    /// How many times in a row a store may leave a whole request undone before the part gives up as retryable.
    pub attempts: u32,
    /// How long a connection to a store may take.
    pub connect_timeout: Duration,
    /// How long one DynamoDB request may take. One S3 request may take six times that: its body can be large.
    pub attempt_timeout: Duration,
    /// What signs the requests to services with hooks.
    pub hook_secrets: HookSecrets,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            batch_concurrency: 4,
            page_keys: 500,
            index_settle: Duration::from_secs(10),
            skew: Duration::from_secs(5),
            settle_rounds: 5,
            permit_fresh_for: Duration::from_secs(1),
            checkpoint_every: Duration::from_secs(1),
            multipart_threshold: 8 << 20,
            part_size: 8 << 20,
            object_concurrency: 16,
            server_side_copy: ServerSideCopy::SameEndpoint,
            replication_wait: Duration::from_secs(15 * 60),
            attempts: 8,
            connect_timeout: Duration::from_secs(3),
            attempt_timeout: Duration::from_secs(20),
            hook_secrets: HookSecrets::default(),
        }
    }
}
