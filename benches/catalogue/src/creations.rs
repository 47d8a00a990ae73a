//! Creating tenants: one after the other, by eight clients, and by sixty-four.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use workflows::Deployment;
use workflows::provision::{NewTenant, create_tenant};

use crate::Error;
use crate::figures::{Figures, Unit, p99, timed};
use crate::stage::{REALMS, Stage, by};

/// Tenants that several clients create together.
const TOGETHER: usize = 200;
/// The same by sixty-four clients.
const BY_MANY: usize = 128;

pub(crate) async fn measure(stage: &Stage, runs: usize, figures: &mut Figures) -> Result<(), Error> {
    figures.median("tenant created", one_by_one(stage, runs).await?);
    let (times, took, _) = together(stage, 8, TOGETHER).await?;
    figures.note("tenant created by 8 clients, p99", Unit::Milliseconds, p99(times));
    let each = took.as_secs_f64() * 1_000.0 / TOGETHER as f64;
    figures.note("tenant created by 8 clients, time of all / 200", Unit::Milliseconds, Some(each));
    let (times, _, failed) = together(stage, 64, BY_MANY).await?;
    figures.note("tenant created by 64 clients, p99", Unit::Milliseconds, p99(times));
    figures.note("tenant created by 64 clients, of 128", Unit::Failures, Some(failed as f64));
    Ok(())
}

/// Times of so many creations.
pub(crate) async fn one_by_one(stage: &Stage, runs: usize) -> Result<Vec<Option<Duration>>, Error> {
    let mut times = Vec::new();
    for _ in 0..runs {
        times.push(timed(create_tenant(&stage.deployment, &new(&stage.deployment)?, &by())).await);
    }
    Ok(times)
}

/// The times of those that succeeded, how long all took, and how many failed.
async fn together(stage: &Stage, clients: usize, all: usize) -> Result<(Vec<Duration>, Duration, usize), Error> {
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..clients {
        let (deployment, count) = (stage.deployment.clone(), all / clients);
        tasks.spawn(async move {
            let mut times = Vec::new();
            for _ in 0..count {
                times.push(timed(create_tenant(&deployment, &new(&deployment)?, &by())).await);
            }
            Ok::<_, Error>(times)
        });
    }
    let (mut times, mut failed) = (Vec::new(), 0);
    while let Some(done) = tasks.join_next().await {
        for time in done.map_err(|error| Error::part(&error))?? {
            match time {
                Some(time) => times.push(time),
                None => failed += 1,
            }
        }
    }
    Ok((times, begun.elapsed(), failed))
}

fn new(deployment: &Deployment) -> Result<NewTenant, Error> {
    let id = format!("new-{}", deployment.ids.next());
    Ok(NewTenant {
        host: format!("{id}.example").parse().map_err(|error| Error::part(&error))?,
        id: id.parse().map_err(|error| Error::part(&error))?,
        realm: REALMS[0].0.to_owned(),
    })
}
