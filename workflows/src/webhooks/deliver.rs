//! The loops that tell webhooks, in each process that has the operator's file: one a webhook, so that a slow one delays no other, and
//! one that forgets what has ended long ago.

use std::time::Duration;

use catalogue::{webhook_deliveries, webhooks};
use store::{Millis, StoreError};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{info, warn};

use super::endpoint::Endpoint;
use crate::deployment::Deployment;

/// How long deliveries that have ended are kept, and webhooks that are in no process's file any more.
const KEPT: Millis = 30 * 24 * 3_600_000;

/// How often is looked what can be forgotten, and how much at a time.
const FORGET_EVERY: Duration = Duration::from_secs(60);
const FORGOTTEN_AT_ONCE: i64 = 1_000;

/// After a failure of the catalogue it is tried again after this long, then twice as long, up to the other.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
const AGAIN_AT_MOST: Duration = Duration::from_secs(60);

/// Tells the webhooks of this process until `stop` says `true` or is dropped. What is being sent then is waited for.
pub async fn run(deployment: Deployment, stop: watch::Receiver<bool>) {
    if deployment.webhooks.all.is_empty() {
        return;
    }
    let mut loops = JoinSet::new();
    for spec in &deployment.webhooks.all {
        loops.spawn(tell(Endpoint::new(deployment.clone(), spec.clone()), spec.name.clone(), stop.clone()));
    }
    loops.spawn(forget(deployment.clone(), stop));
    loops.join_all().await;
}

async fn tell(mut endpoint: Endpoint, name: String, mut stop: watch::Receiver<bool>) {
    let look_every = endpoint.look_every();
    let mut failing = None;
    while goes_on(&stop) {
        let wait = match endpoint.pass(|| goes_on(&stop)).await {
            Ok(more) => {
                if failing.take().is_some() {
                    info!(webhook = name, "the webhook is told again");
                }
                if more { continue } else { look_every }
            }
            Err(error) => {
                let wait = failing.map_or(AGAIN_AFTER, |wait: Duration| (wait * 2).min(AGAIN_AT_MOST));
                failing = Some(wait);
                warn!(
                    webhook = name,
                    error = error.chain(),
                    again_after_s = wait.as_secs(),
                    "the catalogue can't be asked"
                );
                wait
            }
        };
        let _ = tokio::time::timeout(wait, stop.changed()).await;
    }
}

async fn forget(deployment: Deployment, mut stop: watch::Receiver<bool>) {
    while goes_on(&stop) {
        match forget_some(&deployment).await {
            Ok(()) => {}
            Err(error) => warn!(error = error.chain(), "old deliveries can't be forgotten; trying again"),
        }
        let _ = tokio::time::timeout(FORGET_EVERY, stop.changed()).await;
    }
}

async fn forget_some(deployment: &Deployment) -> Result<(), StoreError> {
    let mut tx = deployment.store.begin().await?;
    let before = tx.now().await? - KEPT;
    webhooks::forget_unseen(&mut tx, before).await?;
    webhook_deliveries::forget(&mut tx, before, FORGOTTEN_AT_ONCE).await?;
    tx.commit().await
}

fn goes_on(stop: &watch::Receiver<bool>) -> bool {
    !*stop.borrow() && stop.has_changed().is_ok()
}
