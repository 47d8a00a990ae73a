//! What the tests of the movers share: ledgers and checkpoints that do as they are told, and places in embedded regions.
#![expect(dead_code, reason = "each test binary uses its share of these")]

pub(crate) mod front;
pub(crate) mod crash_harness;
pub(crate) mod checkpoint_store;
pub(crate) mod s3_front;

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::Value;
use testkit::Region;
use testkit::stores::Side;
use workers::error::WorkError;
use workers::ledger_permit::{EntryFacts, EntryState, Ledger, Permits, Reading};
use workers::place::Place;
use workers::progress::{Checkpoints, Tally};
use workers::{CredentialsFrom, Movers, PartAt, PartCopy, Settings};

pub(crate) const INDEX: &str = "by-tenant";
pub(crate) const INDEX_KEY: &str = "tenant_shard";

/// A ledger that allows one kind of work, for a number of readings.
pub(crate) struct Allows {
    state: EntryState,
    left: AtomicU32,
}

impl Allows {
    pub(crate) fn writes() -> Self {
        Self::for_readings(EntryState::Adding, u32::MAX)
    }

    pub(crate) fn removal() -> Self {
        Self::for_readings(EntryState::Removing, u32::MAX)
    }

    pub(crate) fn live() -> Self {
        Self::for_readings(EntryState::Live, u32::MAX)
    }

    pub(crate) fn for_readings(state: EntryState, readings: u32) -> Self {
        Self { state, left: AtomicU32::new(readings) }
    }

    /// Permits that read the ledger every time.
    pub(crate) fn permits(&self) -> Permits<'_> {
        Permits::new(self, Duration::ZERO)
    }
}

#[async_trait]
impl Ledger for Allows {
    async fn read(&self) -> Result<Option<Reading>, WorkError> {
        let left = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        let facts = EntryFacts { state: self.state, placed: self.state == EntryState::Live };
        Ok(left.ok().map(|_| Reading { facts, at: SystemTime::now() }))
    }
}

/// Keeps every checkpoint and counts the heartbeats; loses the lease after a number of checkpoints.
pub(crate) struct Kept {
    pub(crate) saved: Mutex<Vec<(Value, Tally)>>,
    /// Signs of life since the last checkpoint, and the most there ever were between two.
    alive: Mutex<(u32, u32)>,
    most: usize,
}

impl Kept {
    pub(crate) fn all() -> Self {
        Self::until(usize::MAX)
    }

    pub(crate) fn until(most: usize) -> Self {
        Self { saved: Mutex::default(), alive: Mutex::default(), most }
    }

    /// The most heartbeats without a checkpoint between them.
    pub(crate) fn most_alive(&self) -> u32 {
        self.alive.lock().unwrap().1
    }

    pub(crate) fn resumes(&self) -> Vec<Value> {
        self.saved.lock().unwrap().iter().map(|(resume, _)| resume.clone()).collect()
    }
}

#[async_trait]
impl Checkpoints for Kept {
    async fn save(&self, resume: Value, done: Tally) -> Result<(), WorkError> {
        let mut saved = self.saved.lock().unwrap();
        if saved.len() == self.most {
            return Err(WorkError::lost_lease("the test took the lease away"));
        }
        let before = saved.last().map_or(0, |(_, done)| done.items + done.objects);
        assert!(done.items + done.objects >= before, "progress went back");
        saved.push((resume, done));
        self.alive.lock().unwrap().0 = 0;
        Ok(())
    }

    async fn alive(&self) -> Result<(), WorkError> {
        let mut alive = self.alive.lock().unwrap();
        alive.0 += 1;
        alive.1 = alive.1.max(alive.0);
        Ok(())
    }
}

/// Small pages, a checkpoint after each, and hardly any waiting.
pub(crate) fn settings() -> Settings {
    Settings {
        page_keys: 30,
        index_settle: Duration::from_millis(5),
        settle_rounds: 3,
        checkpoint_every: Duration::ZERO,
        ..Settings::default()
    }
}

