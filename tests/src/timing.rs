//! Short times for the tests: everything a move waits for is waited for, but briefly.

use std::time::Duration;

use workflows::timing::Timing;

/// The constants of the tests. `offline_lease` is long, so that a busy machine does not turn a move around by itself;
/// tests about lapses move the clock.
pub fn short() -> Timing {
    Timing {
        lease: Duration::from_millis(1_000),
        heartbeat: Duration::from_millis(250),
        offline_lease: Duration::from_secs(60),
        offline_deadline: Duration::from_secs(300),
        context_ttl: Duration::from_millis(20),
        drain_time: Duration::from_millis(20),
        max_clock_skew: Duration::from_millis(5),
        index_settle: Duration::from_millis(20),
        wait_limit: Duration::from_secs(20),
        signed_request_ttl_dynamodb: Duration::from_secs(1),
        signed_request_ttl_s3: Duration::from_secs(1),
        signed_request_ttl_hooks: Duration::from_secs(1),
        queue_retention: Duration::from_millis(100),
    }
}
