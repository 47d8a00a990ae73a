//! Keeps a lease alive while work under it runs, and stops the work at once when the lease is lost.

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;
use tracing::warn;

use crate::step_error::StepError;
use crate::task::driven;

/// Runs `work` beside a heartbeat: `beat` is called every `every` and answers whether the lease still is ours. While the
/// database can't be reached the work goes on until `lease` has passed since the last answer: then the lease may be
/// somebody else's. The two run side by side, because each may wait for a lock or a connection that the other holds; and a heartbeat
/// ends what it has begun also while the work keeps this future from being polled, and whoever waits for its connection.
pub(crate) async fn while_held<T, B>(
    work: impl Future<Output = Result<T, StepError>>,
    every: Duration,
    lease: Duration,
    beat: impl Fn() -> B,
) -> Result<T, StepError>
where
    B: Future<Output = Result<bool, StepError>> + Send + 'static,
{
    tokio::select! {
        biased;
        done = work => done,
        lost = beat_until_lost(every, lease, beat) => Err(lost),
    }
}

async fn beat_until_lost<B>(every: Duration, lease: Duration, beat: impl Fn() -> B) -> StepError
where
    B: Future<Output = Result<bool, StepError>> + Send + 'static,
{
    let mut confirmed = Instant::now();
    loop {
        tokio::time::sleep(every).await;
        let asked = Instant::now();
        match tokio::time::timeout_at(confirmed + lease, driven(beat())).await {
            Ok(Ok(true)) => confirmed = asked,
            Ok(Ok(false)) => return StepError::lost_lease(),
            Ok(Err(error)) => warn!(error = error.chain(), "heartbeat failed; going on until the lease runs out"),
            Err(_) => warn!("no heartbeat got through for as long as the lease lasts"),
        }
        if confirmed.elapsed() >= lease {
            return StepError::lost_lease();
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::runner::lease::*;
    use std::sync::Arc;
    use tokio::sync::Mutex;

    const SHORT: Duration = Duration::from_millis(5);
    const LEASE: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn a_heartbeat_that_waits_for_what_the_work_holds_does_not_stop_the_work() {
        let only_connection = Arc::new(Mutex::new(()));
        let beats = Arc::new(tokio::sync::Semaphore::new(0));
        let work = async {
            let held = only_connection.lock().await;
            // The work ends only after a heartbeat has begun to wait for the connection that it holds.
            beats.acquire().await.expect("never closed").forget();
            drop(held);
            Ok(())
        };
        let (counted, connection) = (Arc::clone(&beats), Arc::clone(&only_connection));
        let beat = || {
            let (counted, connection) = (Arc::clone(&counted), Arc::clone(&connection));
            async move {
                counted.add_permits(1);
                drop(connection.lock().await);
                Ok(true)
            }
        };
        let started = Instant::now();
        while_held(work, SHORT, LEASE, beat).await.expect("the work is done");
        assert!(started.elapsed() < LEASE);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_heartbeat_goes_on_while_the_work_keeps_it_from_being_polled() {
        let begun = Arc::new(tokio::sync::Semaphore::new(0));
        let (ended, has_ended) = std::sync::mpsc::channel();
        let has_begun = Arc::clone(&begun);
        let work = async move {
            has_begun.acquire().await.expect("never closed").forget();
            tokio::task::block_in_place(|| has_ended.recv_timeout(LEASE * 12)).expect("it does not wait for the work");
            Ok(())
        };
        let beat = move || {
            let (begun, ended) = (Arc::clone(&begun), ended.clone());
            async move {
                begun.add_permits(1);
                tokio::task::yield_now().await;
                let _ = ended.send(());
                Ok(true)
            }
        };
        while_held(work, SHORT, LEASE, beat).await.expect("the work is done");
    }

    #[tokio::test]
    async fn a_lost_lease_stops_the_work() {
        let lost = while_held(std::future::pending::<Result<(), _>>(), SHORT, LEASE, || async { Ok(false) }).await;
        assert_eq!(lost.expect_err("stopped").code, "lost_lease");
    }

    #[tokio::test]
    async fn a_database_that_never_answers_stops_the_work_when_the_lease_runs_out() {
        let silent = || std::future::pending::<Result<bool, StepError>>();
        let lost = while_held(std::future::pending::<Result<(), _>>(), SHORT, SHORT * 4, silent).await;
        assert_eq!(lost.expect_err("stopped").code, "lost_lease");
    }
}
