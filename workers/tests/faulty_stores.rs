//! Stores that fail in every way that a network has, an index that is late, and work that is cut off anywhere: what is
//! copied is exact all the same, nothing of a neighbour's is touched, and no checkpoint claims what is not there.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod common;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use aws_sdk_dynamodb::types::AttributeValue;
use common::crash_harness::{Count, Hardship, SETTLE, Watched, odds};
use common::*;
use futures::future::join_all;
use futures::stream::{self, StreamExt};
use testkit::fault_proxies::faults::Faults;
use testkit::fault_proxies::lag::Lag;
use testkit::fault_proxies::throttle::{Clock, Limits, Settings as Capacity, Throttle};
use testkit::region::{dynamodb_client, dynamodb_client_at, s3_client};
use testkit::{Ports, Region, Storage, fixtures, observe};
use workers::late_writes::Known;
use workers::place::Place;
use workers::{PartAt, PartCopy};

const TENANT: &str = "acme";
const TABLE: &str = "issues";
const PARTS: u32 = 2;
/// The 28th is the largest that there can be.
const ITEMS: usize = 50;
const ITEMS_OF_LITTLE_CAPACITY: usize = 26;
const BUCKET: &str = "media";
const OBJECTS: usize = 18;
/// How late an index may be where the movers rely on it, and how late when they look again anyway, or look at the table.
const LAG: Duration = Duration::from_millis(20);
const LONG_LAG: Duration = Duration::from_millis(60);
/// Runs at once.
const AT_ONCE: usize = 20;

/// What stands in one part of a place, judged by the plain SDK.
#[async_trait]
trait Judge: Send + Sync {
    async fn count(&self, side: usize, part: u32) -> u64;
}

/// What was copied to the target, or what is gone from a place that held `initially` so many.
struct Done<'a> {
    judge: &'a dyn Judge,
    side: usize,
    part: u32,
    initially: Option<u64>,
}

#[async_trait]
impl Count for Done<'_> {
    async fn done(&self) -> u64 {
        let there = self.judge.count(self.side, self.part).await;
        self.initially.map_or(there, |initially| initially - there)
    }
}

/// Copies all parts at once, verifies them, and compares the source with what was verified.
async fn copy(hardship: &Hardship, seed: u64, judge: &dyn Judge, (from, to): (&Place, &Place)) {
    let parts = (0..from.parts()).map(|part| async move {
        let done = Done { judge, side: 1, part, initially: None };
        let (kept, ledger) = (Watched::by(&done), Allows::writes());
        let what = format!("copy {part}");
        let copied = hardship.persist(
            (seed, &what),
            || kept.resume(),
            async |movers, resume| {
                movers.copy(PartCopy::new(from, to, TENANT, part), &ledger.permits(), &kept, resume).await
            },
        );
        (part, copied.await)
    });
    let copied = join_all(parts).await;
    let checks = copied.iter().map(|(part, tally)| async move {
        let what = format!("verify {part}");
        let verified = hardship.persist(
            (seed, &what),
            || None,
            async |movers, _| movers.verify(PartCopy::new(from, to, TENANT, *part), tally, &Kept::all()).await,
        );
        assert_eq!(verified.await.tally, Some(*tally));
        let what = format!("compare {part}");
        let compared = hardship.persist(
            (seed, &what),
            || None,
            async |movers, _| {
                let known = Known::from(*tally);
                movers.compare(PartAt::new(from, TENANT, *part), Some(to), &known, &Kept::all(), None).await
            },
        );
        let compared = compared.await;
        assert_eq!((compared.seen, compared.late.total()), (*tally, 0));
    });
    join_all(checks).await;
}

/// Removes all parts at once.
async fn remove(hardship: &Hardship, seed: u64, judge: &dyn Judge, (side, at): (usize, &Place)) {
    let parts = (0..at.parts()).map(|part| async move {
        let done = Done { judge, side, part, initially: Some(judge.count(side, part).await) };
        let (kept, ledger) = (Watched::by(&done), Allows::removal());
        let what = format!("remove {part} from {side}");
        let removed = hardship.persist(
            (seed, &what),
            || kept.resume(),
            async |movers, resume| movers.remove(PartAt::new(at, TENANT, part), &ledger.permits(), &kept, resume).await,
        );
        removed.await;
        assert_eq!(judge.count(side, part).await, 0, "seed {seed}, {what}");
    });
    join_all(parts).await;
}

fn regions() -> [Region; 2] {
    ["us-east-1", "eu-west-1"].map(|name| Region::start(name, Storage::Memory, Ports::Any).unwrap())
}

struct Tables([aws_sdk_dynamodb::Client; 2]);

