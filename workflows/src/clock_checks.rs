//! The clock of the catalogue's database beside those of the stores: permits are signed by the one and judged by the others, and
//! how long a request may still be accepted is counted by the one. So both must agree, within the skew.

use catalogue::location::Location;
use engine::tables::in_doubt_table;
use engine::{StepError, StepTx};
use store::StoreError;
use tracing::debug;
use workers::store_clocks::{ClockOf, Stands};

pub use workers::store_clocks::CLOCK_SKEW;

use crate::database_clock;
use crate::deployment::Deployment;
use crate::mover_errors::step_error;
use crate::places::place_of;
use crate::plan::Plan;
use crate::unit_limits::limited_movers;

/// What a wait for clocks begins with, by which `explain` knows it.
pub(crate) const CLOCKS_TO_AGREE: &str = "clocks to agree: ";

/// What stores this process knows to have another time than the database, in words.
pub async fn beyond_skew(deployment: &Deployment) -> Result<Vec<String>, StoreError> {
    let mut tx = deployment.store.read().await?;
    let read = database_clock::read(&mut tx).await?;
    tx.rollback().await?;
    Ok(deployment.movers.clocks().beyond(read, deployment.timing.max_clock_skew))
}

/// `clock_skew` when a store of these, which have just been asked something, has another time than the database.
pub(crate) async fn check<'a>(
    deployment: &Deployment,
    locations: impl Iterator<Item = &'a Location>,
) -> Result<(), StepError> {
    let mut tx = deployment.store.read().await?;
    let read = database_clock::read(&mut tx).await?;
    tx.rollback().await?;
    let clocks = deployment.movers.clocks();
    for location in locations {
        let of = ClockOf::place(&place_of(location));
        clocks.check(&of, read, deployment.timing.max_clock_skew).map_err(step_error)?;
    }
    Ok(())
}

/// The first of these locations whose store is known to have another time than the database, in words. One that has not told its time
/// lately is no reason to wait: that might not end, and every permit is held against the store's last answer.
pub(crate) async fn difference<'a>(
    deployment: &Deployment,
    step: &mut StepTx<'_>,
    locations: impl Iterator<Item = &'a Location>,
) -> Result<Option<String>, StepError> {
    let read = database_clock::read(step.tx).await?;
    let differs = |location: &Location| {
        let of = ClockOf::place(&place_of(location));
        deployment.movers.clocks().check(&of, read, deployment.timing.max_clock_skew).err()
    };
    Ok({ locations }.find_map(differs).map(|error| error.message))
}

/// Whose time is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    /// That of every location's store.
    All,
    /// Only where requests are waited for.
    InDoubt,
}

/// Has the stores of these locations tell their time, where they have not lately or it differs: before a wait that is counted by the
/// database's clock ends. A store that can't be asked is met again by whoever works there.
pub(crate) async fn hear<'a>(
    deployment: &Deployment,
    tenant: &str,
    whose: Whose,
    locations: impl Iterator<Item = &'a Location>,
) -> Result<(), StepError> {
    let mut tx = deployment.store.read().await?;
    let mut asked = Vec::new();
    for location in locations {
        if whose == Whose::All || !in_doubt_table::of(&mut tx, tenant, &location.key()).await?.is_empty() {
            asked.push(place_of(location));
        }
    }
    let read = if asked.is_empty() { None } else { Some(database_clock::read(&mut tx).await?) };
    tx.rollback().await?;
    let Some(read) = read else { return Ok(()) };
    for place in asked {
        let stands = deployment.movers.clocks().stands(&ClockOf::place(&place), read);
        if stands != Stands::Unknown && !stands.is_beyond(deployment.timing.max_clock_skew) {
            continue;
        }
        if let Err(error) = limited_movers(deployment).await?.inspect(&place, tenant).await {
            debug!(tenant, %error, "a store that was to tell its time could not be asked");
        }
    }
    Ok(())
}

/// The same for all that the plan adds to.
pub(crate) async fn hear_targets(deployment: &Deployment, whose: Whose, plan: &Plan) -> Result<(), StepError> {
    hear(deployment, &plan.tenant, whose, targets(plan)).await
}

/// All that the plan adds to.
pub(crate) fn targets(plan: &Plan) -> impl Iterator<Item = &Location> {
    plan.services.iter().flat_map(|service| &service.add)
}
