//! Bounded waiting for a store that leaves requests undone. Each wait is a sign of life: the bound is not the lease's.

use std::time::Duration;

use crate::error::{Treatment, WorkError};
use crate::failure::{BAD_ANSWER, UNREACHABLE, UNREADABLE};
use crate::pulse::Pulse;

const FIRST_WAIT: Duration = Duration::from_millis(25);
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// How often an answer is asked for again that can't be read: a third one of the kind is no accident.
const LOOKS_AT_THE_SAME: u32 = 2;

/// Counts fruitless attempts in a row. Any progress starts the count again.
pub(crate) struct Patience<'a> {
    limit: u32,
    fruitless: u32,
    pulse: &'a Pulse<'a>,
}

impl<'a> Patience<'a> {
    pub(crate) fn new(limit: u32, pulse: &'a Pulse<'a>) -> Self {
        Self { limit, fruitless: 0, pulse }
    }

    /// Something was done: start counting again.
    pub(crate) fn progress(&mut self) {
        self.fruitless = 0;
    }

    /// Counts an attempt whose repetition something else puts off; gives back `why` when it is not retryable or patience has run
    /// out, and fails when the task is no longer ours.
    pub(crate) async fn again(&mut self, why: WorkError) -> Result<(), WorkError> {
        if why.treatment != Treatment::Retryable || self.fruitless >= self.limit {
            return Err(why);
        }
        self.fruitless += 1;
        self.pulse.beat().await
    }

    /// Waits before the next attempt, longer each time; gives back `why` when it is not retryable or patience has run out,
    /// and fails when the task is no longer ours.
    pub(crate) async fn wait(&mut self, why: WorkError) -> Result<(), WorkError> {
        let limit = match why.code {
            // Each attempt at a store that cannot be reached takes a whole connection time-out.
            UNREACHABLE => self.limit.min(2),
            UNREADABLE => self.limit.min(LOOKS_AT_THE_SAME),
            // What a service answers in another form it goes on answering so, until it is deployed anew.
            BAD_ANSWER => self.limit.min(2 * LOOKS_AT_THE_SAME),
            _ => self.limit,
        };
        if why.code == UNREADABLE && self.fruitless >= limit {
            return Err(WorkError { treatment: Treatment::Permanent, ..why });
        }
        if why.treatment != Treatment::Retryable || self.fruitless >= limit {
            return Err(why);
        }
        let wait = FIRST_WAIT.saturating_mul(1 << self.fruitless.min(10)).min(LONGEST_WAIT);
        self.fruitless += 1;
        tokio::time::sleep(wait).await;
        self.pulse.beat().await
    }
}
