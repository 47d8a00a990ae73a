//! Requests of one task that have no answer yet, and when the last that never got one was signed: what whoever relies on the
//! task's target has to know once the task has ended.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::time::Duration;

use store::Millis;
use tokio::sync::Notify;

/// No request has gone without an answer.
const NONE: Millis = Millis::MIN;

/// The requests of one run of a task.
#[derive(Debug)]
pub struct InFlight {
    open: AtomicU32,
    /// Rung whenever one ends.
    ended: Notify,
    /// Nothing more is to be sent.
    held: AtomicBool,
    last_unanswered: AtomicI64,
    /// Up to where that is stored.
    noted: AtomicI64,
}

impl Default for InFlight {
    fn default() -> Self {
        Self {
            open: AtomicU32::new(0),
            ended: Notify::new(),
            held: AtomicBool::new(false),
            last_unanswered: AtomicI64::new(NONE),
            noted: AtomicI64::new(NONE),
        }
    }
}

impl InFlight {
    /// A request is about to be sent.
    pub fn sent(&self) {
        self.open.fetch_add(1, Ordering::SeqCst);
    }

    /// One that was sent has ended; with the time that it was signed with when it has no answer.
    pub fn ended(&self, unanswered: Option<Millis>) {
        if let Some(signed_at) = unanswered {
            self.last_unanswered.fetch_max(signed_at, Ordering::SeqCst);
        }
        self.open.fetch_sub(1, Ordering::SeqCst);
        self.ended.notify_waiters();
    }

    /// Whether nothing more is to be sent.
    pub fn is_held(&self) -> bool {
        self.held.load(Ordering::SeqCst)
    }

    /// From now on nothing more is to be sent.
    pub(crate) fn hold(&self) {
        self.held.store(true, Ordering::SeqCst);
    }

    /// Waits until every request has ended, at most for `longest`. Whoever sent them must go on being polled meanwhile.
    pub async fn all_ended(&self, longest: Duration) {
        let all_ended = async {
            loop {
                let mut ended = std::pin::pin!(self.ended.notified());
                ended.as_mut().enable();
                if self.open.load(Ordering::SeqCst) == 0 {
                    return;
                }
                ended.await;
            }
        };
        drop(tokio::time::timeout(longest, all_ended).await);
    }

    /// When the last request without an answer was signed, unless that is stored already.
    pub(crate) fn to_note(&self) -> Option<Millis> {
        let last = self.last_unanswered.load(Ordering::SeqCst);
        (last > self.noted.load(Ordering::SeqCst)).then_some(last)
    }

    /// It is stored up to this time.
    pub(crate) fn note(&self, signed_at: Millis) {
        self.noted.fetch_max(signed_at, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use crate::task::in_flight::*;

    #[test]
    fn the_last_signed_of_those_without_an_answer_is_noted_once() {
        let requests = InFlight::default();
        for _ in 0..4 {
            requests.sent();
        }
        assert_eq!(requests.to_note(), None);
        for unanswered in [Some(20), None, Some(10)] {
            requests.ended(unanswered);
        }
        assert_eq!(requests.to_note(), Some(20));
        requests.note(20);
        assert_eq!(requests.to_note(), None);
        requests.ended(Some(30));
        assert_eq!(requests.to_note(), Some(30));
    }

    #[tokio::test(start_paused = true)]
    async fn answers_are_waited_for_but_not_for_ever() {
        let requests = InFlight::default();
        requests.sent();
        requests.sent();
        let begun = tokio::time::Instant::now();
        let answers = async {
            for _ in 0..2 {
                tokio::time::sleep(Duration::from_secs(1)).await;
                requests.ended(None);
            }
        };
        tokio::join!(requests.all_ended(Duration::from_secs(60)), answers);
        assert_eq!(begun.elapsed(), Duration::from_secs(2));
        requests.sent();
        requests.all_ended(Duration::from_secs(60)).await;
        assert_eq!(begun.elapsed(), Duration::from_secs(62));
    }
}
