//! Questions that a lane's work asks of the simulation, and waits for: may this transaction begin, what does that table say.

use std::sync::Mutex;

use tokio::sync::oneshot;

/// A question with whoever waits for the answer.
#[derive(Debug)]
pub struct PendingRequest<Q, A> {
    /// Who asked.
    pub lane: usize,
    /// What.
    pub question: Q,
    /// Takes the answer. Whoever asked may be gone by then.
    pub answer: oneshot::Sender<A>,
}

/// Where questions wait until the simulation collects them.
#[derive(Debug)]
pub struct Mailbox<Q, A>(Mutex<Vec<PendingRequest<Q, A>>>);

impl<Q, A> Default for Mailbox<Q, A> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<Q, A> Mailbox<Q, A> {
    /// Asks; the answer comes when the simulation decides, or never.
    pub fn ask(&self, lane: usize, question: Q) -> oneshot::Receiver<A> {
        let (answer, receiver) = oneshot::channel();
        self.0.lock().expect("no holder of this lock panics").push(PendingRequest { lane, question, answer });
        receiver
    }

    /// Takes all questions, in the order in which they were asked.
    pub fn collect(&self) -> Vec<PendingRequest<Q, A>> {
        std::mem::take(&mut *self.0.lock().expect("no holder of this lock panics"))
    }
}
