//! What a process knows of limits on units a second from one look to the next: what the topology states, by its version, and since when
//! the process is at work in which scope.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use catalogue::topologies;
use catalogue::topology::{Topology, UnitLimits};
use store::{StoreError, Tx};
use tokio::time::Instant;
use workers::limits::Rates;

use crate::scopes::{OVERALL, table_scope};

/// Units a second by scope.
pub(crate) type ByScope = BTreeMap<String, Rates>;

/// The processes at work, with the scopes of the data tasks that they run.
pub(crate) type AtWork = BTreeMap<String, BTreeSet<String>>;

/// What this process knows from one look to the next.
#[derive(Debug, Default)]
pub struct Known {
    /// What the topology of this version says.
    stated: Mutex<Option<(i64, Stated)>>,
    /// The scopes where it is at work, and from when on it may send there.
    joined: Mutex<BTreeMap<String, Instant>>,
}

/// What a topology says that every process has to know all the time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stated {
    pub(crate) limits: ByScope,
    /// Where stores are reached that are not reached by their own endpoints.
    pub(crate) addresses: BTreeMap<String, String>,
}

impl Known {
    pub(crate) async fn stated(&self, tx: &mut Tx) -> Result<Stated, StoreError> {
        let version = topologies::version(tx).await?.unwrap_or_default();
        let known = self.stated.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, stated)) = known.filter(|(of, _)| *of == version) {
            return Ok(stated);
        }
        let topology = topologies::current(tx).await?;
        let (version, stated) = topology.map(|now| (now.version, Stated::of(&now.topology))).unwrap_or_default();
        *self.stated.lock().unwrap_or_else(PoisonError::into_inner) = Some((version, stated.clone()));
        Ok(stated)
    }

    /// From when on the process may send in each scope where it is at work: at once where nobody else was when it came.
    pub(crate) fn join(&self, at_work: &AtWork, owner: &str, until_seen: Duration) -> BTreeMap<String, Instant> {
        let now = Instant::now();
        let mut joined = self.joined.lock().unwrap_or_else(PoisonError::into_inner);
        let first = |scope: &String| if others(at_work, owner, scope) == 0 { now } else { now + until_seen };
        let scopes = at_work.get(owner).into_iter().flatten();
        let new = scopes.map(|scope| (scope.clone(), joined.get(scope).copied().unwrap_or_else(|| first(scope))));
        *joined = new.collect();
        joined.clone()
    }
}

impl Stated {
    pub(crate) fn of(topology: &Topology) -> Self {
        Self { limits: by_topology(topology), addresses: topology.addresses() }
    }
}

fn by_topology(topology: &Topology) -> ByScope {
    let rates = |limits: &UnitLimits| Rates {
        writes: limits.write_units.map(f64::from),
        reads: limits.read_units.map(f64::from),
        not_before: None,
    };
    let mut stated = ByScope::new();
    lower(&mut stated, OVERALL.to_owned(), rates(&topology.limits));
    for (table, limits) in topology.limits_of_tables() {
        lower(&mut stated, table_scope(&table), rates(&limits));
    }
    stated
}

/// Of two limits on the same, the lower one counts.
pub(crate) fn lower(limits: &mut ByScope, scope: String, also: Rates) {
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

/// How many processes beside the `owner` are at work in a scope.
pub(crate) fn others(at_work: &AtWork, owner: &str, scope: &String) -> usize {
    at_work.iter().filter(|(name, scopes)| *name != owner && scopes.contains(scope)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads(rate: f64) -> Rates {
        Rates { reads: Some(rate), ..Rates::default() }
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
        let both = |writes: f64, reads: f64| Rates { writes: Some(writes), reads: Some(reads), not_before: None };
        let table = "table:dynamodb|aws:eu-west-1|issues";
        let stated = [
            (OVERALL.to_owned(), Rates { writes: Some(500.0), ..Rates::default() }),
            (table.to_owned(), both(7.0, 9.0)),
        ];
        assert_eq!(limits, ByScope::from(stated));
        lower(&mut limits, table.to_owned(), both(8.0, 3.0));
        lower(&mut limits, OVERALL.to_owned(), reads(40.0));
        assert_eq!(
            limits,
            ByScope::from([(OVERALL.to_owned(), both(500.0, 40.0)), (table.to_owned(), both(7.0, 3.0))])
        );
    }
}
