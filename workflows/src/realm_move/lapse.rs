//! Settles lapsed offline leases: any process that reaches the catalogue brings the tenant back online, whoever was moving
//! it. A lapse takes effect only by this write, which the row locks order against a commit.

use async_trait::async_trait;
use catalogue::tenants::{self, Tenant};
use engine::{Intervention, Next, StepError, StoredError, Sweep};
use tracing::warn;

use super::machine::RealmMove;
use super::re_online::bring_back;
use crate::deployment::Deployment;
use crate::requester::Requester;

/// Lapsed tenants looked up at a time.
const AT_ONCE: i64 = 100;

/// Brings tenants whose offline lease has lapsed back online.
pub struct LapseSweep(Deployment);

impl LapseSweep {
    /// A sweep on this deployment.
    pub fn new(deployment: Deployment) -> Self {
        Self(deployment)
    }

    /// Brings one tenant back; `false` when its lease turns out to be alive, or to have been settled by somebody else.
    async fn settle(&self, lapsed: &Tenant) -> Result<bool, StepError> {
        let Some(mover) = &lapsed.mover else { return Ok(false) };
        let deployment = &self.0;
        let mut tx = deployment.store.begin().await?;
        let Some(mut held) = Intervention::<RealmMove>::lock(&mut tx, deployment.ids.as_ref(), mover).await? else {
            return Ok(false);
        };
        let state = held.state()?;
        let Some(offline) = state.stage.offline().cloned() else { return Ok(false) };
        let tenant = tenants::lock(held.step.tx, &lapsed.id).await?;
        let now = held.step.tx.now().await?;
        let still = tenant.is_some_and(|t| t.epoch == offline.epoch && t.lease_until.is_some_and(|until| until <= now));
        if !still {
            return Ok(false);
        }
        let (code, why) = offline.why_it_lapsed(now);
        let error = StoredError { code: code.to_owned(), message: why.to_owned() };
        let by = Requester::realmctl(why);
        let stage = bring_back(&mut held.step, &offline, error.clone(), &by).await?;
        let next = Next::Go(state.at_stage(stage), format!("{code}: {why}"));
        held.go(&next, Some(&error)).await?;
        tx.commit().await?;
        Ok(true)
    }
}

#[async_trait]
impl Sweep for LapseSweep {
    async fn sweep(&self) -> Result<u64, StepError> {
        let mut settled = 0;
        let mut after = String::new();
        loop {
            let mut tx = self.0.store.read().await?;
            let lapsed = tenants::lapsed(&mut tx, &after, AT_ONCE).await?;
            tx.rollback().await?;
            let Some(last) = lapsed.last() else { return Ok(settled) };
            after.clone_from(&last.id);
            for tenant in lapsed {
                match self.settle(&tenant).await {
                    Ok(done) => settled += u64::from(done),
                    // One tenant's trouble must not keep the others offline.
                    Err(error) => {
                        warn!(tenant = tenant.id, %error, "a lapsed tenant could not be brought back yet; trying again");
                    }
                }
            }
        }
    }
}
