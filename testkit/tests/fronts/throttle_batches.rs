//! Batches that fit only in part, pages, and transactions.

use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, Put, TransactWriteItem};

use crate::common::*;

/// "If any requested operations fail because the table's provisioned throughput is exceeded ... the failed operations are returned in the
/// UnprocessedItems response parameter"; "If none of the items can be processed due to insufficient provisioned throughput on all of the tables
/// in the request, then BatchWriteItem returns a ProvisionedThroughputExceededException" (API Reference, BatchWriteItem).
#[tokio::test]
async fn a_batch_is_written_as_far_as_it_fits() {
    let bench = bench(|time| settings(limits(10.0, 100.0), time)).await;
    let items: Vec<Item> = (0..25).map(|n| item(n, "acme#0")).collect();
    let answer = bench.client.batch_write_item().request_items(TABLE, puts(items.clone())).send().await.unwrap();
    let undone: Vec<Item> =
        answer.unprocessed_items.unwrap().remove(TABLE).unwrap().into_iter().map(put_item).collect();
    assert_eq!(undone.len(), 15);
    let mut stored = all_items(&bench).await;
    stored.extend(undone);
    let order = |item: &Item| item["pk"].as_s().unwrap().clone();
    stored.sort_by_key(order);
    assert_eq!(stored, items, "each item is either stored or handed back, as it was");

    let refused = bench.client.batch_write_item().request_items(TABLE, puts([item(99, "acme#0")])).send().await;
    assert!(refused.unwrap_err().into_service_error().is_provisioned_throughput_exceeded_exception());
    assert_eq!(all_items(&bench).await.len(), 10);
    // Deletes are throttled by the partition their entry goes from.
    let deleted = written(&bench.client, deletes((0..5).map(key))).await;
    assert_eq!(deleted, 0);
}

/// The same of UnprocessedKeys (API Reference, BatchGetItem).
#[tokio::test]
async fn a_batch_is_read_as_far_as_it_fits() {
    let bench = bench(|time| settings(limits(1e9, 1e9), time)).await;
    assert_eq!(written(&bench.client, puts((0..20).map(|n| item(n, "acme#0")))).await, 20);
    bench.throttle.limit_table(TABLE, limits(1e9, 12.0));
    let keys = |count: usize| KeysAndAttributes::builder().set_keys(Some((0..count).map(key).collect()));
    let get = |request| bench.client.batch_get_item().request_items(TABLE, request).send();
    let answer = get(keys(20).consistent_read(true).projection_expression("pk").build().unwrap()).await.unwrap();
    assert_eq!(answer.responses().unwrap()[TABLE].len(), 12);
    let undone = &answer.unprocessed_keys.as_ref().unwrap()[TABLE];
    assert_eq!((undone.keys().len(), undone.consistent_read()), (8, Some(true)));
    assert_eq!(undone.projection_expression(), Some("pk"), "it can be sent again as it is");
    let refused = get(keys(1).build().unwrap()).await.unwrap_err().into_service_error();
    assert!(refused.is_provisioned_throughput_exceeded_exception());
    let reason = format!("{refused:?}");
    assert!(reason.contains("TableReadKeyRangeThroughputExceeded"), "{reason}");
}

/// "If a query exceeds the provisioned read capacity of a global secondary index, that request will be throttled" (DynamoDB Developer Guide,
/// "Using global secondary indexes"); what a page costs follows from what it read.
#[tokio::test]
async fn queries_are_throttled_by_the_index_partition_they_read() {
    let bench = bench(|time| settings(limits(1e9, 1.0), time)).await;
    for value in ["acme#0", "acme#1"] {
        let from = if value == "acme#0" { 0 } else { 500 };
        for batch in 0..20 {
            let now = puts((0..25).map(|n| item(from + 25 * batch + n, value)));
            assert_eq!(written(&bench.client, now).await, 25);
        }
    }
    bench.throttle.reset_counts();
    let query = |value: &'static str| {
        let query = bench.client.query().table_name(TABLE).index_name(INDEX).key_condition_expression("#k = :v");
        let query = query.expression_attribute_names("#k", KEY);
        query.expression_attribute_values(":v", AttributeValue::S(value.to_owned())).send()
    };
    let first = query("acme#0").await.unwrap();
    assert_eq!(first.count(), 500);
    assert!(first.consumed_capacity().is_none(), "the client did not ask");
    let refused = query("acme#0").await.unwrap_err().into_service_error();
    assert!(format!("{refused:?}").contains("IndexReadKeyRangeThroughputExceeded"), "{refused:?}");
    query("acme#1").await.expect("another partition");
    let spent = bench.throttle.totals().into_iter().find(|(key, _)| of_index("acme#0")(key)).unwrap().1;
    // 500 entries of pk (2 + 7), sk (2 + 1) and tenant_shard (12 + 6): 15,000 bytes, four times 4 KiB, half for eventually consistent.
    assert_eq!((spent.read_units, spent.requests, spent.throttled_requests), (2.0, 2, 1));
}

/// "There is insufficient provisioned capacity for the transaction to be completed" cancels all of it (API Reference, TransactWriteItems).
#[tokio::test]
async fn a_transaction_is_done_as_a_whole_or_not_at_all() {
    let bench = bench(|time| settings(limits(1.0, 1.0), time)).await;
    let put = |n, value| {
        let put = Put::builder().table_name(TABLE).set_item(Some(item(n, value))).build().unwrap();
        TransactWriteItem::builder().put(put).build()
    };
    let write = |items| bench.client.transact_write_items().set_transact_items(Some(items)).send();
    write(vec![put(1, "acme#0")]).await.unwrap();
    let refused = write(vec![put(2, "acme#1"), put(3, "acme#0")]).await.unwrap_err().into_service_error();
    assert!(refused.is_transaction_canceled_exception(), "{refused:?}");
    assert!(format!("{refused:?}").contains("ThrottlingError"), "{refused:?}");
    assert_eq!(all_items(&bench).await.len(), 1);
    write(vec![put(2, "acme#1")]).await.expect("what was refused was not charged");
}

async fn all_items(bench: &Bench) -> Vec<Item> {
    testkit::region::dynamodb_client(&bench.region).scan().table_name(TABLE).send().await.unwrap().items.unwrap()
}

fn put_item(request: aws_sdk_dynamodb::types::WriteRequest) -> Item {
    request.put_request.unwrap().item
}
