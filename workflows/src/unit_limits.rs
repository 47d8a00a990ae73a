//! Limits on the write and read units a second of all processes together: what is in force, and this process's share of it. With the
//! topology's limits come its addresses: where stores are reached.
//!
//! What the topology and an operator say both count: the lower one. Each process takes an equal share among those that run data
//! tasks in the scope right now, and looks again with every sweep (a tenth of a heartbeat) and before each data task. Whoever
//! comes to a scope where others are at work sends nothing there until they have looked again; meanwhile they use all of the
//! limit. Where a process runs no data task it reckons as if it did: it counts and inspects before a move. Until it has looked,
//! it sends nothing; when it can't look, what it knew last holds.

use std::collections::BTreeMap;

use async_trait::async_trait;
use catalogue::capacity;
use catalogue::location::Location;
use catalogue::topology::EndpointKind;
use engine::tables::task_table;
use engine::{StepError, Sweep};
use serde::Deserialize;
use serde_json::Value;
use store::{StoreError, Tx};
use tokio::time::Instant;
use workers::limits::Rates;
use workers::{Movers, StoreKind};

use crate::database_clock;
use crate::deployment::Deployment;
use crate::known_limits::{AtWork, ByScope, lower, others};
use crate::scopes::{scopes_of, scopes_of_location};

/// Keeps this process's share up to date.
pub struct ShareSweep(Deployment);

impl ShareSweep {
    /// A sweep on this deployment.
    pub fn new(deployment: Deployment) -> Self {
        Self(deployment)
    }
}

#[async_trait]
impl Sweep for ShareSweep {
    async fn sweep(&self) -> Result<u64, StepError> {
        refresh(&self.0).await?;
        Ok(0)
    }
}

/// The movers, once they know what they may send.
pub(crate) async fn limited_movers(deployment: &Deployment) -> Result<&Movers, StoreError> {
    let limits = deployment.movers.limits();
    if !limits.are_known() || limits.limit_anything() || deployment.movers.is_time_old() {
        refresh(deployment).await?;
    }
    Ok(&deployment.movers)
}

async fn refresh(deployment: &Deployment) -> Result<(), StoreError> {
    let mut tx = deployment.store.read().await?;
    let limits = in_force(deployment, &mut tx).await?;
    let addresses = deployment.known.stated(&mut tx).await?.addresses;
    // The moment before it was asked: however long this process is kept from going on, the time that it knows does not lag.
    let read = database_clock::read(&mut tx).await?;
    deployment.movers.hear_time(read.at, read.asked);
    if let Some(known) = deployment.movers.addresses() {
        known.set(addresses, store_name);
    }
    let at_work = if limits.is_empty() { BTreeMap::new() } else { at_work(&mut tx).await? };
    tx.rollback().await?;
    let joined = deployment.known.join(&at_work, &deployment.owner, deployment.runner_settings().poll * 3 / 2);
    deployment.movers.limits().set(&shares(&limits, &at_work, &deployment.owner, &joined), scopes_of);
    Ok(())
}

/// What all processes together may send.
pub(crate) async fn in_force(deployment: &Deployment, tx: &mut Tx) -> Result<ByScope, StoreError> {
    let mut limits = deployment.known.stated(tx).await?.limits;
    for limit in capacity::limits(tx).await? {
        let rate = |units: Option<i64>| units.map(|units| units as f64);
        let rates = Rates { writes: rate(limit.write_units), reads: rate(limit.read_units), not_before: None };
        lower(&mut limits, limit.scope, rates);
    }
    Ok(limits)
}

/// What a store is called among all of the topology.
pub(crate) fn store_name(kind: StoreKind, region: &str, endpoint: Option<&str>) -> String {
    let kind = match kind {
        StoreKind::Dynamodb => EndpointKind::Dynamodb,
        StoreKind::S3 => EndpointKind::S3,
    };
    kind.store(region, endpoint)
}

/// The least time, in milliseconds, that writing and that reading so much at these locations take.
pub(crate) fn least_ms(limits: &ByScope, spent: &[Spent]) -> (f64, f64) {
    let least = |rate: fn(&Rates) -> Option<f64>, units: fn(&Spent) -> u64| {
        let times = limits.iter().filter_map(|(scope, rates)| {
            let there = spent.iter().filter(|spent| scopes_of_location(&spent.at).contains(scope));
            Some(there.map(units).sum::<u64>() as f64 / rate(rates)? * 1_000.0)
        });
        times.fold(0.0, f64::max)
    };
    (least(|rates| rates.writes, |spent| spent.writes), least(|rates| rates.reads, |spent| spent.reads))
}

/// Units that work will take at a location.
#[derive(Debug, Clone)]
pub(crate) struct Spent {
    pub(crate) at: Location,
    pub(crate) writes: u64,
    pub(crate) reads: u64,
}

async fn at_work(tx: &mut Tx) -> Result<AtWork, StoreError> {
    let mut found = AtWork::new();
    for (owner, input) in task_table::at_work(tx).await? {
        let scopes = locations_of(&input).iter().flat_map(scopes_of_location).collect::<Vec<_>>();
        found.entry(owner).or_default().extend(scopes);
    }
    Ok(found)
}

/// The locations that a data task reads or writes, by the names that they have in its input.
fn locations_of(input: &Value) -> Vec<Location> {
    let named = ["from", "to", "source", "at", "live"].into_iter().filter_map(|name| input.get(name));
    named.filter_map(|location| Location::deserialize(location).ok()).collect()
}

/// This process's part of each limit.
fn shares(limits: &ByScope, at_work: &AtWork, owner: &str, joined: &BTreeMap<String, Instant>) -> ByScope {
    let share = |(scope, rates): (&String, &Rates)| {
        let all = 1 + others(at_work, owner, scope);
        let part = |rate: Option<f64>| rate.map(|rate| rate / all as f64);
        let not_before = joined.get(scope).copied();
        (scope.clone(), Rates { writes: part(rates.writes), reads: part(rates.reads), not_before })
    };
    limits.iter().map(share).collect()
}

#[cfg(test)]
mod tests;
