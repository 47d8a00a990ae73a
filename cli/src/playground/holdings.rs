//! What tenants really hold in the embedded regions, read with a plain AWS client, and how it is put there. realmctl's own
//! readers are not asked, so that a check can't share a mistake with what it checks.

use std::collections::BTreeMap;

use testkit::observe::{self, Items, ObservedObject};
use testkit::region::{dynamodb_client, s3_client};
use testkit::{Error, Region, fixtures};

/// Attribute and index shards of the two tables, as the topology has them.
const INDEX_KEY: &str = "tenant_shard";
const ISSUES: (&str, u32) = ("issues", 10);
const ACTIVITY: (&str, u32) = ("activity", 4);
/// Of a tenant's items, one in so many is activity; the others are issues.
const ACTIVITY_SHARE: usize = 10;
/// Any number: it makes the contents the same in every run.
const SEED: u64 = 7;

/// What one tenant holds in one region.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Holdings {
    /// Of the issue service.
    pub(crate) issues: Items,
    /// Of the activity service.
    pub(crate) activity: Items,
    /// Of the media service.
    pub(crate) objects: BTreeMap<String, ObservedObject>,
    /// Uploads that were neither completed nor aborted.
    pub(crate) unfinished: usize,
}

impl Holdings {
    /// Whether there is nothing at all.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Up to `most` keys in which two holdings differ.
    pub(crate) fn differences(&self, other: &Self, most: usize) -> Vec<String> {
        let mut keys = differing(&self.issues, &other.issues);
        keys.extend(differing(&self.activity, &other.activity));
        keys.extend(differing(&self.objects, &other.objects));
        keys.truncate(most);
        keys
    }
}

fn differing<T: PartialEq>(left: &BTreeMap<String, T>, right: &BTreeMap<String, T>) -> Vec<String> {
    let missing = right.keys().filter(|key| !left.contains_key(*key));
    let changed = left.iter().filter(|(key, value)| right.get(*key) != Some(value)).map(|(key, _)| key);
    changed.chain(missing).cloned().collect()
}

/// Everything that some tenants hold in some regions.
#[derive(Debug)]
pub(crate) struct Observed(BTreeMap<(String, String), Holdings>);

impl Observed {
    /// Reads it all.
    pub(crate) async fn read(regions: &[&Region], tenants: &[&str]) -> Result<Self, Error> {
        let mut all = BTreeMap::new();
        for region in regions {
            let (dynamodb, s3) = (dynamodb_client(region), s3_client(region));
            let issues = observe::table_items(&dynamodb, ISSUES.0).await?;
            let activity = observe::table_items(&dynamodb, ACTIVITY.0).await?;
            let bucket = bucket(region);
            for tenant in tenants {
                let prefix = format!("{tenant}/");
                let holdings = Holdings {
                    issues: of_tenant(&issues, tenant),
                    activity: of_tenant(&activity, tenant),
                    objects: observe::bucket_objects(&s3, &bucket, &prefix).await?,
                    unfinished: observe::unfinished_uploads(&s3, &bucket, &prefix).await?.len(),
                };
                all.insert((region.name().to_owned(), (*tenant).to_owned()), holdings);
            }
        }
        Ok(Self(all))
    }

    /// What one tenant holds in one region.
    pub(crate) fn of(&self, region: &str, tenant: &str) -> &Holdings {
        self.0.get(&(region.to_owned(), tenant.to_owned())).expect("every region and tenant that is asked for was read")
    }
}

/// Gives a tenant `items` items and `objects` objects in a region; the same arguments give the same.
pub(crate) async fn seed(region: &Region, tenant: &str, items: usize, objects: usize) -> Result<(), Error> {
    let activity = items / ACTIVITY_SHARE;
    for ((table, shards), count) in [(ISSUES, items - activity), (ACTIVITY, activity)] {
        fixtures::seed_items(region, table, INDEX_KEY, tenant, shards, count, SEED).await?;
    }
    fixtures::seed_objects(region, &bucket(region), &format!("{tenant}/"), objects, SEED).await
}

fn of_tenant(items: &Items, tenant: &str) -> Items {
    let belongs = |item: &observe::Item| {
        let value = item.get(INDEX_KEY).and_then(|value| value.as_s().ok());
        value.is_some_and(|value| fixtures::belongs_to(tenant, value))
    };
    items.iter().filter(|(_, item)| belongs(item)).map(|(key, item)| (key.clone(), item.clone())).collect()
}

fn bucket(region: &Region) -> String {
    format!("media-{}", region.name())
}
