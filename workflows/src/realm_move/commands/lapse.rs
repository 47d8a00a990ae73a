//! Settles lapsed offline leases: any process that reaches the catalogue brings the tenant back online, whoever was moving
//! it. A lapse takes effect only by this write, which the row locks order against a commit.

use async_trait::async_trait;
use catalogue::tenants::{self, Tenant};
use engine::tables::task_table;
use engine::{CATALOGUE_UNAVAILABLE, ExternalTransition, Next, StepError, StoredError, Sweep};
use store::Millis;
use tracing::warn;

use crate::actor::Actor;
use crate::deployment::Deployment;
use crate::realm_move::cause::{self, Stopped};
use crate::realm_move::commands::unreadable;
use crate::realm_move::state_machine::RealmMove;
use crate::realm_move::states::re_online::bring_back;
use crate::timing::millis;

/// Lapsed tenants looked up at a time.
const AT_ONCE: i64 = 100;

/// The code and the words for a lease that lasts longer than any.
const CLOCK_SET_BACK: (&str, &str) = (
    "clock_set_back",
    "the database's clock was set back while the tenant was offline: the offline lease counted as lapsed",
);

/// Brings tenants whose offline lease has lapsed back online.
pub struct LapseSweep(Deployment);

impl LapseSweep {
    /// A sweep on this deployment.
    pub fn new(deployment: Deployment) -> Self {
        Self(deployment)
    }

    /// Longer from now than a lease is ever renewed for, with room for a process that has been given a longer one: the database's clock
    /// was set back, and would let the tenant be offline for as much longer.
    fn longest(&self) -> Millis {
        let timing = &self.0.timing;
        millis(timing.offline_lease * 2 + timing.max_clock_skew)
    }

    /// Brings one tenant back; `false` when its lease turns out to be alive, or to have been settled by somebody else.
    async fn settle(&self, lapsed: &Tenant) -> Result<bool, StepError> {
        let Some(mover) = &lapsed.active_move else { return Ok(false) };
        let deployment = &self.0;
        let mut tx = deployment.store.begin().await?;
        // Before the lock, which erases them: they only say why nothing got on.
        let tasks = task_table::readable_of_workflow(&mut tx, mover).await?;
        let Some(mut held) = ExternalTransition::<RealmMove>::lock(&mut tx, deployment.ids.as_ref(), mover).await?
        else {
            return Ok(false);
        };
        let tenant = tenants::lock(held.step.tx, &lapsed.id).await?;
        let now = held.step.tx.now().await?;
        let over = |until: Millis| until <= now || until > now.saturating_add(self.longest());
        let still = |t: &Tenant| t.active_move.as_ref() == Some(mover) && t.lease_until.is_some_and(over);
        let Some(tenant) = tenant.filter(still) else { return Ok(false) };
        let known = held.state().ok();
        let offline =
            known.as_ref().and_then(|state| state.stage.offline()).filter(|o| o.epoch == tenant.epoch).cloned();
        let (Some(state), Some(offline)) = (known, offline) else {
            // Another version's, or it says something else than the catalogue does: the catalogue decides.
            unreadable::lapsed(held, &tenant).await?;
            tx.commit().await?;
            return Ok(true);
        };
        let set_back = tenant.lease_until.is_some_and(|until| until > now);
        let (code, why) = if set_back {
            (CLOCK_SET_BACK.0, CLOCK_SET_BACK.1.to_owned())
        } else {
            offline.why_it_lapsed(now, state.window)
        };
        let by = Actor::realmctl(&why);
        let ran_out = StoredError { code: code.to_owned(), message: why };
        let error = cause::of(ran_out, Stopped::Surely, &tasks);
        let stage = bring_back(&mut held.step, (&offline, &state.sets), error.clone(), &by).await?;
        let next = Next::Go(state.at_stage(stage), format!("{}: {}", error.code, error.message));
        held.go(&next, Some(&error)).await?;
        tx.commit().await?;
        Ok(true)
    }
}

#[async_trait]
impl Sweep for LapseSweep {
    async fn sweep(&self) -> Result<u64, StepError> {
        let (mut settled, mut unavailable) = (0, None);
        let mut after = String::new();
        loop {
            let mut tx = self.0.store.read().await?;
            let lapsed = tenants::lapsed(&mut tx, &after, self.longest(), AT_ONCE).await?;
            tx.rollback().await?;
            let Some(last) = lapsed.last() else { return unavailable.map_or(Ok(settled), Err) };
            after.clone_from(&last.id);
            for tenant in lapsed {
                match self.settle(&tenant).await {
                    Ok(done) => settled += u64::from(done),
                    // One tenant's trouble must not keep the others offline, be it a row that somebody else holds. The database's trouble
                    // is told once for all of them.
                    Err(error) if error.code == CATALOGUE_UNAVAILABLE => unavailable = Some(error),
                    Err(error) => {
                        warn!(
                            tenant = tenant.id,
                            error = error.chain(),
                            "a lapsed tenant could not be brought back yet; trying again"
                        );
                    }
                }
            }
        }
    }
}
