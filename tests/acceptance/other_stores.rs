//! A whole move on stores that are not the embedded ones: a ministack, whose S3 stands behind a front that refuses to delete without
//! `Content-MD5`. Judged by reading both sides with the plain AWS SDK.

use std::collections::BTreeMap;

use acceptance::world::{NEIGHBOUR, TENANT, fresh_store, settings};
use acceptance::{Database, World, timing};
use aws_sdk_dynamodb::types::AttributeValue;
use engine::failpoints::NoFailpoints;
use store::{Store, StoreUrl};
use testkit::fault_proxies::md5::WantsMd5;
use testkit::fixtures;
use testkit::stores::{Side, Stores};
use workers::{CredentialsFrom, Movers};
use workflows::Deployment;

on_both_databases!(a_tenant_moves_whole_between_stores_that_want_content_md5, moves_whole);

const ITEMS: usize = 60;
const OBJECTS: usize = 25;

/// What one side holds of whom: keys of items and objects.
type Held = BTreeMap<String, Vec<String>>;

/// The topology over both sides: tables and buckets of a name of their own for each, because both are one server.
fn topology(sides: [(&Side, &WantsMd5); 2]) -> String {
    let regions = sides.map(|(side, front)| {
        format!(
            "  {}: {{ dynamodb: {{ endpoint: \"{}\" }}, s3: {{ endpoint: \"{}\" }} }}\n",
            side.region,
            side.dynamodb,
            front.endpoint()
        )
    });
    let realms = sides.map(|(side, _)| {
        let realm = &side.region[..2];
        format!("  {realm}: {{ dataRegions: [{}] }}\n", side.region)
    });
    let shards = |store: &dyn Fn(&Side) -> String| {
        let shard = |(side, _): (&Side, &WantsMd5)| {
            format!("      - {{ shard: {0}, dataRegions: [{0}], store: {1} }}\n", side.region, store(side))
        };
        sides.map(shard).concat()
    };
    let table = |side: &Side| {
        format!("{{ dynamodb: {{ table: {}, index: by-tenant, indexKey: tenant_shard, shardCount: 2 }} }}", table(side))
    };
    let bucket = |side: &Side| format!("{{ s3: {{ bucket: {}, prefix: \"{{tenant}}/\" }} }}", side.bucket("media"));
    let default = sides[0].0;
    format!(
        "regions:\n{}realms:\n{}services:\n  issue-service:\n    store: {}\n    shards:\n{}  media-service:\n    store: {}\n    shards:\n{}",
        regions.concat(),
        realms.concat(),
        table(default),
        shards(&table),
        bucket(default),
        shards(&bucket)
    )
}

fn table(side: &Side) -> String {
    format!("issues-{}", side.region)
}

async fn fill(side: &Side, tenant: &str) {
    let (items, objects) = (side.dynamodb_client(), side.s3_client());
    fixtures::put_items(&items, &table(side), "tenant_shard", tenant, 2, ITEMS, 7).await.expect("items are put");
    let (bucket, prefix) = (side.bucket("media"), format!("{tenant}/"));
    fixtures::put_objects(&objects, &bucket, &prefix, OBJECTS, 7).await.expect("objects are put");
}

async fn held(side: &Side) -> Held {
    let mut held = Held::new();
    let items =
        side.dynamodb_client().scan().table_name(table(side)).consistent_read(true).send().await.expect("a scan");
    assert!(items.last_evaluated_key.is_none(), "one page holds all");
    for item in items.items() {
        let of = item["tenant_shard"].as_s().expect("a text").split('#').next().expect("a tenant").to_owned();
        let key = |name: &str| match item.get(name) {
            Some(AttributeValue::S(text)) => text.clone(),
            other => format!("{other:?}"),
        };
        held.entry(of).or_default().push(format!("{}/{}", key("pk"), key("sk")));
    }
    let client = side.s3_client();
    let mut listed = client.list_objects_v2().bucket(side.bucket("media")).into_paginator().send();
    while let Some(page) = listed.next().await {
        for object in page.expect("a list").contents() {
            let key = object.key().expect("a key");
            let of = key.split('/').next().expect("a tenant").to_owned();
            let tag = object.e_tag().unwrap_or_default();
            // Parts may be cut at other places.
            let tag = if tag.contains('-') { "in parts" } else { tag };
            held.entry(of).or_default().push(format!("{key} {} {tag}", object.size().unwrap_or_default()));
        }
    }
    held.values_mut().for_each(|keys| keys.sort());
    held
}

async fn moves_whole(database: Database) {
    let (from, to) = Stores::Ministack.sides().expect("two regions of an account");
    let fronts = [&from, &to].map(|side| WantsMd5::before(&side.s3).expect("a front"));
    for side in [&from, &to] {
        let created = fixtures::create_table(&side.dynamodb_client(), &table(side), "by-tenant", "tenant_shard").await;
        created.expect("a table is made");
        fixtures::create_bucket(&side.s3_client(), &side.bucket("media")).await.expect("a bucket is made");
    }
    let (store_url, folder) = fresh_store(database).await;
    let url: StoreUrl = store_url.parse().expect("a store URL");
    let store = Store::open(&url).await.expect("the store opens");
    let timing = timing::short();
    let movers = Movers::new(CredentialsFrom::Fixed(from.credentials.clone()), settings(&timing));
    let deployment = Deployment::new(store, movers, timing);
    let yaml = topology([(&from, &fronts[0]), (&to, &fronts[1])]);
    let world = World::elsewhere(deployment, store_url, folder, &yaml, "us").await;
    for tenant in [TENANT, NEIGHBOUR] {
        fill(&from, tenant).await;
    }
    let before = held(&from).await;
    assert_eq!(before[TENANT].len(), ITEMS + OBJECTS);

    let view = world.run_move("eu", NoFailpoints).await;
    assert_eq!((view.state.as_str(), view.verified), ("completed", true), "{view:?}");
    assert!(view.removals.iter().all(|removal| removal.state == "done"), "{view:?}");
    let left = held(&from).await;
    assert_eq!((left.get(TENANT), &left[NEIGHBOUR]), (None, &before[NEIGHBOUR]));
    assert_eq!(held(&to).await, Held::from([(TENANT.to_owned(), before[TENANT].clone())]));
    let (refused, let_through) = fronts[0].deletions();
    assert!(refused > 0 && let_through > 0, "{refused} refused, {let_through} let through");
}
