//! The end: everything comes to rest, and then the stores, read with the plain SDK, are compared with what clients were told.

use std::time::Duration;

use serde_json::Value;
use testkit::observe::{Items, bucket_objects, table_items, unfinished_uploads};
use testkit::{Error, fixtures};

use crate::api::Request;
use crate::clients::{Journal, Key, Stores, Written, name_of};
use crate::stage::Stage;

/// How long everything may take to come to rest once the faults have ended.
const REST: Duration = Duration::from_secs(120);

/// What a tenant was given before anything began.
pub(crate) struct Seeded {
    pub(crate) issues: Items,
    pub(crate) activity: Items,
    pub(crate) objects: std::collections::BTreeMap<String, testkit::observe::ObservedObject>,
}

/// What one tenant holds in one region.
pub(crate) async fn holdings(stores: &Stores, tenant: &str) -> Result<(Seeded, usize), Error> {
    let prefix = format!("{tenant}/");
    let bucket = format!("media-{}", stores.region);
    let of_tenant = |mut items: Items| {
        items.retain(|_, item| {
            let value = item.get("tenant_shard").and_then(|value| value.as_s().ok());
            value.is_some_and(|value| fixtures::belongs_to(tenant, value))
        });
        items
    };
    let held = Seeded {
        issues: of_tenant(table_items(&stores.dynamodb, "issues").await?),
        activity: of_tenant(table_items(&stores.dynamodb, "activity").await?),
        objects: bucket_objects(&stores.s3, &bucket, &prefix).await?,
    };
    let unfinished = unfinished_uploads(&stores.s3, &bucket, &prefix).await?.len();
    Ok((held, unfinished))
}

/// Waits until no removal is unfinished. Failed ones are replayed meanwhile.
pub(crate) async fn until_at_rest(stage: &Stage) {
    let ended = tokio::time::timeout(REST, async {
        while any_unfinished(stage).await {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    });
    if ended.await.is_err() {
        stage.problem(format!("removals are still unfinished {REST:?} after the last fault"));
    }
}

/// Asked for in the order in which a removal goes through them, so that none slips into a state that was asked for already; once
/// more from the first, because a failed one that is replayed begins there.
async fn any_unfinished(stage: &Stage) -> bool {
    for state in ["waiting", "comparing", "removing", "failed", "waiting", "comparing", "removing"] {
        let found = stage.api.ask(&Request::get(&format!("removals?state={state}&limit=1"))).await;
        if found.body["items"].as_array().is_none_or(|items| !items.is_empty()) {
            return true;
        }
    }
    false
}

/// Compares everything about one tenant. `realm` is where its moves, as their ends were reported, have left it.
pub(crate) async fn judge(
    stage: &Stage,
    tenant: &str,
    realm: &str,
    seeded: &Seeded,
    journal: &Journal,
    stores: &[Stores],
) -> Result<(), Error> {
    let found = stage.api.ask(&Request::get(&format!("tenants/{tenant}"))).await;
    for (field, expected) in [("status", "online"), ("realm", realm)] {
        if found.text(field) != expected {
            stage.problem(format!("{tenant}: {field} is {} and not {expected}", found.text(field)));
        }
    }
    if !found.body["activeMove"].is_null() {
        stage.problem(format!("{tenant} still has the active move {}", found.body["activeMove"]));
    }
    for stores in stores {
        let home = stores.region.starts_with(realm);
        judge_ledger(stage, tenant, &stores.region, home, &found.body["ledger"]);
        let (held, unfinished) = holdings(stores, tenant).await?;
        let all = held.issues.len() + held.activity.len() + held.objects.len() + unfinished;
        if home {
            judge_home(stage, tenant, seeded, journal, &held);
        } else if all > 0 {
            let keys: Vec<&String> = held.issues.keys().chain(held.objects.keys()).take(3).collect();
            stage.problem(format!("{tenant} has left {all} items and objects in {}, such as {keys:?}", stores.region));
        }
    }
    Ok(())
}

fn judge_ledger(stage: &Stage, tenant: &str, region: &str, home: bool, entries: &Value) {
    let expected = if home { "live" } else { "absent" };
    let entries = entries.as_array().into_iter().flatten();
    for entry in entries.filter(|entry| entry["location"].as_str().is_some_and(|name| name.starts_with(region))) {
        if entry["state"] != expected {
            stage.problem(format!("{tenant}: the ledger says {} where it should say {expected}", entry));
        }
    }
}

fn judge_home(stage: &Stage, tenant: &str, seeded: &Seeded, journal: &Journal, held: &Seeded) {
    let missing = |what: &str, key: &String| stage.problem(format!("{tenant}: {what} {key} is lost or changed"));
    for (wanted, there) in [(&seeded.issues, &held.issues), (&seeded.activity, &held.activity)] {
        for (key, _) in wanted.iter().filter(|(key, item)| there.get(*key) != Some(item)) {
            missing("item", key);
        }
    }
    for (key, _) in seeded.objects.iter().filter(|(key, object)| held.objects.get(*key) != Some(object)) {
        missing("object", key);
    }
    let mut versions = std::collections::BTreeMap::new();
    for item in held.issues.values() {
        if let (Some(Ok(name)), Some(Ok(version))) =
            (item.get("pk").map(|v| v.as_s()), item.get("version").map(|v| v.as_n()))
        {
            versions.insert(name.clone(), version.parse::<u64>().ok());
        }
    }
    for (key, object) in &held.objects {
        versions.insert(key.clone(), object.metadata.get("version").and_then(|version| version.parse().ok()));
    }
    let mut written = 0;
    for (key, known) in journal {
        let name = name_of(tenant, key);
        let there = versions.get(&name).copied().flatten();
        written += usize::from(there.is_some());
        if !is_right(known, there) {
            stage.problem(format!("{tenant}: {name} is {there:?}, and clients were told {known:?}"));
        }
    }
    let items = journal.keys().filter(|key| matches!(key, Key::Item(_))).count();
    let most = seeded.issues.len() + items + seeded.objects.len() + journal.len() - items;
    if held.issues.len() + held.objects.len() > most || held.activity.len() != seeded.activity.len() {
        stage.problem(format!("{tenant} has more than was ever written: {written} of {most} expected at most"));
    }
}

/// The last acknowledged version, or one whose answer never came.
fn is_right(known: &Written, there: Option<u64>) -> bool {
    there == known.acknowledged || there.is_some_and(|there| known.unknown.contains(&there))
}
