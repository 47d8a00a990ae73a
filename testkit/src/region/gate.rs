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
    /// The write of that number is held.
    Holding(u32),
    /// The held write, of that number, goes on, and the next one is held.
    Relayed(u32),
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
        matches!(*self.0.borrow(), State::Holding(_))
    }

    /// Lets the held write go on, and holds up the next one; none can pass in between.
    ///
    /// # Panics
    /// When no write is held.
    pub fn hold_the_next_instead(&self) {
        let mut held = None;
        self.0.send_modify(|state| {
            if let State::Holding(number) = *state {
                (*state, held) = (State::Relayed(number), Some(number));
            }
        });
        assert!(held.is_some(), "no write is held");
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

    /// Whether the write that asks is the one to hold: its number, and what a gateway answers it.
    pub(super) fn catches(&self) -> Option<(u32, Option<u16>)> {
        let mut caught = None;
        self.0.send_if_modified(|state| {
            caught = match *state {
                State::Armed(status) => Some((0, status)),
                State::Relayed(before) => Some((before + 1, None)),
                _ => None,
            };
            if let Some((number, _)) = caught {
                *state = State::Holding(number);
            }
            caught.is_some()
        });
        caught
    }

    /// Until the held write of that number may go on.
    pub(super) async fn opened(&self, number: u32) {
        let mut changes = self.0.subscribe();
        changes.wait_for(|state| *state != State::Holding(number)).await.expect("the gate keeps its sender");
    }

    /// Nobody waits for the answer of a write in whose place another is held.
    pub(super) fn answered(&self, answer: Answer) {
        self.0.send_if_modified(|state| {
            let is_awaited = *state == State::Released;
            if is_awaited {
                *state = State::Answered(answer);
            }
            is_awaited
        });
    }
}
