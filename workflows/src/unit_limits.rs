//! Limits on the write and read units a second of all processes together: what is in force, and this process's share of it.
//!
//! What the topology and an operator say both count: the lower one. Each process takes an equal share among those that run data
//! tasks in the scope right now, and looks again with every sweep (a tenth of a heartbeat) and before each data task. Where it
//! runs none itself it reckons as if it did: it counts and inspects before a move. Until it has looked, it sends nothing; when it
//! can't look, what it knew last holds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use catalogue::capacity;
use catalogue::location::Location;
use catalogue::topologies;
use catalogue::topology::{Topology, UnitLimits};
use engine::{StepError, Sweep, task_table};
use serde::Deserialize;
use serde_json::Value;
use store::{StoreError, Tx};
use workers::Movers;
use workers::limits::Rates;

use crate::capacity::{OVERALL, scopes_of, scopes_of_location, table_scope};
use crate::deployment::Deployment;

/// Units a second by scope.
pub(crate) type ByScope = BTreeMap<String, Rates>;

/// What the topology in force says, kept until there is another.
#[derive(Debug, Default)]
pub struct Stated(Mutex<Option<(i64, ByScope)>>);

impl Stated {
    async fn read(&self, tx: &mut Tx) -> Result<ByScope, StoreError> {
        let version = topologies::version(tx).await?.unwrap_or_default();
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, stated)) = known.filter(|(of, _)| *of == version) {
            return Ok(stated);
        }
        let topology = topologies::current(tx).await?;
        let (version, stated) = topology.map(|now| (now.version, by_topology(&now.topology))).unwrap_or_default();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((version, stated.clone()));
        Ok(stated)
    }
}

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
    if !limits.are_known() || limits.limit_anything() {
        refresh(deployment).await?;
    }
    Ok(&deployment.movers)
}

async fn refresh(deployment: &Deployment) -> Result<(), StoreError> {
    let mut tx = deployment.store.read().await?;
    let limits = in_force(deployment, &mut tx).await?;
    let at_work = if limits.is_empty() { BTreeMap::new() } else { at_work(&mut tx).await? };
    tx.rollback().await?;
    deployment.movers.limits().set(&shares(&limits, &at_work, &deployment.owner), scopes_of);
    Ok(())
}

/// What all processes together may send.
pub(crate) async fn in_force(deployment: &Deployment, tx: &mut Tx) -> Result<ByScope, StoreError> {
    let mut limits = deployment.stated.read(tx).await?;
    for limit in capacity::limits(tx).await? {
        let rate = |units: Option<i64>| units.map(|units| units as f64);
        lower(&mut limits, limit.scope, Rates { writes: rate(limit.write_units), reads: rate(limit.read_units) });
    }
    Ok(limits)
}

fn by_topology(topology: &Topology) -> ByScope {
    let rates = |limits: &UnitLimits| Rates {
        writes: limits.write_units.map(f64::from),
        reads: limits.read_units.map(f64::from),
    };
    let mut stated = ByScope::new();
    lower(&mut stated, OVERALL.to_owned(), rates(&topology.limits));
    for (table, limits) in topology.limits_of_tables() {
        lower(&mut stated, table_scope(&table), rates(&limits));
    }
    stated
}

/// Of two limits on the same, the lower one counts.
fn lower(limits: &mut ByScope, scope: String, also: Rates) {
    if also == Rates::default() {
        return;
    }
    let known = limits.entry(scope).or_default();
    known.writes = lowest(known.writes, also.writes);
    known.reads = lowest(known.reads, also.reads);
}

