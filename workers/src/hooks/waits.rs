//! How long to wait between two questions to a service that is at work, and when it has taken too long.

use std::time::{Duration, SystemTime};

use crate::error::WorkError;

const FIRST: Duration = Duration::from_millis(20);
const LONGEST: Duration = Duration::from_secs(2);

/// The waits of one piece of a service's work.
pub(super) struct Waits {
    next: Duration,
    since: SystemTime,
    longest: Duration,
}

impl Waits {
    /// The work began at `since` and may take `longest`.
    pub(super) fn new(since: SystemTime, longest: Duration) -> Self {
        Self { next: FIRST, since, longest }
    }

    /// Waits before the next question.
    ///
    /// # Errors
    /// `hook_too_long` when the work has had all its time.
    pub(super) async fn wait(&mut self, who: impl std::fmt::Display, what: &str) -> Result<(), WorkError> {
        if self.since.elapsed().is_ok_and(|taken| taken > self.longest) {
            let message = format!(
                "{who} has not ended to {what} after {} s, the longest that it may take: look there, or raise longestSeconds in the \
                 topology",
                self.longest.as_secs()
            );
            return Err(WorkError::permanent("hook_too_long", message));
        }
        tokio::time::sleep(self.next).await;
        self.next = (self.next * 2).min(LONGEST);
        Ok(())
    }
}
