//! "Global secondary indexes support eventually consistent reads only": what a Query of one returns may be what was there before (DynamoDB Developer Guide, "Using
//! global secondary indexes" and "DynamoDB read consistency").

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::Select;
use testkit::fault_proxies::lag::Lag;
use testkit::fault_proxies::throttle::Throttle;
use testkit::region::dynamodb_client;
use testkit::{Ports, Region, Storage, fixtures};

use crate::common::*;

const LAG: Duration = Duration::from_secs(10);

struct Late {
    region: Region,
    lag: Lag,
    client: Client,
    time: Time,
}

async fn late() -> Late {
    let region = Region::start("eu-west-1", Storage::Memory, Ports::Any).unwrap();
    fixtures::create_table(&dynamodb_client(&region), TABLE, INDEX, KEY).await.unwrap();
    let time = Time::default();
    let lag = Lag::before(&region, LAG, time.clock()).unwrap();
    let client = once(lag.endpoint(), "MOVER");
    Late { region, lag, client, time }
}

/// The numbers of the items that the index lists, page by page.
async fn listed(client: &Client, value: &str) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    let mut start = None;
    loop {
        let query = client.query().table_name(TABLE).index_name(INDEX).key_condition_expression("#k = :v").limit(7);
        let query = query.expression_attribute_names("#k", KEY).expression_attribute_values(":v", text(value));
        let query = query.expression_attribute_names("#p", "pk").projection_expression("#p");
        let page = query.set_exclusive_start_key(start).send().await.unwrap();
        assert_eq!(usize::try_from(page.count()).unwrap(), page.items().len());
        for item in page.items() {
            assert_eq!(item.keys().collect::<Vec<_>>(), ["pk"], "only what was asked for");
            assert!(found.insert(item["pk"].as_s().unwrap()[1..].parse().unwrap()), "listed twice");
        }
        start = page.last_evaluated_key;
        if start.is_none() {
            return found;
        }
    }
}

async fn counted(client: &Client, value: &str) -> i32 {
    let query = client.query().table_name(TABLE).index_name(INDEX).key_condition_expression("tenant_shard = :v");
    let page = query.expression_attribute_values(":v", text(value)).select(Select::Count).send().await.unwrap();
    assert!(page.items.is_none());
    page.count()
}

fn numbers(range: std::ops::Range<usize>) -> BTreeSet<usize> {
    range.collect()
}

#[tokio::test]
async fn an_index_lists_new_items_late_and_deleted_ones_still() {
    let late = late().await;
    assert_eq!(written(&late.client, puts((0..20).map(|n| item(n, "acme#0")))).await, 20);
    assert_eq!(listed(&late.client, "acme#0").await, numbers(0..0));
    let there = late.client.get_item().table_name(TABLE).set_key(Some(key(3))).consistent_read(true).send().await;
    assert!(there.unwrap().item.is_some(), "the table is not late");
    late.time.pass(LAG);
    assert_eq!(listed(&late.client, "acme#0").await, numbers(0..20));
    assert_eq!(counted(&late.client, "acme#0").await, 20);

    assert_eq!(written(&late.client, deletes((0..12).map(key))).await, 12);
    late.client.put_item().table_name(TABLE).set_item(Some(item(99, "acme#0"))).send().await.unwrap();
    assert_eq!(listed(&late.client, "acme#0").await, numbers(0..20));
    assert_eq!(counted(&late.client, "acme#0").await, 20);
    assert_eq!(late.lag.hidden(), 3 * 20 - 20 - 20 + 2, "20 first, and one that was too new, twice");
    assert_eq!(late.lag.listed(), 24, "12 that were gone, twice");
    late.time.pass(LAG);
    let after: BTreeSet<usize> = (12..20).chain([99]).collect();
    assert_eq!(listed(&late.client, "acme#0").await, after);
}

#[tokio::test]
async fn an_item_whose_index_key_changed_is_found_where_it_was() {
    let late = late().await;
    late.client.put_item().table_name(TABLE).set_item(Some(item(1, "acme#0"))).send().await.unwrap();
    late.time.pass(LAG);
    let update = late.client.update_item().table_name(TABLE).set_key(Some(key(1)));
    let update = update.update_expression("SET tenant_shard = :k").expression_attribute_values(":k", text("globex#0"));
    update.send().await.unwrap();
    assert_eq!(listed(&late.client, "acme#0").await, numbers(1..2));
    assert_eq!(listed(&late.client, "globex#0").await, numbers(0..0));
    late.time.pass(LAG);
    assert_eq!(listed(&late.client, "acme#0").await, numbers(0..0));
    assert_eq!(listed(&late.client, "globex#0").await, numbers(1..2));
}

#[tokio::test]
async fn several_changes_appear_one_after_the_other() {
    let late = late().await;
    let half = LAG / 2;
    late.client.put_item().table_name(TABLE).set_item(Some(item(1, "acme#0"))).send().await.unwrap();
    late.time.pass(half);
    late.client.put_item().table_name(TABLE).set_item(Some(item(1, "acme#1"))).send().await.unwrap();
    late.time.pass(half);
    assert_eq!(listed(&late.client, "acme#0").await, numbers(1..2));
    assert_eq!(listed(&late.client, "acme#1").await, numbers(0..0));
    // A change that the index does not hold leaves the entry where it is.
    late.client.put_item().table_name(TABLE).set_item(Some(large(1, "acme#1", 500))).send().await.unwrap();
    late.time.pass(half);
    assert_eq!(listed(&late.client, "acme#1").await, numbers(1..2));
    assert_eq!(listed(&late.client, "acme#0").await, numbers(0..0));
}

#[tokio::test]
async fn without_lag_nothing_is_late() {
    let late = late().await;
    late.lag.set(Duration::ZERO);
    assert_eq!(written(&late.client, puts((0..20).map(|n| item(n, "acme#0")))).await, 20);
    assert_eq!(listed(&late.client, "acme#0").await, numbers(0..20));
    assert_eq!(written(&late.client, deletes((0..20).map(key))).await, 20);
    assert_eq!(listed(&late.client, "acme#0").await, numbers(0..0));
}

#[tokio::test]
async fn fronts_stack() {
    let late = late().await;
    let settings = settings(limits(10.0, 1e9), &late.time);
    let throttle = Throttle::before_url(&late.region, late.lag.endpoint(), settings).unwrap();
    let client = once(throttle.endpoint(), "MOVER");
    assert_eq!(written(&client, puts((0..20).map(|n| item(n, "acme#0")))).await, 10);
    assert!(listed(&client, "acme#0").await.is_empty());
    late.time.pass(LAG);
    assert_eq!(listed(&client, "acme#0").await.len(), 10);
}
