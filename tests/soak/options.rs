//! What a run is asked to do, and the short times that its processes run with.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};

/// Faults without pause on real processes, and a check that nothing was lost
#[derive(Debug, Clone, Parser)]
pub(crate) struct Options {
    /// How many faults to inject
    #[arg(long, default_value_t = 200)]
    pub(crate) faults: usize,
    /// How many moves to see end, at least
    #[arg(long, default_value_t = 50)]
    pub(crate) moves: usize,
    /// Chooses the faults; printed, so that a run can be had again
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Tenants that move back and forth
    #[arg(long, default_value_t = 5)]
    pub(crate) tenants: usize,
    /// What the catalogue is kept in
    #[arg(long, value_enum, default_value_t = StoreKind::Postgres)]
    pub(crate) store: StoreKind,
    /// Break the contract with the clients: the processes wait for no reader and no request. To see that the run then fails
    #[arg(long)]
    pub(crate) no_drain: bool,
    /// The `realmctl` to run; otherwise the one next to this program
    #[arg(long)]
    pub(crate) realmctl: Option<PathBuf>,
    /// Where the logs of a run are kept, in a folder of its own
    #[arg(long, default_value = "target/soak")]
    pub(crate) logs: PathBuf,
}

/// What the catalogue is kept in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StoreKind {
    /// A primary with a synchronous standby
    Postgres,
    /// The same behind PgBouncer, with session pooling
    PostgresSessionPooler,
    /// The same behind PgBouncer, with transaction pooling
    PostgresTransactionPooler,
    /// A file on a disk that fills
    Sqlite,
}

/// The longest that a run may take; past it, it has failed.
pub(crate) const LIMIT: Duration = Duration::from_secs(20 * 60);

/// How long a client goes on using the context that it has read.
pub(crate) const CONTEXT_TTL: Duration = Duration::from_millis(600);

/// The longest that a client's request may run: shorter than the deployment's drain time, as that must be.
pub(crate) const CLIENT_TIMEOUT: Duration = Duration::from_millis(800);

/// How long the deployment waits for requests from before a change.
const DRAIN_TIME: Duration = Duration::from_secs(1);

/// How old a request may be when it reaches a store: the embedded regions refuse older ones.
pub(crate) const SIGNED_REQUEST_TTL: Duration = Duration::from_secs(4);

/// How long a claim of work lasts.
pub(crate) const LEASE: Duration = Duration::from_secs(2);

/// How long a tenant stays offline without progress.
pub(crate) const OFFLINE_LEASE: Duration = Duration::from_secs(8);

/// The same for every process.
pub(crate) fn timing(no_drain: bool) -> Vec<(&'static str, String)> {
    let ms = |duration: Duration| format!("{}ms", duration.as_millis());
    let (context_ttl, drain_time) =
        if no_drain { (Duration::from_millis(10), Duration::from_millis(10)) } else { (CONTEXT_TTL, DRAIN_TIME) };
    vec![
        ("REALMCTL_LEASE", ms(LEASE)),
        ("REALMCTL_HEARTBEAT", "600ms".to_owned()),
        ("REALMCTL_OFFLINE_LEASE", ms(OFFLINE_LEASE)),
        ("REALMCTL_OFFLINE_DEADLINE", "60s".to_owned()),
        ("REALMCTL_CONTEXT_TTL", ms(context_ttl)),
        ("REALMCTL_DRAIN_TIME", ms(drain_time)),
        ("REALMCTL_MAX_CLOCK_SKEW", ms(Duration::from_millis(if no_drain { 1 } else { 100 }))),
        ("REALMCTL_SIGNED_REQUEST_TTL_DYNAMODB", ms(SIGNED_REQUEST_TTL)),
        ("REALMCTL_SIGNED_REQUEST_TTL_S3", ms(SIGNED_REQUEST_TTL)),
        ("REALMCTL_SIGNED_REQUEST_TTL_HOOKS", ms(SIGNED_REQUEST_TTL)),
        ("REALMCTL_QUEUE_RETENTION", "2s".to_owned()),
        ("REALMCTL_INDEX_SETTLE", "200ms".to_owned()),
        ("REALMCTL_WAIT_LIMIT", "60s".to_owned()),
    ]
}
