//! Setting limits on data work while it runs. Lowering one lets what runs finish; 0 admits nothing new.

use std::collections::BTreeSet;

use catalogue::audit::{self, AuditEntry};
use catalogue::capacity::{self, Limit};
use catalogue::topologies;
use catalogue::topology::Topology;
use serde_json::{Value, json};
use store::{StoreError, Tx};

use crate::capacity::{OVERALL, region_scope, table_scope};
use crate::deployment::Deployment;
use crate::refusal::Refusal;
use crate::requester::Requester;

/// A limit, and how it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitUse {
    /// The limit.
    pub limit: Limit,
    /// Data tasks that admitted work may have there.
    pub used: i64,
    /// Data tasks that wait for room.
    pub waiting: i64,
}

/// The most that a limit can be.
const SLOTS_MAX: i64 = 1_000_000;

/// Names told when an unknown one was given.
const NAMED: usize = 20;

/// Sets a limit; it counts from the next admission on.
pub async fn set_limit(
    deployment: &Deployment,
    scope: &str,
    slots: i64,
    requester: &Requester,
) -> Result<LimitUse, Refusal> {
    if !(0..=SLOTS_MAX).contains(&slots) {
        let message = format!("a limit is a whole number of data tasks from 0 to {SLOTS_MAX}");
        return Err(Refusal::invalid("invalid_limit", message));
    }
    let mut tx = deployment.store.begin().await?;
    check_scope(&mut tx, scope).await?;
    capacity::lock(&mut tx).await?;
    let before = capacity::limits(&mut tx).await?.into_iter().find(|limit| limit.scope == scope);
    let limit = Limit {
        scope: scope.to_owned(),
        slots,
        at: tx.now().await?,
        who: requester.who.clone(),
        why: requester.why.clone(),
    };
    capacity::set_limit(&mut tx, &limit).await?;
    record(deployment, &mut tx, "limit.set", (shown(scope, before.as_ref()), shown(scope, Some(&limit))), requester)
        .await?;
    let (used, waiting) = capacity::totals(&mut tx, scope).await?;
    tx.commit().await?;
    Ok(LimitUse { limit, used, waiting })
}

/// Takes a limit away; `false`: there was none.
pub async fn unset_limit(deployment: &Deployment, scope: &str, requester: &Requester) -> Result<bool, Refusal> {
    let mut tx = deployment.store.begin().await?;
    capacity::lock(&mut tx).await?;
    let Some(before) = capacity::unset_limit(&mut tx, scope).await? else { return Ok(false) };
    record(deployment, &mut tx, "limit.unset", (shown(scope, Some(&before)), shown(scope, None)), requester).await?;
    tx.commit().await?;
    Ok(true)
}

/// All limits and how they are used.
pub async fn list_limits(tx: &mut Tx) -> Result<Vec<LimitUse>, StoreError> {
    let mut found = Vec::new();
    for limit in capacity::limits(tx).await? {
        let (used, waiting) = capacity::totals(tx, &limit.scope).await?;
        found.push(LimitUse { limit, used, waiting });
    }
    Ok(found)
}

/// A limit on something that does not exist would limit nothing, and nobody would notice.
async fn check_scope(tx: &mut Tx, scope: &str) -> Result<(), Refusal> {
    let topology = topologies::current(tx).await?.map(|stored| stored.topology).unwrap_or_default();
    let known = scopes(&topology);
    if known.contains(scope) {
        return Ok(());
    }
    let told: Vec<&str> = known.iter().map(String::as_str).take(NAMED).collect();
    let more = if known.len() > NAMED { ", …" } else { "" };
    let message = format!("there is no scope {scope} by the topology in force; there are {}{more}", told.join(", "));
    Err(Refusal::not_found("unknown_scope", message))
}

/// Every scope that work by this topology can fall under.
fn scopes(topology: &Topology) -> BTreeSet<String> {
    let mut scopes = BTreeSet::from([OVERALL.to_owned()]);
    scopes.extend(topology.regions.keys().map(|region| region_scope(region)));
    for (name, service) in &topology.services {
        for shard in &service.shards {
            // None of its locations can be named only when the topology is not a valid one.
            let locations = topology.locations(name, &shard.shard, "any").unwrap_or_default();
            scopes.extend(locations.iter().map(table_scope));
        }
    }
    scopes
}

fn shown(scope: &str, limit: Option<&Limit>) -> Value {
    json!({ "scope": scope, "slots": limit.map(|limit| limit.slots) })
}

async fn record(
    deployment: &Deployment,
    tx: &mut Tx,
    action: &str,
    (before, after): (Value, Value),
    requester: &Requester,
) -> Result<(), StoreError> {
    let entry = AuditEntry {
        id: deployment.ids.next(),
        at: tx.now().await?,
        who: requester.who.clone(),
        action: action.to_owned(),
        tenant: None,
        why: requester.why.clone(),
        before,
        after,
    };
    audit::append(tx, &entry).await
}
