//! What a runner has in hand: at most so many pieces of work at a time, and when it is time to claim more.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use store::StoreError;
use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

/// Work of one kind, in hand.
pub(crate) struct Hands {
    size: usize,
    running: JoinSet<()>,
    waker: Arc<Notify>,
    announced: Pin<Box<OwnedNotified>>,
    /// Something may be due: it was announced, or the last claim filled the hands.
    due: bool,
    poll: Duration,
    look_at: Instant,
}

/// Why to claim, and how much there is room for.
pub(crate) enum Room {
    /// Something may be due.
    Claim(usize),
    /// Nobody said so: look first, without a lock.
    Look(usize),
}

impl Hands {
    /// Empty hands, for `size` pieces; they look for work every `poll`, and when `waker` announces some.
    pub(crate) fn new(size: usize, poll: Duration, waker: Arc<Notify>) -> Self {
        let announced = Box::pin(Arc::clone(&waker).notified_owned());
        Self { size, running: JoinSet::new(), waker, announced, due: true, poll, look_at: Instant::now() + poll }
    }

    /// Waits until there is room and a reason to claim. `None`: told to stop.
    pub(crate) async fn room(&mut self, stop: &CancellationToken) -> Option<Room> {
        loop {
            let room = self.size - self.running.len();
            if stop.is_cancelled() {
                return None;
            }
            if room > 0 && self.due {
                self.look_at = Instant::now() + self.poll;
                return Some(Room::Claim(room));
            }
            tokio::select! {
                biased; // What comes first at the same moment is not left to chance: the simulator plays everything twice.
                () = stop.cancelled() => return None,
                Some(ended) = self.running.join_next() => self.tidy(ended),
                () = &mut self.announced => {
                    // Armed again before the claim, so that nothing announced during it is missed.
                    self.announced = Box::pin(Arc::clone(&self.waker).notified_owned());
                    self.due = true;
                }
                () = tokio::time::sleep_until(self.look_at), if room > 0 => {
                    self.look_at = Instant::now() + self.poll;
                    return Some(Room::Look(room));
                }
            }
        }
    }

    /// Takes what was claimed; `room` is what was asked for.
    pub(crate) fn take<T, F>(&mut self, claimed: Result<Vec<T>, StoreError>, room: usize, run: impl Fn(T) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        match claimed {
            Ok(claimed) => {
                self.due = claimed.len() >= room;
                for piece in claimed {
                    self.running.spawn(run(piece));
                }
            }
            Err(error) => {
                self.due = false;
                warn!(%error, "no work could be claimed; trying again");
            }
        }
    }

    /// Waits until everything in hand has ended; drops what has not by then.
    pub(crate) async fn finish(mut self, within: Duration) {
        let ended = async {
            while let Some(ended) = self.running.join_next().await {
                report_panic(ended);
            }
        };
        if tokio::time::timeout(within, ended).await.is_err() {
            let dropped = self.running.len();
            warn!(
                dropped,
                "work in hand did not end in time and is dropped; others go on with it when its lease runs out"
            );
            self.running.shutdown().await;
        }
    }

    fn tidy(&mut self, ended: Result<(), JoinError>) {
        report_panic(ended);
        while let Some(ended) = self.running.try_join_next() {
            report_panic(ended);
        }
    }
}

/// A panic is a bug: say so loudly. The lease of what it held runs out, and another attempt begins from the last record.
pub(crate) fn report_panic(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        error!(%error, "a bug: running work panicked; it goes on from its last record when its lease runs out");
    }
}
