//! Capacity for data work, reserved before a tenant goes offline: limits that an operator sets while everything runs, on
//! the data tasks that admitted work may have overall, in a region, or on a table or bucket. Limits on units a second have the
//! same scopes, and nothing is reserved of them: `unit_limits.rs`.

mod wake_next;

use std::collections::{BTreeMap, BTreeSet};

use catalogue::capacity::{self, Demand, Limit, Usage};
use catalogue::location::Location;
use engine::StepTx;
use store::{Millis, StoreError, Tx};

use crate::partitioning::Partitioning;
use crate::places::place_of;
use crate::plan::Plan;
use crate::scopes::{OVERALL, region_scope, table_scope};

pub use wake_next::RoomSweep;

/// How often one that waits for room looks again, in milliseconds.
pub(crate) const LOOK_AGAIN_MS: Millis = 1_000;

/// How often one looks again that nothing presses: [`RoomSweep`] wakes it when its turn has come.
pub(crate) const LOOK_AGAIN_IN_CASE_MS: Millis = 60_000;

/// The limit that is in the way, and who uses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocked {
    /// Its scope.
    pub scope: String,
    /// What it allows.
    pub slots: i64,
    /// What is wanted.
    pub weight: i64,
    /// How others use it.
    pub usage: Usage,
    /// Since when the workflow waits.
    pub since: Millis,
}

impl Blocked {
    /// In words: the limit, and who holds it.
    pub fn text(&self) -> String {
        let Self { scope, slots, weight, usage, .. } = self;
        let mut text = format!("room for {weight} data tasks: the limit {scope} is {slots}, {} in use", usage.used);
        match (&usage.holder, usage.holders) {
            (Some(holder), 1) => text.push_str(&format!(" by {holder}")),
            (Some(holder), holders) => text.push_str(&format!(" by {holder} and {} more", holders - 1)),
            (None, _) => {}
        }
        if let Some(first) = &usage.first_ahead {
            text.push_str(&format!(", and {} requested by others ahead in the queue, such as {first}", usage.ahead));
        }
        text
    }
}

/// Whether work of this weight is admitted. Work larger than the limit runs when it is alone; 0 admits nothing.
pub fn admits(slots: i64, usage: &Usage, weight: i64) -> bool {
    let taken = usage.used + usage.ahead;
    slots > 0 && (taken + weight <= slots || taken == 0)
}

/// Asks for room and looks whether there is any; grants nothing.
pub(crate) async fn look(step: &mut StepTx<'_>, wants: &[Demand]) -> Result<Option<Blocked>, StoreError> {
    let id = step.record.id.clone();
    let since = capacity::ask(step.tx, &id, wants, step.now).await?;
    let limits = capacity::limits(step.tx).await?;
    blocked(step.tx, &id, wants, since, &limits).await
}

/// Reserves the room, under the lock that orders all who do. `Some`: there is none, and nothing was reserved.
pub(crate) async fn take(step: &mut StepTx<'_>, wants: &[Demand]) -> Result<Option<Blocked>, StoreError> {
    let id = step.record.id.clone();
    let since = capacity::ask(step.tx, &id, wants, step.now).await?;
    if capacity::limits(step.tx).await?.iter().any(|limit| limit.slots.is_some()) {
        capacity::lock(step.tx).await?;
        // Read again: only what is seen under the lock counts.
        let limits = capacity::limits(step.tx).await?;
        if let Some(blocked) = blocked(step.tx, &id, wants, since, &limits).await? {
            return Ok(Some(blocked));
        }
    }
    capacity::grant(step.tx, &id, step.now).await?;
    Ok(None)
}

/// What a workflow that asked for room now would wait for. Asks for nothing.
pub(crate) async fn would_wait(tx: &mut Tx, wants: &[Demand], now: Millis) -> Result<Option<Blocked>, StoreError> {
    let limits = capacity::limits(tx).await?;
    blocked(tx, "", wants, now, &limits).await
}

/// What a workflow that has asked for room waits for; `None`: it has asked for none, has it, or there is room now.
pub async fn waits_for(tx: &mut Tx, workflow: &str) -> Result<Option<Blocked>, StoreError> {
    let Some((wants, since)) = capacity::waiting(tx, workflow).await? else { return Ok(None) };
    let limits = capacity::limits(tx).await?;
    blocked(tx, workflow, &wants, since, &limits).await
}

async fn blocked(
    tx: &mut Tx,
    workflow: &str,
    wants: &[Demand],
    since: Millis,
    limits: &[Limit],
) -> Result<Option<Blocked>, StoreError> {
    for limit in limits {
        let want = wants.iter().find(|want| want.scope == limit.scope);
        let (Some(want), Some(slots)) = (want, limit.slots) else { continue };
        let usage = capacity::usage(tx, &limit.scope, workflow, since).await?;
        if !admits(slots, &usage, want.weight) {
            let (scope, weight) = (limit.scope.clone(), want.weight);
            return Ok(Some(Blocked { scope, slots, weight, usage, since }));
        }
    }
    Ok(None)
}

