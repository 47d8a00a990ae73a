//! What a runner has in hand: up to this many pieces of work at a time, and when it is time to claim more. Beyond the room for any
//! work there is some that only work which keeps a tenant offline may use.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use store::StoreError;
use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::outages::Outages;

/// For so many pieces of any work, one more of work that keeps a tenant offline.
const ANY_FOR_ONE_KEPT: usize = 4;

/// What fails when claims do.
const CLAIMS: &str = "no work can be claimed";

/// Work of one kind, in hand.
pub(crate) struct WorkerSlots {
    size: FreeSlots,
    running: JoinSet<()>,
    /// Of the running, those that keep no tenant offline.
    any_running: Arc<AtomicUsize>,
    waker: Arc<Notify>,
    announced: Pin<Box<OwnedNotified>>,
    due: Due,
    poll: Duration,
    look_at: Instant,
    outages: Arc<Outages>,
}

/// How many pieces of work there is room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FreeSlots {
    /// In all; more than for `any` are for work that keeps a tenant offline.
    pub(crate) all: usize,
    /// For work that keeps no tenant offline, at most.
    pub(crate) any: usize,
}

impl FreeSlots {
    /// Room for `any` work, and what is kept beside it.
    pub(crate) fn with_kept(any: usize) -> Self {
        Self { all: any + any.div_ceil(ANY_FOR_ONE_KEPT), any }
    }
}

/// Something may be due: it was announced, or the last claim took all that there was room for.
#[derive(Debug, Clone, Copy)]
struct Due {
    offline: bool,
    any: bool,
}

/// What to do about work.
pub(crate) enum Claiming {
    /// Something may be due, and there is room.
    Claim(FreeSlots),
    /// There is room, and nobody said that something is due: look first, without a lock.
    Look(FreeSlots),
    /// There is no room, also none for work that keeps a tenant offline; so many pieces in hand could wait.
    Full(usize),
}

/// Counts a piece of work as running until it is dropped.
struct Counted(Option<Arc<AtomicUsize>>);

impl Drop for Counted {
    fn drop(&mut self) {
        if let Some(count) = &self.0 {
            count.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

impl WorkerSlots {
    /// No work yet; looks for it every `poll`, and when `waker` announces some.
    pub(crate) fn new(size: FreeSlots, poll: Duration, waker: Arc<Notify>, outages: Arc<Outages>) -> Self {
        let announced = Box::pin(Arc::clone(&waker).notified_owned());
        let (any_running, due) = (Arc::default(), Due { offline: true, any: true });
        let look_at = Instant::now() + poll;
        Self { size, running: JoinSet::new(), any_running, waker, announced, due, poll, look_at, outages }
    }

    fn free(&self) -> FreeSlots {
        let all = self.size.all - self.running.len();
        let any = self.size.any.saturating_sub(self.any_running.load(Ordering::SeqCst));
        FreeSlots { all, any: any.min(all) }
    }

    /// Waits until there is room and a reason to claim, or none though some may be needed. `None`: told to stop.
    pub(crate) async fn room(&mut self, stop: &CancellationToken) -> Option<Claiming> {
        loop {
            let free = self.free();
            if stop.is_cancelled() {
                return None;
            }
            if (self.due.offline && free.all > 0) || (self.due.any && free.any > 0) {
                self.look_at = Instant::now() + self.poll;
                return Some(Claiming::Claim(free));
            }
            tokio::select! {
                biased; // What comes first at the same moment is not left to chance: the simulator plays everything twice.
                () = stop.cancelled() => return None,
                Some(ended) = self.running.join_next() => self.tidy(ended),
                () = &mut self.announced => {
                    // Armed again before the claim, so that nothing announced during it is missed.
                    self.announced = Box::pin(Arc::clone(&self.waker).notified_owned());
                    self.due = Due { offline: true, any: true };
                }
                () = tokio::time::sleep_until(self.look_at), if self.size.all > 0 => {
                    self.look_at = Instant::now() + self.poll;
                    if free.all > 0 {
                        return Some(Claiming::Look(free));
                    }
                    return Some(Claiming::Full(self.any_running.load(Ordering::SeqCst)));
                }
            }
        }
    }

    /// Takes what was claimed; `room` is what was asked for. `is_offline`: the piece keeps a tenant offline.
    pub(crate) fn take<T, F>(
        &mut self,
        claimed: Result<Vec<T>, StoreError>,
        room: FreeSlots,
        is_offline: impl Fn(&T) -> bool,
        run: impl Fn(T) -> F,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        match claimed {
            Ok(claimed) => {
                // That there is nothing may have been found by looking alone.
                if !claimed.is_empty() {
                    self.outages.note(CLAIMS, None);
                }
                let any = claimed.iter().filter(|piece| !is_offline(piece)).count();
                let full = claimed.len() >= room.all;
                self.due = Due { offline: full, any: full || any >= room.any };
                for piece in claimed {
                    let counted = Counted((!is_offline(&piece)).then(|| Arc::clone(&self.any_running)));
                    if let Some(count) = &counted.0 {
                        count.fetch_add(1, Ordering::SeqCst);
                    }
                    let work = run(piece);
                    self.running.spawn(async move {
                        let _counted = counted;
                        work.await;
                    });
                }
            }
            Err(error) => {
                self.due = Due { offline: false, any: false };
                self.outages.note(CLAIMS, Some(&error.chain()));
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
                "running work did not end in time and is dropped; another process takes it over when its lease expires"
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
