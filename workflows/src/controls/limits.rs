//! Setting limits on data work while it runs. Lowering one on data tasks lets what runs finish, and 0 admits nothing new; one on
//! units a second is felt by what runs.

use std::collections::BTreeSet;

use catalogue::capacity::{self, Limit};
use catalogue::topologies;
use catalogue::topology::{Topology, UNITS_MAX};
use engine::tables::workflow_table;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{StoreError, Tx};

use crate::actor::Actor;
use crate::audit_entries;
use crate::deployment::Deployment;
use crate::precondition::{Precondition, Tag};
use crate::refusal::Refusal;
use crate::scopes::{OVERALL, region_scope, table_scope};

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

/// What to limit in a scope; what is not named stays as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LimitChange {
    /// Data tasks at a time; 0 admits nothing new.
    pub slots: Option<i64>,
    /// Write units a second that all processes together ask of tables.
    pub write_units: Option<i64>,
    /// Read units, likewise.
    pub read_units: Option<i64>,
}

impl LimitChange {
    /// A limit on data tasks.
    pub fn slots(slots: i64) -> Self {
        Self { slots: Some(slots), ..Self::default() }
    }

    fn limits_units(&self) -> bool {
        self.write_units.is_some() || self.read_units.is_some()
    }

    fn check(&self) -> Result<(), Refusal> {
        let wrong = |message: String| Err(Refusal::invalid("invalid_limit", message));
        if *self == Self::default() {
            return wrong("nothing to limit is named: data tasks, write units or read units".to_owned());
        }
        if self.slots.is_some_and(|slots| !(0..=SLOTS_MAX).contains(&slots)) {
            return wrong(format!("a limit is a whole number of data tasks from 0 to {SLOTS_MAX}"));
        }
        let units = [self.write_units, self.read_units].into_iter().flatten();
        if units.into_iter().any(|units| !(1..=i64::from(UNITS_MAX)).contains(&units)) {
            let message = format!(
                "a limit on units is a whole number of units a second from 1 to {UNITS_MAX}; to let no new work in, limit the \
                 data tasks to 0"
            );
            return wrong(message);
        }
        Ok(())
    }
}

/// The most data tasks that a limit can be.
const SLOTS_MAX: i64 = 1_000_000;

/// Scopes of tables and buckets begin so, and those of tables so: see `Location::key`.
const TABLES: &str = "table:";
const DYNAMODB_TABLES: &str = "table:dynamodb|";

/// Names told when an unknown one was given.
const NAMED: usize = 20;

/// Sets a limit. On data tasks it counts from the next admission on; on units within about a tenth of a heartbeat.
pub async fn set_limit(
    deployment: &Deployment,
    scope: &str,
    change: &LimitChange,
    actor: &Actor,
) -> Result<LimitUse, Refusal> {
    set_limit_if(deployment, (scope, change), &Precondition::Any, actor).await
}

/// The same if the limits in force are those that the caller has seen.
pub async fn set_limit_if(
    deployment: &Deployment,
    asked: (&str, &LimitChange),
    on: &Precondition,
    actor: &Actor,
) -> Result<LimitUse, Refusal> {
    let mut tx = deployment.store.begin().await?;
    let set = set_limit_in(deployment, &mut tx, asked, on, actor).await?;
    tx.commit().await?;
    Ok(set)
}

/// The same in the caller's transaction. After a refusal it has to be rolled back.
pub(crate) async fn set_limit_in(
    deployment: &Deployment,
    tx: &mut Tx,
    (scope, change): (&str, &LimitChange),
    on: &Precondition,
    actor: &Actor,
) -> Result<LimitUse, Refusal> {
    change.check()?;
    check_scope(tx, scope).await?;
    if change.limits_units() && scope.starts_with(TABLES) && !scope.starts_with(DYNAMODB_TABLES) {
        let message =
            format!("only tables of DynamoDB have write and read units: limit the data tasks of {scope} instead");
        return Err(Refusal::invalid("invalid_limit", message));
    }
    capacity::lock(tx).await?;
    let all = capacity::limits(tx).await?;
    on.check(&tag(&all), "the limits")?;
    let before = all.into_iter().find(|limit| limit.scope == scope);
    let limit = Limit {
        scope: scope.to_owned(),
        slots: change.slots.or(before.as_ref().and_then(|before| before.slots)),
        write_units: change.write_units.or(before.as_ref().and_then(|before| before.write_units)),
        read_units: change.read_units.or(before.as_ref().and_then(|before| before.read_units)),
        at: tx.now().await?,
        who: actor.who.clone(),
        why: actor.why.clone(),
    };
    capacity::set_limit(tx, &limit).await?;
    let change = (shown(scope, before.as_ref()), shown(scope, Some(&limit)));
    audit_entries::changed(tx, deployment.ids.as_ref(), "limit.set", change, actor).await?;
    let (used, waiting) = capacity::totals(tx, scope).await?;
    Ok(LimitUse { limit, used, waiting })
}

/// Takes a limit away; `false`: there was none.
pub async fn unset_limit(deployment: &Deployment, scope: &str, actor: &Actor) -> Result<bool, Refusal> {
    unset_limit_if(deployment, scope, &Precondition::Any, actor).await
}

/// The same if the limits in force are those that the caller has seen.
pub async fn unset_limit_if(
    deployment: &Deployment,
    scope: &str,
    on: &Precondition,
    actor: &Actor,
) -> Result<bool, Refusal> {
    let mut tx = deployment.store.begin().await?;
    capacity::lock(&mut tx).await?;
    on.check(&tag(&capacity::limits(&mut tx).await?), "the limits")?;
    let Some(before) = capacity::unset_limit(&mut tx, scope).await? else { return Ok(false) };
    let change = (shown(scope, Some(&before)), shown(scope, None));
    audit_entries::changed(&mut tx, deployment.ids.as_ref(), "limit.unset", change, actor).await?;
    // Where there is a limit a sweep finds whose turn it is. Rows that are locked are not waited for: whoever steps one asks after this.
    let waiting = capacity::all_waiting(&mut tx, scope).await?;
    workflow_table::wake_all(&mut tx, &waiting).await?;
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

/// Names the limits that are in force, however they are used.
pub async fn limits_tag(tx: &mut Tx) -> Result<Tag, StoreError> {
    Ok(tag(&capacity::limits(tx).await?))
}

fn tag(limits: &[Limit]) -> Tag {
    let shown: Vec<Value> = limits.iter().map(|limit| shown(&limit.scope, Some(limit))).collect();
    Tag::of(&Value::Array(shown))
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
    let message = format!("the topology has no scope {scope}; there are {}{more}", told.join(", "));
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
    json!({
        "scope": scope,
        "slots": limit.and_then(|limit| limit.slots),
        "writeUnits": limit.and_then(|limit| limit.write_units),
        "readUnits": limit.and_then(|limit| limit.read_units),
    })
}