/// The lower of two limits.
pub(crate) fn lowest(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    one.into_iter().chain(other).reduce(f64::min)
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

/// The processes at work, with the scopes of the data tasks that they run.
async fn at_work(tx: &mut Tx) -> Result<BTreeMap<String, BTreeSet<String>>, StoreError> {
    let mut found = BTreeMap::<String, BTreeSet<String>>::new();
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
fn shares(limits: &ByScope, at_work: &BTreeMap<String, BTreeSet<String>>, owner: &str) -> ByScope {
    let share = |(scope, rates): (&String, &Rates)| {
        let others = at_work.iter().filter(|(name, scopes)| *name != owner && scopes.contains(scope)).count();
        let part = |rate: Option<f64>| rate.map(|rate| rate / (others + 1) as f64);
        (scope.clone(), Rates { writes: part(rates.writes), reads: part(rates.reads) })
    };
    limits.iter().map(share).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn reads(rate: f64) -> Rates {
        Rates { writes: None, reads: Some(rate) }
    }

    fn location(region: &str) -> Value {
        let address = json!({ "dynamodb": { "table": "t", "index": "i", "indexKey": "k", "shardCount": 1 } });
        json!({ "name": region, "region": region, "address": address })
    }

    fn at_work(processes: &[(&str, &[&str])]) -> BTreeMap<String, BTreeSet<String>> {
        let scopes = |scopes: &[&str]| scopes.iter().map(|scope| (*scope).to_owned()).collect();
        processes.iter().map(|(name, of)| ((*name).to_owned(), scopes(of))).collect()
    }

    #[test]
    fn those_at_work_in_a_scope_share_its_limit() {
        let limits = ByScope::from([("overall".to_owned(), reads(90.0)), ("table:a".to_owned(), reads(30.0))]);
        let all =
            at_work(&[("one", &["overall", "table:a"]), ("two", &["overall", "table:b"]), ("three", &["overall"])]);
        let part =
            |owner: &str| shares(&limits, &all, owner).into_values().map(|rates| rates.reads).collect::<Vec<_>>();
        assert_eq!(part("one"), [Some(30.0), Some(30.0)], "alone at the table");
        assert_eq!(part("two"), [Some(30.0), Some(15.0)], "as if it were there too");
        assert_eq!(part("idle"), [Some(22.5), Some(15.0)]);
        assert_eq!(shares(&limits, &BTreeMap::new(), "one"), limits, "nobody else is there");
    }

    #[test]
    fn the_topology_limits_tables_and_the_lower_limit_counts() {
        let yaml = "\
regions:
  eu-west-1: {}
  us-east-1: {}
realms:
  all: { dataRegions: [eu-west-1, us-east-1] }
limits: { writeUnits: 500 }
services:
  issues:
    store: { dynamodb: { table: issues, index: by-tenant, indexKey: k, shardCount: 1, limits: { writeUnits: 7, readUnits: 9 } } }
    shards:
      - { shard: eu, dataRegions: [eu-west-1] }
      - { shard: us, dataRegions: [us-east-1], store: { dynamodb: { table: other, index: by-tenant, indexKey: k, shardCount: 1 } } }
";
        let mut limits = by_topology(&Topology::parse(yaml).expect("a topology"));
        let both = |writes: f64, reads: f64| Rates { writes: Some(writes), reads: Some(reads) };
        let table = "table:dynamodb|aws:eu-west-1|issues";
        let stated =
            [(OVERALL.to_owned(), Rates { writes: Some(500.0), reads: None }), (table.to_owned(), both(7.0, 9.0))];
        assert_eq!(limits, ByScope::from(stated));
        lower(&mut limits, table.to_owned(), both(8.0, 3.0));
        lower(&mut limits, OVERALL.to_owned(), reads(40.0));
        assert_eq!(
            limits,
            ByScope::from([(OVERALL.to_owned(), both(500.0, 40.0)), (table.to_owned(), both(7.0, 3.0))])
        );
    }

    #[test]
    fn the_least_time_is_that_of_the_scope_that_lets_least_through() {
        let at = |region| Location::deserialize(location(region)).expect("a location");
        let spent = [Spent { at: at("a"), writes: 0, reads: 600 }, Spent { at: at("b"), writes: 300, reads: 300 }];
        let writes = |rate| Rates { writes: Some(rate), reads: None };
        let limits = ByScope::from([
            (OVERALL.to_owned(), Rates { writes: Some(100.0), reads: Some(90.0) }),
            ("table:dynamodb|aws:b|t".to_owned(), writes(10.0)),
            ("region:a".to_owned(), writes(0.001)),
        ]);
        assert_eq!(least_ms(&limits, &spent), (30_000.0, 10_000.0));
        assert_eq!(least_ms(&ByScope::new(), &spent), (0.0, 0.0));
    }

    #[test]
    fn a_task_is_at_work_at_all_locations_in_its_input() {
        let of = |input: Value| locations_of(&input).into_iter().map(|at| at.region).collect::<Vec<_>>();
        let (a, b) = (location("a"), location("b"));
        assert_eq!(of(json!({ "from": a, "to": b, "tenant": "acme" })), ["a", "b"]);
        assert_eq!(of(json!({ "source": a, "at": b, "part": 1 })), ["a", "b"]);
        assert_eq!(of(json!({ "at": a, "live": null })), ["a"]);
        assert_eq!(of(json!("another version's")), Vec::<String>::new());
    }

    proptest! {
        #[test]
        fn shares_of_those_at_work_never_add_up_to_more(
            present in prop::collection::vec(any::<bool>(), 1..20),
            rate in 1.0_f64..1e7,
        ) {
            let limits = ByScope::from([("overall".to_owned(), reads(rate))]);
            let scopes = |is_there: bool| if is_there { BTreeSet::from(["overall".to_owned()]) } else { BTreeSet::new() };
            let all: BTreeMap<_, _> =
                present.iter().enumerate().map(|(n, is_there)| (format!("p{n}"), scopes(*is_there))).collect();
            let there = all.iter().filter(|(_, scopes)| !scopes.is_empty());
            let sum: f64 = there.map(|(owner, _)| shares(&limits, &all, owner)["overall"].reads.expect("limited")).sum();
            prop_assert!(sum <= rate * (1.0 + 1e-9));
        }
    }
}
