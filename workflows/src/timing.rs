//! The constants of the protocol, checked together at start-up. Every process of a deployment must run with the same.

use std::time::Duration;

/// How long things last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timing {
    /// How long a claim of a workflow or task lasts without a heartbeat.
    pub lease: Duration,
    /// How often a claim is renewed.
    pub heartbeat: Duration,
    /// How long a tenant stays marked `moving` without progress before any process brings it back online.
    pub offline_lease: Duration,
    /// The longest that a move may keep a tenant offline.
    pub offline_deadline: Duration,
    /// How long a reader may go on using a tenant context that it has cached.
    pub context_ttl: Duration,
    /// How long requests that began before a change may still run.
    pub drain_time: Duration,
    /// How far clocks may differ.
    pub max_clock_skew: Duration,
    /// How long an index may lag behind its table.
    pub index_settle: Duration,
    /// The longest that a move waits, online, for a target to become free.
    pub wait_limit: Duration,
    /// How long after it was signed a DynamoDB request is accepted.
    pub signed_request_ttl_dynamodb: Duration,
    /// How long after it was signed an S3 request is accepted.
    pub signed_request_ttl_s3: Duration,
    /// How long services with hooks accept a request after it was signed.
    pub signed_request_ttl_hooks: Duration,
    /// How long anything that writes tenant data may lie in a queue or stream before it is worked off.
    pub queue_retention: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(30),
            heartbeat: Duration::from_secs(10),
            offline_lease: Duration::from_secs(120),
            offline_deadline: Duration::from_secs(60 * 60),
            context_ttl: Duration::from_secs(30),
            drain_time: Duration::from_secs(60),
            max_clock_skew: Duration::from_secs(5),
            index_settle: Duration::from_secs(10),
            wait_limit: Duration::from_secs(30 * 60),
            signed_request_ttl_dynamodb: Duration::from_secs(5 * 60),
            signed_request_ttl_s3: Duration::from_secs(15 * 60),
            signed_request_ttl_hooks: Duration::from_secs(5 * 60),
            // What a DynamoDB stream keeps ("Change data capture for DynamoDB Streams": 24 hours).
            queue_retention: Duration::from_secs(24 * 60 * 60),
        }
    }
}

/// Constants that do not fit together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TimingError(String);

impl Timing {
    /// Short times for demonstrations on one machine: no real clients, nothing to drain.
    pub fn demo() -> Self {
        Self {
            lease: Duration::from_secs(6),
            heartbeat: Duration::from_secs(2),
            offline_lease: Duration::from_secs(20),
            offline_deadline: Duration::from_secs(15 * 60),
            context_ttl: Duration::from_millis(500),
            drain_time: Duration::from_millis(500),
            max_clock_skew: Duration::from_millis(100),
            index_settle: Duration::from_millis(200),
            wait_limit: Duration::from_secs(60),
            signed_request_ttl_dynamodb: Duration::from_secs(30),
            signed_request_ttl_s3: Duration::from_secs(30),
            signed_request_ttl_hooks: Duration::from_secs(30),
            queue_retention: Duration::from_secs(1),
        }
    }

    /// Checks that the constants fit together; the error names the rule that is broken.
    ///
    /// # Errors
    /// The first broken rule, with both values.
    pub fn check(&self) -> Result<(), TimingError> {
        let rules = [
            ("heartbeat must be at most a third of lease", self.heartbeat * 3 <= self.lease),
            ("heartbeat must be longer than 0", !self.heartbeat.is_zero()),
            ("offline-lease must be at least twice lease", self.offline_lease >= self.lease * 2),
            ("offline-deadline must be longer than offline-lease", self.offline_deadline > self.offline_lease),
            ("offline-lease must be at least three times index-settle", self.offline_lease >= self.index_settle * 3),
            (
                "offline-deadline must be longer than signed-request-ttl-dynamodb, signed-request-ttl-s3 and signed-request-ttl-hooks, each with lease and max-clock-skew",
                self.offline_deadline > self.longest_signed_request_ttl() + self.lease + self.max_clock_skew,
            ),
            ("drain-time must be at least max-clock-skew", self.drain_time >= self.max_clock_skew),
            (
                "signed-request-ttl-dynamodb, signed-request-ttl-s3 and signed-request-ttl-hooks must each be longer than max-clock-skew",
                self.signed_request_ttl_dynamodb.min(self.signed_request_ttl_s3).min(self.signed_request_ttl_hooks)
                    > self.max_clock_skew,
            ),
            (
                "offline-deadline must be longer than context-ttl + drain-time + max-clock-skew + index-settle",
                self.offline_deadline > self.least_offline(),
            ),
            ("wait-limit must be longer than 0", !self.wait_limit.is_zero()),
        ];
        match rules.into_iter().find(|(_, holds)| !holds) {
            None => Ok(()),
            Some((rule, _)) => Err(TimingError(format!("{rule}: {self:?}"))),
        }
    }

    fn longest_signed_request_ttl(&self) -> Duration {
        self.signed_request_ttl_dynamodb.max(self.signed_request_ttl_s3).max(self.signed_request_ttl_hooks)
    }

    /// How long after the offline mark every reader has seen it and every request from before has ended.
    pub fn drained_after(&self) -> Duration {
        self.context_ttl + self.drain_time + self.max_clock_skew
    }

    /// How often something that runs long is looked at though nothing has announced a change.
    pub fn look_again(&self) -> Duration {
        self.heartbeat / 2
    }

    /// How long a move that copies keeps even an empty tenant offline: the drain, and the look whether the source has settled.
    pub fn least_offline(&self) -> Duration {
        self.drained_after() + self.index_settle
    }
}

/// Milliseconds of a duration, as the store counts time.
pub fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_and_the_demo_fit_together() {
        assert_eq!(Timing::default().check(), Ok(()));
        assert_eq!(Timing::demo().check(), Ok(()));
    }

    #[test]
    fn each_broken_rule_is_named() {
        let seconds = Duration::from_secs;
        let broken = [
            (Timing { heartbeat: seconds(11), ..Timing::default() }, "heartbeat must be at most"),
            (Timing { heartbeat: seconds(0), ..Timing::default() }, "heartbeat must be longer"),
            (Timing { offline_lease: seconds(59), ..Timing::default() }, "offline-lease must be at least twice"),
            (Timing { offline_deadline: seconds(120), ..Timing::default() }, "offline-deadline must be longer"),
            (Timing { index_settle: seconds(50), ..Timing::default() }, "offline-lease must be at least three"),
            (Timing { drain_time: seconds(4), ..Timing::default() }, "drain-time must be at least max-clock-skew"),
            (
                Timing { drain_time: seconds(3_600), ..Timing::default() },
                "offline-deadline must be longer than context",
            ),
            (Timing { wait_limit: seconds(0), ..Timing::default() }, "wait-limit must be longer"),
        ];
        for (timing, rule) in broken {
            let said = timing.check().expect_err(rule).to_string();
            assert!(said.starts_with(rule), "{said}");
        }
    }
}
