//! One measurement: so much load, for so long.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::Commits;
use crate::source::Source;

/// What one measurement runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// Workflows in flight all the time.
    pub(crate) in_flight: usize,
    /// How steps are committed.
    pub(crate) commits: Commits,
    /// What is not counted.
    pub(crate) warm_up: Duration,
    /// What is.
    pub(crate) measured: Duration,
}

/// Workflows that end in a second.
pub(crate) async fn of(source: &Source, warm_up: Duration, measured: Duration) -> f64 {
    sleep(warm_up).await;
    let (began, before) = (Instant::now(), source.count());
    sleep(measured).await;
    // A disk that stands still for that long gives a low rate, and not none.
    while source.count() == before && began.elapsed() < measured * 20 {
        sleep(measured / 10).await;
    }
    let ended = u32::try_from(source.count() - before).unwrap_or(u32::MAX);
    f64::from(ended) / began.elapsed().as_secs_f64()
}
