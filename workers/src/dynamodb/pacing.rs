//! Paces the requests to one part of a table: learns what the store takes, and stays just under it.
//!
//! Without throttling it holds nothing back. From the first throttling on, requests are spaced out evenly, each after the time
//! that its own units stand for. What the store takes is learned from throttlings (`rate_controller.rs`): at two of them in a row its
//! bucket was empty, so what it accepted in between is what it refilled, however large the bucket. The rate goes back to just
//! under that, and creeps up until the next throttling, so slowly that about one request in a hundred finds it. Once the store has
//! taken more than the believed ceiling explains, it must have risen, and the creeping becomes faster and faster.
//!
//! The first throttling says little: it may come at once, or after a burst was used up. From it on the rate is explored, quickly,
//! from half of what a partition takes. Of a store far away several requests find the ceiling together, so it is looked for more
//! rarely. Turns are given out ahead of time, and anew when the rate has grown meanwhile.
//!
//! There is one for each (table, part) and kind of request, and one for all writes to a table: a throttling whose reason names the
//! table and not its index is no fault of the part. They do not share what they learn with other processes.
//!
//! What operators allow (`limits.rs`) is asked last, just before a request is sent.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::dynamodb::rate_controller::RateController;
use crate::error::WorkError;
use crate::heartbeat::Heartbeat;
use crate::limits::RateLimiter;

/// A turn can be minutes away; at least this often the wait gives a heartbeat.
const LONGEST_SILENCE: Duration = Duration::from_secs(1);

/// One controller. Shared by everything that sends such requests.
#[derive(Debug)]
pub(crate) struct Pacer {
    ceiling: Mutex<RateController>,
    /// Tells those that wait that turns are given anew. A turn is a plan and nothing that is held: work that waits may not be
    /// polled for a while, and must not hold up others.
    anew: Notify,
    /// Where its requests wait for what is allowed; `None` where another pacer of the same requests has it.
    limiter: Option<RateLimiter>,
}

impl Pacer {
    pub(crate) fn new() -> Self {
        Self { ceiling: Mutex::new(RateController::new(Instant::now())), anew: Notify::new(), limiter: None }
    }

    fn at(limiter: RateLimiter) -> Arc<Self> {
        Arc::new(Self { limiter: Some(limiter), ..Self::new() })
    }

    /// Waits for the turn of a request of `units`. A throttling of another one meanwhile puts it off. Says when it is sent.
    /// Fails when the task is no longer ours.
    pub(crate) async fn turn(&self, units: u64, heartbeat: &Heartbeat<'_>) -> Result<Instant, WorkError> {
        let mut turn = self.with(|ceiling| ceiling.reserve(units as f64, Instant::now()));
        loop {
            let mut anew = std::pin::pin!(self.anew.notified());
            anew.as_mut().enable();
            let now = Instant::now();
            if !self.with(|ceiling| ceiling.generation() == turn.generation) {
                turn = self.with(|ceiling| ceiling.reserve(units as f64, now));
            }
            if turn.at <= now {
                self.with(|ceiling| ceiling.sent(turn));
                break;
            }
            tokio::select! {
                biased; // Which comes first is not left to chance: the simulator plays everything twice.
                () = tokio::time::sleep(whole_millis(turn.at - now).min(LONGEST_SILENCE)) => {}
                () = anew => {}
            }
            heartbeat.beat().await?;
        }
        if let Some(limiter) = &self.limiter {
            limiter.pass(units, heartbeat).await?;
        }
        Ok(Instant::now())
    }

    /// A request that was sent took so many units more than was thought.
    pub(crate) fn took_more(&self, units: u64) {
        if let Some(limiter) = &self.limiter {
            limiter.took_more(units);
        }
    }

    /// Units that the next request may have at most.
    pub(crate) fn piece(&self) -> u64 {
        let learned = self.with(|ceiling| ceiling.piece()).map_or(u64::MAX, |units| units as u64);
        self.limiter.as_ref().and_then(RateLimiter::piece).map_or(learned, |allowed| learned.min(allowed))
    }

    /// A whole request of `units` was done.
    pub(crate) fn accepted(&self, units: u64) {
        self.learn(|ceiling| ceiling.accepted(units as f64, Instant::now()));
    }

    /// Of a request that was sent at `sent`, `done` units were done and `undone` were left.
    pub(crate) fn throttled(&self, done: u64, undone: u64, sent: Instant) {
        self.learn(|ceiling| ceiling.throttled(done as f64, undone as f64, sent, Instant::now()));
    }

    fn learn(&self, from: impl FnOnce(&mut RateController)) {
        let (before, after) = self.with(|ceiling| {
            let before = ceiling.generation();
            from(ceiling);
            (before, ceiling.generation())
        });
        if before != after {
            self.anew.notify_waiters();
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut RateController) -> T) -> T {
        act(&mut self.ceiling.lock().expect("no holder of this lock panics"))
    }
}

/// Timers know no less than a millisecond, counted from whenever the runtime was started: rounding here makes every wait the same
/// in each run of the simulator.
fn whole_millis(wait: Duration) -> Duration {
    Duration::from_millis(wait.as_nanos().div_ceil(1_000_000).try_into().unwrap_or(u64::MAX))
}

/// The controllers of one (table, part).
#[derive(Debug, Clone)]
pub(crate) struct Pacers {
    /// Writes to the part.
    pub(crate) writes: Arc<Pacer>,
    /// Writes to the table, whatever the part.
    pub(crate) table: Arc<Pacer>,
    /// Reads of the part's items.
    pub(crate) reads: Arc<Pacer>,
    /// Reads of the part's entries of the index.
    pub(crate) index: Arc<Pacer>,
}

impl Pacers {
    pub(crate) fn new(table: Arc<Pacer>, [writes, reads]: &[RateLimiter; 2]) -> Self {
        let index = Pacer::at(reads.in_half_units());
        Self { writes: Pacer::at(writes.clone()), table, reads: Pacer::at(reads.clone()), index }
    }
}

#[cfg(test)]
mod tests {
    use futures::poll;

    use super::*;

    /// A pacer that was throttled: one request of 25 units now takes some time.
    fn throttled() -> Pacer {
        let pacer = Pacer::new();
        pacer.throttled(0, 25, Instant::now());
        pacer
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_waits_and_is_not_polled_holds_up_nobody() {
        let (pacer, heartbeat) = (throttled(), Heartbeat::unheard());
        let mut suspended = std::pin::pin!(pacer.turn(25, &heartbeat));
        assert!(poll!(&mut suspended).is_pending());
        pacer.turn(25, &heartbeat).await.expect("nobody takes the task away");
    }

    #[tokio::test(start_paused = true)]
    async fn those_that_wait_feel_that_the_rate_has_grown() {
        let (pacer, heartbeat) = (throttled(), Heartbeat::unheard());
        let (units, start) = (100_000, Instant::now());
        let mut waiting = std::pin::pin!(pacer.turn(units, &heartbeat));
        assert!(poll!(&mut waiting).is_pending());
        let planned = Duration::from_secs_f64(units as f64 / pacer.with(|ceiling| ceiling.piece().unwrap() * 5.0));
        (0..1_000).for_each(|_| pacer.accepted(25));
        waiting.await.unwrap();
        assert!(start.elapsed() < planned / 2, "{:?} of {planned:?}", start.elapsed());
    }
}
