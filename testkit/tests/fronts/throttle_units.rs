//! What each operation costs: as the front charges it, as AWS documents it, and as the embedded DynamoDB (which has its figures from observations
//! of AWS) reports it.

use aws_sdk_dynamodb::types::{
    AttributeValue, ConsumedCapacity, Get, KeysAndAttributes, Put, ReturnConsumedCapacity as Want, TransactGetItem,
    TransactWriteItem,
};
use testkit::fault_proxies::throttle::Place;

use crate::common::*;

const KIB: usize = 1024;
/// Bytes of an item's keys and index key: pk (2 + 7), sk (2 + 1), tenant_shard (12 + 6).
const KEYS: usize = 30;

/// An item of exactly this many bytes.
fn sized(n: usize, value: &str, bytes: usize) -> Item {
    large(n, value, bytes - KEYS)
}

async fn free() -> Bench {
    bench(|time| settings(limits(1e9, 1e9), time)).await
}

/// Units the front charged since it was last asked: in the table, in the index (of writes), and of reads.
fn charged(bench: &Bench) -> (f64, f64, f64) {
    let (mut table, mut index, mut read) = (0.0, 0.0, 0.0);
    for (key, counts) in bench.throttle.totals() {
        match key.place {
            Place::Table => {}
            Place::Base(_) => table += counts.write_units,
            Place::Index { .. } => index += counts.write_units,
        }
        if key.place != Place::Table {
            read += counts.read_units;
        }
    }
    bench.throttle.reset_counts();
    (table, index, read)
}

/// What the store said it consumed: table and index.
fn said(consumed: Option<&ConsumedCapacity>) -> (f64, f64) {
    let consumed = consumed.expect("it was asked for");
    let table = consumed.table().and_then(|table| table.capacity_units()).unwrap_or_default();
    let index = consumed.global_secondary_indexes().and_then(|all| all.get(INDEX)?.capacity_units());
    let total = consumed.capacity_units().unwrap_or_default();
    assert_eq!(total, table + index.unwrap_or_default());
    (table, index.unwrap_or_default())
}

async fn put(bench: &Bench, item: Item) -> (f64, f64) {
    let put = bench.client.put_item().table_name(TABLE).set_item(Some(item));
    let answer = put.return_consumed_capacity(Want::Indexes).send().await.unwrap();
    let (table, index, _) = charged(bench);
    assert_eq!((table, index), said(answer.consumed_capacity()), "the front and the store agree");
    (table, index)
}

async fn delete(bench: &Bench, n: usize) -> (f64, f64) {
    let delete = bench.client.delete_item().table_name(TABLE).set_key(Some(key(n)));
    let answer = delete.return_consumed_capacity(Want::Indexes).send().await.unwrap();
    let (table, index, _) = charged(bench);
    assert_eq!((table, index), said(answer.consumed_capacity()), "the front and the store agree");
    (table, index)
}

/// "PutItem ... If an item with the same primary key exists in the table, the operation replaces the item. For calculating provisioned
/// throughput consumption, the item size that matters is the larger of the two"; "DeleteItem ... based on the size of the deleted item"
/// (DynamoDB Developer Guide, "DynamoDB read and write operations"; 1 KB of these pages is 1,024 bytes). Index: the same guide, "Using global secondary indexes", on write
/// capacity: a new entry one write, a changed key two, a deletion one, none when no projected attribute changes.
#[tokio::test]
async fn writes_cost_by_size_and_by_what_changes_in_the_index() {
    let bench = free().await;
    assert_eq!(put(&bench, sized(1, "acme#0", KIB)).await, (1.0, 1.0), "exactly a KiB");
    assert_eq!(put(&bench, sized(2, "acme#0", KIB + 1)).await, (2.0, 1.0), "a byte more; the index keeps keys only");
    assert_eq!(put(&bench, sized(2, "acme#0", 5 * KIB)).await, (5.0, 0.0), "it grows; no key changes");
    assert_eq!(put(&bench, sized(2, "acme#0", 100)).await, (5.0, 0.0), "it shrinks: the larger of the two");
    assert_eq!(put(&bench, sized(2, "acme#1", 100)).await, (1.0, 2.0), "another key: one entry goes, one comes");
    assert_eq!(put(&bench, key(2)).await, (1.0, 1.0), "it leaves the index");
    assert_eq!(put(&bench, sized(2, "acme#0", 3 * KIB)).await, (3.0, 1.0), "and is back");
    assert_eq!(delete(&bench, 2).await, (3.0, 1.0), "a delete costs what was there");
    assert_eq!(delete(&bench, 2).await, (1.0, 0.0), "and a unit when nothing was");
}

