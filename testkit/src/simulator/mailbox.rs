//! Questions that a lane's work asks of the simulation, and waits for: may this transaction begin, what does that table say.

use std::sync::Mutex;

use tokio::sync::oneshot;

/// A question with whoever waits for the answer.
#[derive(Debug)]
pub struct Errand<Q, A> {
    /// Who asked.
    pub lane: usize,
    /// What.
    pub question: Q,
    /// Takes the answer. Whoever asked may be gone by then.
    pub answer: oneshot::Sender<A>,
}

/// Where questions wait until the simulation collects them.
#[derive(Debug)]
pub struct Post<Q, A>(Mutex<Vec<Errand<Q, A>>>);

impl<Q, A> Default for Post<Q, A> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<Q, A> Post<Q, A> {
    /// Asks; the answer comes when the simulation decides, or never.
    pub fn ask(&self, lane: usize, question: Q) -> oneshot::Receiver<A> {
        let (answer, receiver) = oneshot::channel();
        self.0.lock().expect("no holder of this lock panics").push(Errand { lane, question, answer });
        receiver
    }

    /// Takes all questions, in the order in which they were asked.
    pub fn collect(&self) -> Vec<Errand<Q, A>> {
        std::mem::take(&mut *self.0.lock().expect("no holder of this lock panics"))
    }
}
