//! Bounded waiting for a store that leaves requests undone. Each wait is a heartbeat: the bound is not the lease's.

use std::time::Duration;

use crate::error::{Treatment, WorkError};
use crate::failure::{BAD_ANSWER, UNREACHABLE, UNREADABLE};
use crate::heartbeat::Heartbeat;

const FIRST_WAIT: Duration = Duration::from_millis(25);
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// How often an answer is asked for again that can't be read: a third one of the kind is no accident.
const MOST_UNREADABLE: u32 = 2;
/// The same of a service with hooks.
const MOST_BAD_ANSWERS: u32 = 4;

/// Counts fruitless attempts in a row. Any progress starts the count again.
pub(crate) struct BoundedRetry<'a> {
    limit: u32,
    fruitless: u32,
    /// Answers that could not be read.
    unreadable: u32,
    heartbeat: &'a Heartbeat<'a>,
}

impl<'a> BoundedRetry<'a> {
    pub(crate) fn new(limit: u32, heartbeat: &'a Heartbeat<'a>) -> Self {
        Self { limit, fruitless: 0, unreadable: 0, heartbeat }
    }

    /// Something was done: start counting again.
    pub(crate) fn progress(&mut self) {
        (self.fruitless, self.unreadable) = (0, 0);
    }

    /// Counts an attempt whose repetition something else puts off; gives back `why` when it is not retryable or patience has run
    /// out, and fails when the task is no longer ours.
    pub(crate) async fn again(&mut self, why: WorkError) -> Result<(), WorkError> {
        if why.treatment != Treatment::Retryable || self.fruitless >= self.limit {
            return Err(why);
        }
        self.fruitless += 1;
        self.heartbeat.beat().await
    }

    /// Waits before the next attempt, longer each time; gives back `why` when it is not retryable or patience has run out,
    /// and fails when the task is no longer ours.
    pub(crate) async fn wait(&mut self, why: WorkError) -> Result<(), WorkError> {
        // Each attempt at a store that cannot be reached takes a whole connection time-out.
        let limit = if why.code == UNREACHABLE { self.limit.min(2) } else { self.limit };
        let goes_on = match why.code {
            UNREADABLE => self.unreadable < MOST_UNREADABLE,
            // What a service answers in another form it goes on answering so, until it is deployed anew.
            BAD_ANSWER => self.unreadable < MOST_BAD_ANSWERS,
            _ => why.treatment == Treatment::Retryable && self.fruitless < limit,
        };
        if !goes_on {
            return Err(why);
        }
        if [UNREADABLE, BAD_ANSWER].contains(&why.code) {
            self.unreadable += 1;
        }
        let wait = FIRST_WAIT.saturating_mul(1 << self.fruitless.min(10)).min(LONGEST_WAIT);
        self.fruitless += 1;
        tokio::time::sleep(wait).await;
        self.heartbeat.beat().await
    }
}

#[cfg(test)]
mod tests {
    use crate::bounded_retry::*;

    #[tokio::test(start_paused = true)]
    async fn what_can_t_be_read_is_asked_for_twice_more_however_often_it_failed_otherwise() {
        let (heartbeat, throttled) = (Heartbeat::unheard(), || WorkError::retryable("throttled", "slow down"));
        let mut retry = BoundedRetry::new(8, &heartbeat);
        for _ in 0..5 {
            retry.wait(throttled()).await.expect("there is patience left");
        }
        for _ in 0..MOST_UNREADABLE {
            retry.wait(WorkError::permanent(UNREADABLE, "what?")).await.expect("it may have been an accident");
        }
        retry.wait(throttled()).await.expect("there is patience left");
        let last = retry.wait(WorkError::permanent(UNREADABLE, "what?")).await.expect_err("a third time");
        assert_eq!(last.treatment, Treatment::Permanent);
        retry.progress();
        retry.wait(WorkError::permanent(UNREADABLE, "what?")).await.expect("something was done");
    }
}
