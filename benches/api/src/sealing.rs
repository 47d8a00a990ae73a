//! Moves started a second, while a process seals the audit trail and while none does.

use std::time::{Duration, Instant};

use engine::Sweep;
use futures::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use workflows::audit_seal::SealSweep;
use workflows::realm_move::start_move;

use crate::requests::{by, move_of};
use crate::stage::Stage;
use crate::{Error, Settings, median};

/// Moves of one measurement.
const MOVES: usize = 400;

/// How often the sweep is asked; it decides itself when it works.
const SWEPT_EVERY: Duration = Duration::from_millis(100);

/// Moves started a second.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sealing {
    /// Moves started at the same time.
    pub at_once: usize,
    /// While the trail is sealed.
    pub sealed: f64,
    /// While it is not.
    pub unsealed: f64,
    /// The first divided by the second.
    pub ratio: f64,
}

/// Takes turns, so that both meet the same neighbours.
pub(crate) async fn measure(stage: &Stage, settings: &Settings) -> Result<Sealing, Error> {
    let at_once = settings.at_once.iter().copied().max().unwrap_or(1);
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for _ in 0..settings.runs {
        without.extend(start_moves(stage, at_once).await?);
        seal_all(stage).await?;
        let sweep = SealSweep::new(stage.deployment.clone());
        let sealing = async {
            loop {
                drop(sweep.sweep().await);
                tokio::time::sleep(SWEPT_EVERY).await;
            }
        };
        let started = tokio::select! {
            started = start_moves(stage, at_once) => started?,
            () = sealing => None,
        };
        with.extend(started);
        seal_all(stage).await?;
    }
    if with.is_empty() || without.is_empty() {
        return Err(Error::Part("there are not enough tenants to start moves of: more are needed".to_owned()));
    }
    let (sealed, unsealed) = (median(with), median(without));
    Ok(Sealing { at_once, sealed, unsealed, ratio: sealed / unsealed })
}

/// Moves started a second; none if there are not enough tenants left.
async fn start_moves(stage: &Stage, at_once: usize) -> Result<Option<f64>, Error> {
    let tenants = stage.take_unmoved(MOVES);
    if tenants.len() < MOVES {
        return Ok(None);
    }
    let begun = Instant::now();
    let started = stream::iter(tenants).map(Ok).try_for_each_concurrent(at_once, async |tenant| {
        let started = start_move(&stage.deployment, &move_of(tenant), &by()).await;
        started.map(drop).map_err(|error| Error::part(&error))
    });
    started.await?;
    Ok(Some(MOVES as f64 / begun.elapsed().as_secs_f64()))
}

/// Outside of the time that is taken.
async fn seal_all(stage: &Stage) -> Result<(), Error> {
    loop {
        let mut tx = stage.deployment.store.begin().await?;
        let (_, sealed) = catalogue::audit_chain::seal(&mut tx, 1_000).await?;
        tx.commit().await?;
        if sealed == 0 {
            return Ok(());
        }
    }
}
