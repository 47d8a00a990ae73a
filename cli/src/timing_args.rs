//! The flags for the constants of the protocol. Every process of a deployment must be given the same.

use std::time::Duration;

use clap::Args;
use workflows::timing::Timing;

use crate::exit::Failure;
use crate::format::parse_duration;

/// The protocol's constants.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Timing (the same for every process of a deployment)")]
pub(crate) struct TimingArgs {
    /// How long a claim of work lasts without a heartbeat
    #[arg(long, env = "REALMCTL_LEASE", default_value = "30s", value_name = "DURATION", value_parser = parse_duration, hide_env_values = true)]
    lease: Duration,
    /// How often a claim is renewed; at most a third of the lease
    #[arg(long, env = "REALMCTL_HEARTBEAT", default_value = "10s", value_name = "DURATION", value_parser = parse_duration, hide_env_values = true)]
    heartbeat: Duration,
    /// How long a tenant stays offline without progress before it is brought back online; at least twice the lease
    #[arg(long, env = "REALMCTL_OFFLINE_LEASE", default_value = "2m", value_name = "DURATION", value_parser = parse_duration, hide_env_values = true)]
    offline_lease: Duration,
    /// The longest that a move may keep a tenant offline
    #[arg(long, env = "REALMCTL_OFFLINE_DEADLINE", default_value = "60m", value_name = "DURATION", value_parser = parse_duration, hide_env_values = true)]
    offline_deadline: Duration,
    /// How long readers may use a cached tenant context
    #[arg(long, env = "REALMCTL_CONTEXT_TTL", default_value = "30s", value_name = "DURATION", value_parser = parse_duration, hide_env_values = true)]
    context_ttl: Duration,
    /// How long requests that began before a change may still run
    #[arg(long, env = "REALMCTL_DRAIN_TIME", default_value = "60s", value_name = "DURATION", value_parser = parse_duration, hide_env_values = true)]
    drain_time: Duration,
    /// The most that the clocks of machines may differ
    #[arg(long, env = "REALMCTL_MAX_CLOCK_SKEW", default_value = "5s", value_name = "DURATION", value_parser = parse_duration, hide_env_values = true)]
    max_clock_skew: Duration,
    /// How long an index may lag behind its table
    #[arg(long, env = "REALMCTL_INDEX_SETTLE", default_value = "10s", value_name = "DURATION", value_parser = parse_duration, hide_env_values = true)]
    index_settle: Duration,
    /// How long a move waits for its targets to become free, while its tenant is online
    #[arg(long, env = "REALMCTL_WAIT_LIMIT", default_value = "30m", value_name = "DURATION", value_parser = parse_duration, hide_env_values = true)]
    wait_limit: Duration,
    /// How long DynamoDB accepts a request after it was signed
    #[arg(long, env = "REALMCTL_SIGNED_REQUEST_TTL_DYNAMODB", default_value = "5m", value_name = "DURATION", value_parser = parse_duration, hide_env_values = true)]
    signed_request_ttl_dynamodb: Duration,
    /// How long S3 accepts a request after it was signed
    #[arg(long, env = "REALMCTL_SIGNED_REQUEST_TTL_S3", default_value = "15m", value_name = "DURATION", value_parser = parse_duration, hide_env_values = true)]
    signed_request_ttl_s3: Duration,
    /// How long services with hooks accept a request after it was signed
    #[arg(long, env = "REALMCTL_SIGNED_REQUEST_TTL_HOOKS", default_value = "5m", value_name = "DURATION", value_parser = parse_duration, hide_env_values = true)]
    signed_request_ttl_hooks: Duration,
    /// How long writes may stay in queues or streams of the services; an emptied location is checked again after that
    #[arg(long, env = "REALMCTL_QUEUE_RETENTION", default_value = "24h", value_name = "DURATION", value_parser = parse_duration, hide_env_values = true)]
    queue_retention: Duration,
}

impl TimingArgs {
    /// The constants, if they fit together.
    pub(crate) fn timing(&self) -> Result<Timing, Failure> {
        let timing = self.unchecked();
        let fits = timing.check();
        // The rule comes first in the message; the values are told here in the words of the flags.
        fits.map(|()| timing).map_err(|error| {
            let text = error.to_string();
            let rule = text.split_once(": Timing").map_or(text.as_str(), |(rule, _)| rule);
            Failure::usage(format!("the timing flags do not fit together: {rule} (given: {})", self.named_in(rule)))
        })
    }

    fn unchecked(&self) -> Timing {
        Timing {
            lease: self.lease,
            heartbeat: self.heartbeat,
            offline_lease: self.offline_lease,
            offline_deadline: self.offline_deadline,
            context_ttl: self.context_ttl,
            drain_time: self.drain_time,
            max_clock_skew: self.max_clock_skew,
            index_settle: self.index_settle,
            wait_limit: self.wait_limit,
            signed_request_ttl_dynamodb: self.signed_request_ttl_dynamodb,
            signed_request_ttl_s3: self.signed_request_ttl_s3,
            signed_request_ttl_hooks: self.signed_request_ttl_hooks,
            queue_retention: self.queue_retention,
        }
    }

    fn named_in(&self, rule: &str) -> String {
        let values = [
            ("heartbeat", self.heartbeat),
            ("lease", self.lease),
            ("offline-lease", self.offline_lease),
            ("offline-deadline", self.offline_deadline),
            ("context-ttl", self.context_ttl),
            ("drain-time", self.drain_time),
            ("max-clock-skew", self.max_clock_skew),
            ("index-settle", self.index_settle),
            ("signed-request-ttl-dynamodb", self.signed_request_ttl_dynamodb),
            ("signed-request-ttl-s3", self.signed_request_ttl_s3),
            ("signed-request-ttl-hooks", self.signed_request_ttl_hooks),
            ("wait-limit", self.wait_limit),
        ];
        let named = values.into_iter().filter(|(name, _)| rule.split([' ', ',']).any(|word| word == *name));
        named.map(|(name, value)| format!("--{name} {value:?}")).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Only {
        #[command(flatten)]
        timing: TimingArgs,
    }

    #[test]
    fn the_defaults_in_the_help_are_the_protocols() {
        let only = Only::try_parse_from(["realmctl"]).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(only.timing.timing(), Ok(Timing::default()));
    }

    #[test]
    fn a_broken_rule_names_the_flags_and_their_values() {
        let only = Only::try_parse_from(["realmctl", "--heartbeat", "11s"]).unwrap_or_else(|error| panic!("{error}"));
        let message = only.timing.timing().expect_err("11 s is more than a third of 30 s").message;
        let wanted = "heartbeat must be at most a third of lease (given: --heartbeat 11s, --lease 30s)";
        assert!(message.ends_with(wanted), "{message}");
    }
}
