//! Ceilings, bursts, back-pressure, reasons and counters.

use std::time::Duration;

use testkit::fault_proxies::throttle::{Key, Limits, Place, Settings};

use crate::common::*;

const SECOND: Duration = Duration::from_secs(1);

/// "Partitions on DynamoDB tables can be served a maximum of 3,000 read units and 1,000 write units per second" and "DynamoDB retains up to
/// five minutes (300 seconds) of unused read and write capacity" (DynamoDB Developer Guide, "Designing partition keys" and "Burst and
/// adaptive capacity"). Here two seconds are kept.
#[tokio::test]
async fn an_index_partition_serves_a_thousand_units_a_second_once_its_burst_is_used_up_and_not_before() {
    let burst = Limits { burst: 2 * SECOND, ..Limits::AWS };
    let bench = bench(|time| settings(burst, time)).await;
    assert_eq!(write_until_throttled(&bench.client, 0, "acme#0").await, 2_000);
    for second in 1..=2 {
        bench.time.pass(SECOND);
        assert_eq!(write_until_throttled(&bench.client, 10_000 * second, "acme#0").await, 1_000, "{second}");
    }
    // Unused capacity is saved up again, as far as it is kept.
    bench.time.pass(60 * SECOND);
    assert_eq!(write_until_throttled(&bench.client, 90_000, "acme#0").await, 2_000);
}

#[tokio::test]
async fn saved_capacity_can_be_emptied_and_limits_change_while_it_runs() {
    let bench = bench(|time| settings(Limits::scaled(0.1), time)).await;
    bench.throttle.empty_bursts();
    // Nothing is left, not even of a partition that was never used.
    assert_eq!(write_until_throttled(&bench.client, 0, "acme#0").await, 0);
    bench.time.pass(SECOND);
    assert_eq!(write_until_throttled(&bench.client, 0, "acme#0").await, 100);
    bench.throttle.limit_index_partition(TABLE, INDEX, "acme#0", limits(30.0, 100.0));
    bench.throttle.limit_index(TABLE, "another-index", limits(1.0, 1.0));
    bench.time.pass(SECOND);
    assert_eq!(write_until_throttled(&bench.client, 1_000, "acme#0").await, 30);
    assert_eq!(write_until_throttled(&bench.client, 2_000, "acme#1").await, 200, "the other one keeps its limits");
    bench.throttle.limit_index(TABLE, INDEX, limits(7.0, 100.0));
    bench.time.pass(SECOND);
    assert_eq!(write_until_throttled(&bench.client, 3_000, "acme#0").await, 7);
    assert_eq!(write_until_throttled(&bench.client, 4_000, "acme#1").await, 7);
}

/// "If a write to a table exceeds the write capacity of a global secondary index, the write to the table is throttled" (DynamoDB Developer
/// Guide, "Understanding global secondary index back-pressure"); the reason names the index's ARN and follows ResourceType + OperationType +
/// LimitType (API Reference, ThrottlingReason).
#[tokio::test]
async fn an_index_short_of_capacity_throttles_the_table_and_is_named() {
    let bench = bench(|time| settings(limits(1.0, 100.0), time)).await;
    let put = |n| bench.client.put_item().table_name(TABLE).set_item(Some(item(n, "acme#0"))).send();
    put(1).await.unwrap();
    let refused = put(2).await.unwrap_err().into_service_error();
    let throttled = match refused {
        aws_sdk_dynamodb::operation::put_item::PutItemError::ProvisionedThroughputExceededException(it) => it,
        other => panic!("{other:?}"),
    };
    let reasons: Vec<_> = throttled.throttling_reasons().iter().map(|one| (one.reason(), one.resource())).collect();
    let index = "arn:aws:dynamodb:eu-west-1:000000000000:table/issues/index/by-tenant";
    assert_eq!(reasons, [(Some("IndexWriteKeyRangeThroughputExceeded"), Some(index))]);
    let missing = bench.client.get_item().table_name(TABLE).set_key(Some(key(2))).send().await.unwrap();
    assert!(missing.item.is_none(), "a throttled write has no effect");
    // Another index partition is not concerned, nor are items outside of the index.
    bench.client.put_item().table_name(TABLE).set_item(Some(item(3, "acme#1"))).send().await.unwrap();
    bench.client.put_item().table_name(TABLE).set_item(Some(key(4))).send().await.unwrap();
}