#[tokio::test]
async fn a_batch_costs_the_sum_of_its_items() {
    let bench = free().await;
    let batch = puts([sized(1, "acme#0", 100), sized(2, "acme#0", KIB + 1), sized(3, "acme#1", 10 * KIB)]);
    let write = bench.client.batch_write_item().request_items(TABLE, batch).return_consumed_capacity(Want::Indexes);
    let answer = write.send().await.unwrap();
    let (table, index, _) = charged(&bench);
    assert_eq!((table, index), (13.0, 3.0));
    assert_eq!(said(answer.consumed_capacity().first()), (13.0, 3.0));
    let write = bench.client.batch_write_item().request_items(TABLE, deletes([key(1), key(2), key(9)]));
    let answer = write.return_consumed_capacity(Want::Total).send().await.unwrap();
    assert_eq!(charged(&bench), (4.0, 2.0, 0.0));
    assert_eq!(answer.consumed_capacity()[0].capacity_units(), Some(6.0));
    assert!(answer.consumed_capacity()[0].table().is_none(), "TOTAL says no more");
}

/// What is left undone is not consumed.
#[tokio::test]
async fn a_batch_done_in_part_reports_what_it_consumed() {
    let bench = bench(|time| settings(limits(4.0, 1e9), time)).await;
    let write = bench.client.batch_write_item().request_items(TABLE, puts((0..9).map(|n| item(n, "acme#0"))));
    let answer = write.return_consumed_capacity(Want::Indexes).send().await.unwrap();
    assert_eq!(said(answer.consumed_capacity().first()), (4.0, 4.0));
}

/// "UpdateItem ... DynamoDB considers the size of the item as it appears before and after the update. The provisioned throughput
/// consumed reflects the larger of these item sizes" (the same page).
#[tokio::test]
async fn an_update_costs_the_larger_of_before_and_after() {
    let bench = free().await;
    let update = async |n: usize, body: usize, value: &str| {
        let update = bench.client.update_item().table_name(TABLE).set_key(Some(key(n)));
        let update = update.update_expression("SET body = :b, tenant_shard = :k");
        let update = update.expression_attribute_values(":b", AttributeValue::S("x".repeat(body)));
        let update = update.expression_attribute_values(":k", text(value));
        let answer = update.return_consumed_capacity(Want::Indexes).send().await.unwrap();
        let (table, index, _) = charged(&bench);
        assert_eq!((table, index), said(answer.consumed_capacity()), "the front and the store agree");
        (table, index)
    };
    assert_eq!(update(1, 2 * KIB, "acme#0").await, (3.0, 1.0));
    assert_eq!(update(1, 10, "acme#0").await, (3.0, 0.0));
    assert_eq!(update(1, 20, "acme#1").await, (1.0, 2.0));
}

/// "A strongly consistent read request of an item up to 4 KB requires one read unit; an eventually consistent one, one-half; a transactional one,
/// two"; "BatchGetItem ... first rounds up the size of each item to the next 4 KB boundary" (the same page).
#[tokio::test]
async fn reads_cost_by_size_and_consistency() {
    let bench = free().await;
    for (n, bytes) in [(1, 4 * KIB), (2, 4 * KIB + 1), (3, 100)] {
        put(&bench, sized(n, "acme#0", bytes)).await;
    }
    for (n, consistent, units) in [(1, true, 1.0), (1, false, 0.5), (2, true, 2.0), (2, false, 1.0), (9, true, 1.0)] {
        let get = bench.client.get_item().table_name(TABLE).set_key(Some(key(n))).consistent_read(consistent);
        let answer = get.return_consumed_capacity(Want::Total).send().await.unwrap();
        assert_eq!(charged(&bench).2, units, "item {n}, consistent: {consistent}");
        assert_eq!(answer.consumed_capacity().unwrap().capacity_units(), Some(units));
    }
    for (consistent, units) in [(true, 5.0), (false, 2.5)] {
        let keys = KeysAndAttributes::builder().set_keys(Some([1, 2, 3, 9].map(key).to_vec()));
        let get = bench.client.batch_get_item().request_items(TABLE, keys.consistent_read(consistent).build().unwrap());
        assert!(get.clone().send().await.unwrap().consumed_capacity().is_empty(), "it was not asked for");
        assert_eq!(charged(&bench).2, units);
        let answer = get.return_consumed_capacity(Want::Total).send().await.unwrap();
        assert_eq!(charged(&bench).2, units);
        assert_eq!(answer.consumed_capacity()[0].capacity_units(), Some(units));
    }
}

/// Twice the units in the table ("Amazon DynamoDB Transactions: how it works", capacity management); what the index takes is not doubled.
#[tokio::test]
async fn transactions_cost_double() {
    let bench = free().await;
    let put = Put::builder().table_name(TABLE).set_item(Some(sized(1, "acme#0", KIB + 1))).build().unwrap();
    let write = bench.client.transact_write_items().transact_items(TransactWriteItem::builder().put(put).build());
    let answer = write.return_consumed_capacity(Want::Indexes).send().await.unwrap();
    let (table, index, _) = charged(&bench);
    assert_eq!((table, index), (4.0, 1.0));
    assert_eq!(said(answer.consumed_capacity().first()), (table, index));
    let get = Get::builder().table_name(TABLE).set_key(Some(key(1))).build().unwrap();
    let read = bench.client.transact_get_items().transact_items(TransactGetItem::builder().get(get).build());
    let answer = read.return_consumed_capacity(Want::Total).send().await.unwrap();
    assert_eq!(charged(&bench).2, 2.0);
    assert_eq!(answer.consumed_capacity()[0].capacity_units(), Some(2.0));
}
