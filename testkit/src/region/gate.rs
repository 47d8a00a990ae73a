//! Holds one write up on its way to the DynamoDB, as if the process that signed it had been paused before it was sent.
//! The request arrives later, whether or not anybody still waits for its answer: a gateway may have given one in its place.

use std::sync::Arc;

use tokio::sync::watch;

/// An answer: HTTP status and body.
pub type Answer = (u16, String);

/// Holds up at most one write at a time; all others pass.
#[derive(Debug, Clone)]
pub struct Gate(Arc<watch::Sender<State>>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Open,
    /// The next write is held; with a status, a gateway answers it at once.
    Armed(Option<u16>),
    Holding,
    /// The held write goes on.
    Released,
    Answered(Answer),
}

impl Default for Gate {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(State::Open)))
    }
}

impl Gate {
    /// Holds up the next write that arrives.
    pub fn hold_next_write(&self) {
        self.0.send_replace(State::Armed(None));
    }

    /// Holds up the next write that arrives, and answers it with this status, as a gateway does that passes it on all the same.
    pub fn hold_next_write_behind_a_gateway(&self, status: u16) {
        self.0.send_replace(State::Armed(Some(status)));
    }

    /// Whether a write is held.
    #[must_use]
    pub fn is_holding(&self) -> bool {
        *self.0.borrow() == State::Holding
    }

    /// Lets the held write go on, as late as it is now, and returns what it was answered.
    ///
    /// # Panics
    /// When no write is held.
    pub async fn release(&self) -> Answer {
        assert!(self.is_holding(), "no write is held");
        let mut changes = self.0.subscribe();
        self.0.send_replace(State::Released);
        let answered = changes.wait_for(|state| matches!(state, State::Answered(_))).await;
        match &*answered.expect("the gate keeps its sender") {
            State::Answered(answer) => answer.clone(),
            _ => unreachable!("waited for an answer"),
        }
    }

    /// Whether the write that asks is the one to hold, and what a gateway answers it.
    pub(super) fn catches(&self) -> Option<Option<u16>> {
        let mut caught = None;
        self.0.send_if_modified(|state| {
            if let State::Armed(status) = *state {
                (*state, caught) = (State::Holding, Some(status));
            }
            caught.is_some()
        });
        caught
    }

    /// Until the held write may go on.
    pub(super) async fn opened(&self) {
        let mut changes = self.0.subscribe();
        changes.wait_for(|state| *state == State::Released).await.expect("the gate keeps its sender");
    }

    pub(super) fn answered(&self, answer: Answer) {
        self.0.send_replace(State::Answered(answer));
    }
}