/// The other reasons of the API Reference's ThrottlingReason that the model knows: partitions and provisioned capacity of table and index.
#[tokio::test]
async fn each_kind_of_limit_has_its_own_reason() {
    let table = "arn:aws:dynamodb:eu-west-1:000000000000:table/issues";
    let index = "arn:aws:dynamodb:eu-west-1:000000000000:table/issues/index/by-tenant";
    let bench = bench(|time| settings(limits(1e9, 1e9), time)).await;
    let none = limits(0.0, 0.0);
    let plenty = limits(1e9, 1e9);
    let reason = async || {
        let put = bench.client.put_item().table_name(TABLE).set_item(Some(item(1, "acme#0"))).send().await;
        let error = put.err()?.into_service_error();
        let body = format!("{error:?}");
        let known = ["KeyRangeThroughputExceeded", "ProvisionedThroughputExceeded\""].map(|limit| body.contains(limit));
        Some((known, [table, index].map(|arn| body.contains(&format!("\"{arn}\"")))))
    };
    bench.throttle.limit_table(TABLE, none);
    assert_eq!(reason().await, Some(([true, false], [true, false])));
    bench.throttle.limit_base_partition(TABLE, 0, plenty);
    bench.time.pass(SECOND);
    bench.throttle.provision(TABLE, Some(INDEX), Some(none));
    assert_eq!(reason().await, Some(([false, true], [false, true])));
    bench.throttle.provision(TABLE, Some(INDEX), None);
    bench.throttle.provision(TABLE, None, Some(none));
    assert_eq!(reason().await, Some(([false, true], [true, false])));
    bench.throttle.provision(TABLE, None, None);
    assert_eq!(reason().await, None);
}

/// Items are spread over the base table's partitions by a hash of their partition key (DynamoDB Developer Guide, "Partitions and data
/// distribution"), each with limits of its own.
#[tokio::test]
async fn base_partitions_have_limits_of_their_own() {
    let bench = bench(|time| Settings {
        table: limits(25.0, 100.0),
        index: limits(1e9, 1e9),
        base_partitions: 4,
        clock: time.clock(),
        ..Settings::default()
    })
    .await;
    let mut all = 0;
    for batch in 0..40 {
        all += written(&bench.client, puts((0..25).map(|n| item(25 * batch + n, "acme#0")))).await;
    }
    assert_eq!(all, 4 * 25);
    let totals = bench.throttle.totals();
    let base: Vec<_> = totals.iter().filter(|(key, _)| matches!(key.place, Place::Base(_))).collect();
    assert_eq!(base.len(), 4);
    assert!(base.iter().all(|(_, counts)| counts.write_units == 25.0 && counts.throttled_items > 0), "{base:?}");
}

#[tokio::test]
async fn what_is_served_and_throttled_is_counted_by_place_caller_and_window() {
    let bench = bench(|time| settings(limits(20.0, 100.0), time)).await;
    let bystander = once(bench.throttle.endpoint(), "BYSTANDER");
    assert_eq!(written(&bench.client, puts((0..25).map(|n| item(n, "acme#0")))).await, 20);
    assert_eq!(written(&bench.client, puts((30..40).map(|n| item(n, "acme#0")))).await, 0);
    assert_eq!(written(&bystander, puts((50..60).map(|n| item(n, "globex#0")))).await, 10);
    bench.time.pass(SECOND);
    assert_eq!(written(&bench.client, puts((20..30).map(|n| item(n, "acme#0")))).await, 10);

    let windows = bench.throttle.windows(of_index("acme#0"));
    let seen: Vec<_> = windows
        .iter()
        .map(|(begins, counts)| (begins.as_secs(), counts.write_units, counts.requests, counts.throttled_requests))
        .collect();
    // A batch done in part counts as throttled.
    assert_eq!(seen, [(0, 20.0, 2, 2), (1, 10.0, 1, 0)]);
    let first = bench.throttle.sum(Duration::ZERO..SECOND, |key: &Key| key.is_of_tenant("acme"));
    assert_eq!((first.items, first.throttled_items, first.throttled_share()), (35, 15, 1.0));
    let by_caller = |caller: &'static str| move |key: &Key| of_table(key) && &*key.caller == caller;
    let all = Duration::ZERO..Duration::MAX;
    assert_eq!(bench.throttle.sum(all.clone(), by_caller("BYSTANDER")).throttled_requests, 0);
    let mover = bench.throttle.sum(all.clone(), by_caller("MOVER"));
    // Each item costs a unit in the table and one in the index.
    assert_eq!((mover.requests, mover.throttled_requests, mover.write_units), (3, 2, 60.0));
    bench.throttle.reset_counts();
    assert!(bench.throttle.totals().is_empty());
}

/// A table made or changed through the front is known at once.
#[tokio::test]
async fn tables_made_later_are_throttled_too() {
    let bench = bench(|time| settings(limits(3.0, 100.0), time)).await;
    let client = once(bench.throttle.endpoint(), "MOVER");
    let gone = client.delete_table().table_name(TABLE).send().await;
    assert!(gone.is_ok());
    testkit::fixtures::create_table(&client, TABLE, INDEX, "another_key").await.unwrap();
    assert_eq!(written(&client, puts((0..20).map(|n| item(n, "acme#0")))).await, 20, "{KEY} is no index key of it");
    let mut other = item(1, "x");
    other.insert("another_key".to_owned(), text("acme#0"));
    for n in 0..4 {
        other.insert("sk".to_owned(), text(format!("{n}")));
        let put = client.put_item().table_name(TABLE).set_item(Some(other.clone())).send().await;
        assert_eq!(put.is_ok(), n < 3, "{n}");
    }
}