pub(crate) fn movers() -> Movers {
    Movers::new(CredentialsFrom::Fixed(testkit::region::credentials()), settings())
}

/// Movers that both sides let in.
pub(crate) fn movers_at(side: &Side) -> Movers {
    Movers::new(CredentialsFrom::Fixed(side.credentials.clone()), settings())
}

pub(crate) fn table_at(region: &str, endpoint: &str, table: &str, shard_count: u32) -> Place {
    Place::Dynamodb {
        region: region.to_owned(),
        endpoint: Some(endpoint.to_owned()),
        table: table.to_owned(),
        index: INDEX.to_owned(),
        index_key: INDEX_KEY.to_owned(),
        shard_count,
    }
}

pub(crate) fn table(region: &Region, table: &str, shard_count: u32) -> Place {
    table_at(region.name(), region.dynamodb_endpoint(), table, shard_count)
}

pub(crate) fn bucket(region: &Region, bucket: &str, tenant: &str) -> Place {
    bucket_at(region.name(), region.s3_endpoint(), bucket, tenant)
}

pub(crate) fn bucket_at(region: &str, endpoint: &str, bucket: &str, tenant: &str) -> Place {
    Place::S3 {
        region: region.to_owned(),
        endpoint: Some(endpoint.to_owned()),
        bucket: bucket.to_owned(),
        prefix: format!("{tenant}/"),
        bounds: Vec::new(),
    }
}

/// The first part of the tenant `acme`, on its way.
pub(crate) fn acme<'a>(from: &'a Place, to: &'a Place) -> PartCopy<'a> {
    PartCopy::new(from, to, "acme", 0)
}

/// The first part of the tenant `acme` at a place.
pub(crate) fn acme_at(place: &Place) -> PartAt<'_> {
    PartAt::new(place, "acme", 0)
}

/// Copies all parts and returns their tallies.
pub(crate) async fn copy_all(movers: &Movers, from: &Place, to: &Place, tenant: &str) -> Vec<Tally> {
    let ledger = Allows::writes();
    let mut tallies = Vec::new();
    for part in 0..from.parts() {
        let kept = Kept::all();
        let tally = movers.copy(PartCopy::new(from, to, tenant, part), &ledger.permits(), &kept, None).await;
        tallies.push(tally.unwrap_or_else(|e| panic!("part {part}: {e:?}")));
    }
    tallies
}

pub(crate) async fn remove_all(movers: &Movers, at: &Place, tenant: &str) -> Tally {
    let ledger = Allows::removal();
    let mut removed = Tally::default();
    for part in 0..at.parts() {
        let kept = Kept::all();
        let tally = movers.remove(PartAt::new(at, tenant, part), &ledger.permits(), &kept, None).await;
        removed.merge(&tally.unwrap_or_else(|e| panic!("part {part}: {e:?}")));
    }
    removed
}

/// An item with key `n`, of whatever the index key says.
pub(crate) fn item(n: u32, index_key: &str, text: &str) -> HashMap<String, AttributeValue> {
    HashMap::from([
        ("pk".to_owned(), AttributeValue::S(format!("p{n:05}"))),
        ("sk".to_owned(), AttributeValue::S("s".to_owned())),
        (INDEX_KEY.to_owned(), AttributeValue::S(index_key.to_owned())),
        ("text".to_owned(), AttributeValue::S(text.to_owned())),
    ])
}

pub(crate) async fn put(client: &aws_sdk_dynamodb::Client, table: &str, item: HashMap<String, AttributeValue>) {
    client.put_item().table_name(table).set_item(Some(item)).send().await.unwrap();
}

/// Fills a table with `count` plain items of part 0 of `tenant`.
pub(crate) async fn fill(client: &aws_sdk_dynamodb::Client, table: &str, tenant: &str, numbers: std::ops::Range<u32>) {
    use futures::StreamExt;
    futures::stream::iter(numbers)
        .for_each_concurrent(8, |n| put(client, table, item(n, &format!("{tenant}#0"), &format!("text {n}"))))
        .await;
}
