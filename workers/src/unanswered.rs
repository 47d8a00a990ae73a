//! Requests made under permits that have no answer yet: whoever runs the work is told of each, so that it can wait for the answers
//! before it lets go of the work, and remember what never got one.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;

/// How long answers are waited for by work that may send nothing more.
pub const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

/// Hears of the requests of a piece of work.
#[async_trait]
pub trait Outstanding: Send + Sync {
    /// A request is about to be sent.
    fn sent(&self);

    /// One that was sent has ended. With a time: it has no answer and may act until the store finds it too old, counted from that
    /// time, with which it was signed.
    fn ended(&self, unanswered: Option<SystemTime>);

    /// Whether the work is to send nothing more.
    fn is_held(&self) -> bool;

    /// Waits until all that were sent have ended, at most for `longest`.
    async fn all_ended(&self, longest: Duration);
}

/// For short work outside of any task, that nobody waits for.
pub(crate) struct Nobody;

#[async_trait]
impl Outstanding for Nobody {
    fn sent(&self) {}

    fn ended(&self, _: Option<SystemTime>) {}

    fn is_held(&self) -> bool {
        false
    }

    async fn all_ended(&self, _: Duration) {}
}

/// A request in flight. Dropped before it has ended, it is one without an answer.
pub(crate) struct Sent<'a> {
    outstanding: &'a dyn Outstanding,
    at: SystemTime,
    has_ended: bool,
}

impl<'a> Sent<'a> {
    pub(crate) fn now(outstanding: &'a dyn Outstanding, at: SystemTime) -> Self {
        outstanding.sent();
        Self { outstanding, at, has_ended: false }
    }

    pub(crate) fn ended(mut self, unanswered: bool) {
        self.has_ended = true;
        self.outstanding.ended(unanswered.then_some(self.at));
    }
}

impl Drop for Sent<'_> {
    fn drop(&mut self) {
        if !self.has_ended {
            self.outstanding.ended(Some(self.at));
        }
    }
}
