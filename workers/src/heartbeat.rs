//! Signs of life between checkpoints: one object or one throttled page may take longer than the leases that progress
//! renews. Beaten where something has been done, never by a timer, so that work that hangs falls silent.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use crate::error::{Treatment, WorkError};
use crate::progress::Checkpoints;

/// Passes heartbeats on to the checkpoints of a run, at most once per `every`. Shared by all that works for the run.
pub(crate) struct Heartbeat<'a> {
    checkpoints: Option<&'a dyn Checkpoints>,
    every: Duration,
    /// The last heartbeat; the next is due at once when `None`.
    last: Mutex<Option<Instant>>,
}

impl<'a> Heartbeat<'a> {
    /// Starts as if there had been a heartbeat just now.
    pub(crate) fn new(checkpoints: &'a dyn Checkpoints, every: Duration) -> Self {
        Self { checkpoints: Some(checkpoints), every, last: Mutex::new(Some(Instant::now())) }
    }

    /// For short work outside of any task, that no lease depends on.
    pub(crate) fn unheard() -> Self {
        Self { checkpoints: None, every: Duration::MAX, last: Mutex::new(None) }
    }

    /// Something has been done. Fails when the task is no longer ours, and then every time, so that whatever works beside
    /// the first to hear of it stops as well.
    pub(crate) async fn beat(&self) -> Result<(), WorkError> {
        let Some(checkpoints) = self.checkpoints.filter(|_| self.is_due(Instant::now())) else { return Ok(()) };
        match checkpoints.alive().await {
            // Beginning a large object anew would cost more than a late heartbeat: the next beat is soon enough.
            Err(error) if error.treatment == Treatment::Retryable => {
                tracing::warn!(%error, "a heartbeat of the work could not be stored");
                Ok(())
            }
            Err(error) => {
                self.set(None);
                Err(error)
            }
            Ok(()) => Ok(()),
        }
    }

    /// A checkpoint was saved, which is a heartbeat as well.
    pub(crate) fn saved(&self) {
        self.set(Some(Instant::now()));
    }

    /// Takes the turn when it is due, so that of many beats at once one is passed on.
    fn is_due(&self, now: Instant) -> bool {
        let mut last = self.last.lock().expect("no holder of this lock panics");
        let due = last.is_none_or(|last| now.saturating_duration_since(last) >= self.every);
        if due {
            *last = Some(now);
        }
        due
    }

    fn set(&self, last: Option<Instant>) {
        *self.last.lock().expect("no holder of this lock panics") = last;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use crate::heartbeat::*;
    use crate::progress::Tally;

    struct Counts {
        alive: AtomicU32,
        answer: fn() -> Result<(), WorkError>,
    }

    impl Counts {
        fn answering(answer: fn() -> Result<(), WorkError>) -> Self {
            Self { alive: AtomicU32::new(0), answer }
        }
    }

    #[async_trait::async_trait]
    impl Checkpoints for Counts {
        async fn save(&self, _: serde_json::Value, _: Tally) -> Result<(), WorkError> {
            Ok(())
        }

        async fn alive(&self) -> Result<(), WorkError> {
            self.alive.fetch_add(1, Ordering::SeqCst);
            (self.answer)()
        }
    }

    const HOUR: Duration = Duration::from_secs(3600);

    /// A heartbeat whose next beat is due, and none after it for an hour.
    fn due(checkpoints: &Counts) -> Heartbeat<'_> {
        let heartbeat = Heartbeat::new(checkpoints, HOUR);
        heartbeat.set(None);
        heartbeat
    }

    #[tokio::test]
    async fn beats_are_passed_on_when_due_and_not_more_often() {
        let counts = Counts::answering(|| Ok(()));
        let heartbeat = due(&counts);
        for _ in 0..5 {
            heartbeat.beat().await.unwrap();
        }
        assert_eq!(counts.alive.load(Ordering::SeqCst), 1);
        let later = Instant::now() + HOUR;
        assert!(heartbeat.is_due(later));
        assert!(!heartbeat.is_due(later));
    }

    #[tokio::test]
    async fn a_lost_lease_fails_every_beat_and_a_passing_fault_none() {
        let lost = Counts::answering(|| Err(WorkError::lost_lease("gone")));
        let heartbeat = due(&lost);
        for _ in 0..3 {
            assert_eq!(heartbeat.beat().await.unwrap_err().treatment, Treatment::LostLease);
        }
        let busy = Counts::answering(|| Err(WorkError::retryable("catalogue", "busy")));
        let heartbeat = due(&busy);
        for _ in 0..3 {
            heartbeat.beat().await.unwrap();
        }
        assert_eq!(busy.alive.load(Ordering::SeqCst), 1);
    }
}
