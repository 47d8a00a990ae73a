//! The measured side: the workflows run by the engine's runner, as in production.

use std::time::Duration;

use engine::failpoints::{Failpoint, Failpoints, Moment};
use engine::{Registry, Runner, RunnerSettings, StepError};
use store::Store;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::five_steps::{FiveSteps, STATES};
use crate::rate::{self, Load};
use crate::source::Source;
use crate::{Commits, Error};

/// Counts what has ended.
struct Ended(Source);

impl Failpoints for Ended {
    fn step(&self, point: Failpoint<'_>) -> Result<(), StepError> {
        if point.moment == Moment::Recorded && point.state == STATES[4] {
            self.0.ended();
        }
        Ok(())
    }

    fn task(&self, _: Failpoint<'_>) -> Result<(), StepError> {
        Ok(())
    }
}

/// Workflows a second.
pub(crate) async fn measure(store: &Store, load: &Load) -> Result<f64, Error> {
    let source = Source::new(load.in_flight);
    let shared = load.commits == Commits::Shared;
    let settings = RunnerSettings {
        workflows_at_once: load.in_flight,
        tasks_at_once: 0,
        shared_commit: if shared { RunnerSettings::default().shared_commit } else { 1 },
        poll: Duration::from_secs(1),
        ..RunnerSettings::default()
    };
    let runner = Runner::new(store.clone(), Registry::default().workflow(FiveSteps), settings, "bench".to_owned())
        .with_failpoints(Ended(source.clone()));
    let stop = CancellationToken::new();
    let mut starting = JoinSet::new();
    let (starters, at_once) = if shared { (1, load.in_flight) } else { (load.in_flight, 1) };
    for _ in 0..starters {
        let (source, store) = (source.clone(), store.clone());
        starting.spawn(async move { source.start(&store, at_once).await });
    }
    let stopped = stop.clone();
    let running = tokio::spawn(async move { Box::pin(runner.run(stopped)).await });
    let rate = rate::of(&source, load.warm_up, load.measured).await;
    // Steps in hand are finished while new workflows may still be started: the next run begins with an empty table of work.
    starting.abort_all();
    while starting.join_next().await.is_some() {}
    stop.cancel();
    running.await.map_err(|_| Error::Panicked)?;
    Ok(rate)
}