#[async_trait]
impl Judge for Tables {
    async fn count(&self, side: usize, part: u32) -> u64 {
        let scan = self.0[side].scan().table_name(TABLE).consistent_read(true).projection_expression(INDEX_KEY);
        let items: Vec<_> = scan.into_paginator().items().send().try_collect().await.unwrap();
        let of_the_part = AttributeValue::S(format!("{TENANT}#{part}"));
        items.iter().filter(|item| item[INDEX_KEY] == of_the_part).count() as u64
    }
}

/// How often an index was late, and how often a store was out of capacity.
#[derive(Debug, Default)]
struct Seen {
    hidden: AtomicU64,
    listed: AtomicU64,
    throttled: AtomicU64,
}

/// Time stands still until the first look after the seeding, when nothing is in the index yet.
fn since_first_asked(seeded: Arc<AtomicBool>) -> Clock {
    let begun = OnceLock::new();
    Arc::new(
        move || {
            if seeded.load(Ordering::SeqCst) { begun.get_or_init(Instant::now).elapsed() } else { Duration::ZERO }
        },
    )
}

/// A move between two tables whose indexes are late, behind networks that fail; with `capacity`, the target has no more.
async fn tables_move(hardship: &Hardship, seen: &Seen, seed: u64, capacity: Option<Limits>) {
    let items = if capacity.is_some() { ITEMS_OF_LITTLE_CAPACITY } else { ITEMS };
    let regions = regions();
    let tables = Tables([0, 1].map(|side| dynamodb_client(&regions[side])));
    for (client, neighbour) in tables.0.iter().zip(["acme-eu", "acm"]) {
        fixtures::create_table(client, TABLE, INDEX, INDEX_KEY).await.unwrap();
        fixtures::put_items(client, TABLE, INDEX_KEY, neighbour, PARTS, 20, seed).await.unwrap();
    }
    let seeded = Arc::new(AtomicBool::new(false));
    let lags = [0, 1].map(|side| Lag::before(&regions[side], LAG, since_first_asked(Arc::clone(&seeded))).unwrap());
    let throttle = capacity.map(|index| {
        let capacity = Capacity { index, full: false, ..Capacity::default() };
        Throttle::before_url(&regions[1], lags[1].endpoint(), capacity).unwrap()
    });
    let behind = [lags[0].endpoint(), throttle.as_ref().map_or(lags[1].endpoint(), Throttle::endpoint)];
    let fronts = [0, 1].map(|side| Faults::before(behind[side], seed * 2 + side as u64, odds()).unwrap());
    let place = |side: usize| table_at(regions[side].name(), fronts[side].endpoint(), TABLE, PARTS);
    let (from, to) = (place(0), place(1));

    let source = dynamodb_client_at(regions[0].name(), lags[0].endpoint());
    let neighbours = [
        observe::table_items(&tables.0[0], TABLE).await.unwrap(),
        observe::table_items(&tables.0[1], TABLE).await.unwrap(),
    ];
    fixtures::put_items(&source, TABLE, INDEX_KEY, TENANT, PARTS, items, seed).await.unwrap();
    let whole = observe::table_items(&tables.0[0], TABLE).await.unwrap();
    let tenants = observe::tenant_items(&tables.0[0], TABLE, INDEX_KEY, TENANT).await.unwrap();
    lags[1].set(LONG_LAG);
    seeded.store(true, Ordering::SeqCst);
    throttle.iter().for_each(Throttle::empty_bursts);
    copy(hardship, seed, &tables, (&from, &to)).await;
    assert_eq!(observe::table_items(&tables.0[0], TABLE).await.unwrap(), whole, "copying changes no source");
    let mut expected = tenants.clone();
    expected.extend(neighbours[1].clone());
    assert_eq!(observe::table_items(&tables.0[1], TABLE).await.unwrap(), expected, "seed {seed}");

    lags[0].set(LONG_LAG);
    remove(hardship, seed, &tables, (0, &from)).await;
    assert_eq!(observe::table_items(&tables.0[0], TABLE).await.unwrap(), neighbours[0], "seed {seed}");
    assert_eq!(observe::table_items(&tables.0[1], TABLE).await.unwrap(), expected, "seed {seed}");
    remove(hardship, seed, &tables, (1, &to)).await;
    assert_eq!(observe::table_items(&tables.0[1], TABLE).await.unwrap(), neighbours[1], "seed {seed}");

    fronts.iter().for_each(|front| hardship.met(front));
    let sum = |of: fn(&Lag) -> u64| lags.iter().map(of).sum::<u64>();
    seen.hidden.fetch_add(sum(Lag::hidden), Ordering::SeqCst);
    seen.listed.fetch_add(sum(Lag::listed), Ordering::SeqCst);
    let throttled = throttle.iter().flat_map(|throttle| throttle.totals().into_values());
    seen.throttled.fetch_add(throttled.map(|counts| counts.throttled_requests).sum(), Ordering::SeqCst);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_moved_exactly_through_faults_and_a_late_index() {
    let (hardship, seen) = (Hardship::default(), Seen::default());
    let moves = (0..20).map(|seed| tables_move(&hardship, &seen, seed, None));
    stream::iter(moves).buffer_unordered(AT_ONCE).collect::<()>().await;
    println!("{seen:?}");
    hardship.was_real(5);
    assert!(hardship.given_up() >= 5, "{hardship:?}");
    let [hidden, listed] = [&seen.hidden, &seen.listed].map(|seen| seen.load(Ordering::SeqCst));
    assert!(hidden >= 20 && listed >= 20, "{seen:?}");
    assert!(SETTLE > LAG, "what the movers may expect");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_moved_exactly_when_capacity_runs_out_as_well() {
    let (hardship, seen) = (Hardship::default(), Seen::default());
    let capacity = Some(Limits { write: 10.0, read: 1_000.0, burst: Duration::ZERO });
    let moves = (100..105).map(|seed| tables_move(&hardship, &seen, seed, capacity));
    stream::iter(moves).buffer_unordered(AT_ONCE).collect::<()>().await;
    println!("{seen:?}");
    hardship.was_real(2);
    assert!(seen.throttled.load(Ordering::SeqCst) >= 20, "{seen:?}");
}

struct Buckets([aws_sdk_s3::Client; 2], [Place; 2]);

#[async_trait]
impl Judge for Buckets {
    async fn count(&self, side: usize, part: u32) -> u64 {
        let Place::S3 { bounds, .. } = &self.1[side] else { unreachable!("these are buckets") };
        let (after, upto) = (part.checked_sub(1).map(|n| &bounds[n as usize]), bounds.get(part as usize));
        let list = self.0[side].list_objects_v2().bucket(BUCKET).prefix(format!("{TENANT}/"));
        let listed = list.send().await.unwrap();
        assert_ne!(listed.is_truncated, Some(true));
        let keys = listed.contents().iter().map(|object| object.key().unwrap()[TENANT.len() + 1..].to_owned());
        keys.filter(|key| after.is_none_or(|after| key > after) && upto.is_none_or(|upto| key <= upto)).count() as u64
    }
}

/// A move between two buckets behind networks that fail, in two ranges of keys.
async fn buckets_move(hardship: &Hardship, seed: u64) {
    let regions = regions();
    let clients = [0, 1].map(|side| s3_client(&regions[side]));
    for (client, neighbour) in clients.iter().zip(["acme-eu/", "acm/"]) {
        fixtures::create_bucket(client, BUCKET).await.unwrap();
        fixtures::put_objects(client, BUCKET, neighbour, 4, seed).await.unwrap();
    }
    let here = async |side: usize| observe::bucket_objects(&clients[side], BUCKET, "").await.unwrap();
    let neighbours = [here(0).await, here(1).await];
    fixtures::put_objects(&clients[0], BUCKET, "acme/", OBJECTS, seed).await.unwrap();
    let (whole, mut expected) = (here(0).await, neighbours[1].clone());
    expected.extend(observe::bucket_objects(&clients[0], BUCKET, "acme/").await.unwrap());

    let fronts = [0, 1].map(|side| {
        let url = regions[side].s3_endpoint();
        Faults::before(url, seed * 2 + side as u64, odds()).unwrap()
    });
    let [from, to] = [0, 1].map(|side| bucket_at(regions[side].name(), fronts[side].endpoint(), BUCKET, TENANT));
    let bounds = ["media/0a".to_owned()];
    let parts = [&from, &to].map(|place| place.clone().divided_at(&bounds));
    copy(hardship, seed, &Buckets(clients.clone(), parts.clone()), (&parts[0], &parts[1])).await;
    assert_eq!(here(0).await, whole, "copying changes no source");
    assert_eq!(here(1).await, expected, "seed {seed}");
    assert!(observe::unfinished_uploads(&clients[1], BUCKET, "").await.unwrap().is_empty(), "seed {seed}");

    let judge = Buckets(clients.clone(), [from.clone(), to.clone()]);
    remove(hardship, seed, &judge, (0, &from)).await;
    assert_eq!((here(0).await, here(1).await), (neighbours[0].clone(), expected), "seed {seed}");
    remove(hardship, seed, &judge, (1, &to)).await;
    assert_eq!(here(1).await, neighbours[1], "seed {seed}");
    fronts.iter().for_each(|front| hardship.met(front));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_is_moved_exactly_through_faults() {
    let hardship = Hardship::default();
    let moves = (200..220).map(|seed| buckets_move(&hardship, seed));
    stream::iter(moves).buffer_unordered(AT_ONCE).collect::<()>().await;
    hardship.was_real(5);
}
