//! Stores that replicate by themselves: what is written or deleted in one region is in the others a while
//! later, and the settings say so.

use std::time::Duration;

use testkit::region::{dynamodb_client, s3_client};
use testkit::replication::{ReplicatedBuckets, replicate_table};
use testkit::{Error, Ports, Region, Storage, fixtures, observe};

const SHARD: &str = "tenant_shard";
const DELAY: Duration = Duration::from_millis(50);

fn regions() -> Result<Vec<Region>, Error> {
    let start = |name: &str| Region::start(name, Storage::Memory, Ports::Any);
    ["us-east-1", "eu-west-1", "ap-south-1"].into_iter().map(start).collect()
}

/// Looks until it is so, bounded.
async fn until<F: Future<Output = bool>>(holds: impl Fn() -> F) {
    let reached = async {
        let mut look = tokio::time::interval(Duration::from_millis(10));
        loop {
            look.tick().await;
            if holds().await {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), reached).await.expect("it is replicated in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_global_table_brings_writes_and_deletes_to_every_region_and_names_them() -> Result<(), Error> {
    let regions = regions()?;
    let all: Vec<&Region> = regions.iter().collect();
    for at in &all {
        for table in ["issues", "local"] {
            fixtures::create_table(&dynamodb_client(at), table, "by-tenant", SHARD).await?;
        }
    }
    replicate_table(&all, "issues", DELAY)?;
    let clients: Vec<_> = all.iter().map(|at| dynamodb_client(at)).collect();
    for table in ["issues", "local"] {
        fixtures::write_item(&clients[0], table, (SHARD, "acme#0"), "one").await?;
    }
    let held = async |n: usize| observe::table_items(&clients[n], "issues").await.expect("items").len();
    until(|| async { held(1).await == 1 && held(2).await == 1 }).await;
    assert!(observe::table_items(&clients[1], "local").await?.is_empty(), "another table does not replicate");

    let described = clients[1].describe_table().table_name("issues").send().await;
    let table = described.map_err(|error| Error::new("describe", error))?.table.expect("a table");
    let mut named: Vec<&str> = table.replicas().iter().filter_map(|replica| replica.region_name()).collect();
    named.sort_unstable();
    assert_eq!(named, ["ap-south-1", "us-east-1"]);

    let text = |text: &str| aws_sdk_dynamodb::types::AttributeValue::S(text.to_owned());
    let delete = clients[2].delete_item().table_name("issues").key("pk", text("one")).key("sk", text("late"));
    delete.send().await.map_err(|error| Error::new("delete", error))?;
    until(|| async { held(0).await == 0 && held(1).await == 0 }).await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn replicated_buckets_bring_objects_over_and_no_deletes_of_versions() -> Result<(), Error> {
    let regions = regions()?;
    let all: Vec<&Region> = regions.iter().collect();
    for at in &all {
        fixtures::create_bucket(&s3_client(at), &format!("media-{}", at.name())).await?;
    }
    let _replicated = ReplicatedBuckets::start(&all, "media", DELAY).await?;
    fixtures::seed_objects(all[0], "media-us-east-1", "acme/", 12, 9).await?;
    let held = async |n: usize| {
        let bucket = format!("media-{}", all[n].name());
        observe::bucket_objects(&s3_client(all[n]), &bucket, "").await.expect("objects")
    };
    let seeded = held(0).await;
    until(|| async { held(1).await == seeded && held(2).await == seeded }).await;
    let client = s3_client(all[0]);
    let versions = client.list_object_versions().bucket("media-us-east-1").send().await;
    let versions = versions.map_err(|error| Error::new("list versions", error))?;
    assert_eq!(versions.versions().len(), seeded.len(), "what was brought over is not brought back");
    Ok(())
}
