//! What can go wrong with data work: how it is to be treated, a stable code, and words for the person on call.

use std::error::Error;

/// How the engine is to treat a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    /// May succeed when tried again: a time-out, a 5xx, throttling.
    Retryable,
    /// Will not succeed without a person: a missing table, a right that is not granted, a mismatch.
    Permanent,
    /// This process can't do it, whatever it is: no credentials or stale ones, no certificate authorities. Another may.
    Unfit,
    /// This process no longer owns the work, or the ledger no longer permits it: stop at once.
    LostLease,
}

/// A failure of data work. `Display` leaves out the source; a logger prints the chain.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct WorkError {
    /// How the engine is to treat it.
    pub treatment: Treatment,
    /// A stable code, stored and shown: never renamed.
    pub code: &'static str,
    /// What happened and where, and the next step if a person has one. Never item contents.
    pub message: String,
    /// A request got no answer, so it may have been done, or may be yet.
    pub unanswered: bool,
    /// The cause, if another error was behind it.
    #[source]
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

impl WorkError {
    /// A failure that may pass.
    pub fn retryable(code: &'static str, message: impl Into<String>) -> Self {
        Self { treatment: Treatment::Retryable, code, message: message.into(), unanswered: false, source: None }
    }

    /// A failure that needs a person.
    pub fn permanent(code: &'static str, message: impl Into<String>) -> Self {
        Self { treatment: Treatment::Permanent, code, message: message.into(), unanswered: false, source: None }
    }

    /// A failure of this process, whatever the work.
    pub fn unfit(code: &'static str, message: impl Into<String>) -> Self {
        Self { treatment: Treatment::Unfit, ..Self::permanent(code, message) }
    }

    /// The same, naming the key that it is about.
    #[must_use]
    pub(crate) fn of_key(mut self, key: &str) -> Self {
        self.message.push_str("; key ");
        self.message.push_str(&crate::shorten::shorten(key));
        self
    }

    /// The work is not ours any more.
    pub fn lost_lease(message: impl Into<String>) -> Self {
        Self {
            treatment: Treatment::LostLease,
            code: "lost_lease",
            message: message.into(),
            unanswered: false,
            source: None,
        }
    }

    /// The same error, of a request that got no answer.
    #[must_use]
    pub fn unanswered(self) -> Self {
        Self { unanswered: true, ..self }
    }

    /// The same error with its cause attached.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}