/// What a move's data work needs: a task for each part copied to an added location (or compared at a kept
/// one) and of each replica that is left, counted overall, in the regions of its source and its target, and
/// on the table or bucket that is written.
pub(crate) fn demands_of_move(plan: &Plan, partitioning: &Partitioning) -> Vec<Demand> {
    let mut weights = Weights::default();
    for service in &plan.services {
        if let Some(staying) = service.staying() {
            for left in service.left_replicas() {
                let parts = i64::from(partitioning.parts(&service.service, left));
                weights.add(OVERALL.to_owned(), parts);
                weights.add_regions(&[left, staying], parts);
            }
        }
        let Some(source) = &service.source else { continue };
        let parts = i64::from(partitioning.parts(&service.service, source));
        for target in &service.add {
            weights.add(OVERALL.to_owned(), parts);
            weights.add_regions(&[source, target], parts);
            weights.add(table_scope(target), parts);
        }
        if service.compare_keep {
            for kept in service.keep.iter().filter(|kept| kept.key() != source.key()) {
                weights.add(OVERALL.to_owned(), parts);
                weights.add_regions(&[source, kept], parts);
            }
        }
    }
    weights.wants()
}

/// What a removal's data work needs.
pub(crate) fn demands_of_removal(location: &Location) -> Vec<Demand> {
    let parts = i64::from(place_of(location).parts());
    let mut weights = Weights::default();
    weights.add(OVERALL.to_owned(), parts);
    weights.add_regions(&[location], parts);
    weights.add(table_scope(location), parts);
    weights.wants()
}

#[derive(Default)]
struct Weights(BTreeMap<String, i64>);

impl Weights {
    fn add(&mut self, scope: String, parts: i64) {
        *self.0.entry(scope).or_default() += parts;
    }

    /// Once for each region, also when source and target are in the same.
    fn add_regions(&mut self, locations: &[&Location], parts: i64) {
        let regions: BTreeSet<&str> = locations.iter().map(|location| location.region.as_str()).collect();
        for region in regions {
            self.add(region_scope(region), parts);
        }
    }

    fn wants(self) -> Vec<Demand> {
        self.0.into_iter().map(|(scope, weight)| Demand { scope, weight }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use catalogue::location::Address;
    use proptest::prelude::*;

    fn usage(used: i64, ahead: i64) -> Usage {
        Usage { used, ahead, ..Usage::default() }
    }

    #[test]
    fn large_work_runs_alone_and_zero_admits_nothing() {
        assert!(admits(10, &usage(0, 0), 25), "alone");
        assert!(!admits(10, &usage(1, 0), 25) && !admits(10, &usage(0, 1), 25), "not beside or before others");
        assert!(!admits(0, &usage(0, 0), 1));
        assert!(admits(10, &usage(4, 2), 4) && !admits(10, &usage(4, 3), 4));
    }

    proptest! {
        #[test]
        fn what_is_admitted_fits_or_is_alone(slots in 0i64..50, used in 0i64..60, ahead in 0i64..60, weight in 1i64..60) {
            if admits(slots, &usage(used, ahead), weight) {
                prop_assert!(slots > 0 && (used + weight <= slots || used == 0));
            } else {
                prop_assert!(slots == 0 || used + ahead > 0);
            }
        }
    }

    #[test]
    fn a_table_counts_for_all_tenants_and_so_does_a_bucket() {
        let address = Address::Dynamodb {
            endpoint: None,
            table: "issues".to_owned(),
            index: "by-tenant".to_owned(),
            index_key: "tenant_shard".to_owned(),
            shard_count: 10,
        };
        let at = |address| Location { name: "x".to_owned(), region: "eu-west-1".to_owned(), address, table_id: None };
        let table = at(address);
        assert_eq!(table_scope(&table), "table:dynamodb|aws:eu-west-1|issues");
        let bucket = |prefix: &str| {
            let (bucket, prefix) = ("media".to_owned(), prefix.to_owned());
            at(Address::S3 { endpoint: None, bucket, prefix })
        };
        assert_eq!(table_scope(&bucket("acme/")), "table:s3|aws|media");
        assert_eq!(table_scope(&bucket("acme/")), table_scope(&bucket("other/")));
        let wants = demands_of_removal(&table);
        let shown: Vec<_> = wants.iter().map(|want| (want.scope.as_str(), want.weight)).collect();
        assert_eq!(shown, [("overall", 10), ("region:eu-west-1", 10), ("table:dynamodb|aws:eu-west-1|issues", 10)]);
    }

    #[test]
    fn what_is_in_the_way_is_named() {
        let usage = Usage { used: 18, holders: 3, holder: Some("m-1".to_owned()), ..Usage::default() };
        let mut blocked = Blocked { scope: "region:eu".to_owned(), slots: 20, weight: 5, usage, since: 0 };
        let wanted = "room for 5 data tasks: the limit region:eu is 20, 18 in use by m-1 and 2 more";
        assert_eq!(blocked.text(), wanted);
        blocked.usage = Usage { ahead: 7, first_ahead: Some("m-2".to_owned()), ..Usage::default() };
        assert!(blocked.text().ends_with("0 in use, and 7 requested by others ahead in the queue, such as m-2"));
    }
}
