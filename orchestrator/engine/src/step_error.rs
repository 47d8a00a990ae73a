//! A failed step or task: how to treat it, a stable code, and words for the person on call. It is stored.

use std::error::Error;

use store::StoreError;

use crate::record::StoredError;

/// How the engine treats a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    /// Try again later.
    Retryable,
    /// A person is needed; the workflow decides where it goes from here.
    Permanent,
    /// This process can't do it: it lacks credentials, or has none that are taken. Work that can wait is tried again, perhaps by another
    /// process; what can't fails, unless the process stands aside for it (see [`Fitness`](crate::Fitness)).
    Unfit,
    /// The work is no longer ours: stop without a trace.
    LostLease,
}

/// The code of what failed because the database did, not the work.
pub const CATALOGUE_UNAVAILABLE: &str = "catalogue_unavailable";

/// A failure. `Display` leaves out the source; a logger prints the chain.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct StepError {
    /// How the engine treats it.
    pub treatment: Treatment,
    /// A stable code: stored, shown, never renamed.
    pub code: String,
    /// What happened, and the next step if a person has one.
    pub message: String,
    /// The cause, if another error was behind it.
    #[source]
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

impl StepError {
    /// A failure that may pass.
    pub fn retryable(code: &str, message: impl Into<String>) -> Self {
        Self { treatment: Treatment::Retryable, code: code.to_owned(), message: message.into(), source: None }
    }

    /// A failure that needs a person.
    pub fn permanent(code: &str, message: impl Into<String>) -> Self {
        Self { treatment: Treatment::Permanent, code: code.to_owned(), message: message.into(), source: None }
    }

    /// Whether it may succeed when tried again.
    pub fn may_pass(&self) -> bool {
        matches!(self.treatment, Treatment::Retryable | Treatment::Unfit)
    }

    /// The work was taken over, revoked or fenced off.
    pub fn lost_lease() -> Self {
        Self {
            treatment: Treatment::LostLease,
            code: "lost_lease".to_owned(),
            message: "the work was taken over, revoked or fenced off".to_owned(),
            source: None,
        }
    }

    /// The message with those of its causes. Not `Debug`, which for an SDK's error prints the answer it could not read, and with
    /// it a tenant's data.
    pub fn chain(&self) -> String {
        let mut text = self.message.clone();
        let mut cause = self.source.as_ref().map(|source| &**source as &(dyn Error + 'static));
        while let Some(error) = cause {
            let said = error.to_string();
            if said != text {
                text.push_str(": ");
                text.push_str(&said);
            }
            cause = error.source();
        }
        text
    }

    /// What a panic in a step or task is: a bug, which must not be repeated for ever.
    pub(crate) fn panicked() -> Self {
        Self::permanent("panicked", "a bug in realmctl: the work panicked; the log has the place")
    }

    /// The form that is stored with the workflow or task.
    pub fn stored(&self) -> StoredError {
        StoredError { code: self.code.clone(), message: self.message.clone() }
    }
}

impl From<StoreError> for StepError {
    fn from(error: StoreError) -> Self {
        let treatment = if error.is_retryable() { Treatment::Retryable } else { Treatment::Permanent };
        let code = if error.is_retryable() { CATALOGUE_UNAVAILABLE } else { "catalogue_refused" };
        Self { treatment, code: code.to_owned(), message: error.to_string(), source: Some(Box::new(error)) }
    }
}
