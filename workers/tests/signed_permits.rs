//! Writes and deletes are signed with their permit's time, and the store refuses an old permit's: it is not signed anew, but
//! read anew.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod common;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use common::*;
use testkit::region::{dynamodb_client, s3_client};
use testkit::{Ports, Region, Storage, fixtures};
use workers::error::{Treatment, WorkError};
use workers::ledger_permit::{EntryFacts, EntryState, Ledger, Permits, Reading};
use workers::place::Place;
use workers::{CredentialsFrom, Movers, Settings};

/// Older than what either store accepts.
const OLD: Duration = Duration::from_secs(20 * 60);

/// A ledger whose database's clock is `behind` the stores' for the first readings.
struct Behind {
    state: EntryState,
    first: u32,
    behind: Duration,
    readings: AtomicU32,
}

impl Behind {
    fn new(state: EntryState, first: u32, behind: Duration) -> Self {
        Self { state, first, behind, readings: AtomicU32::new(0) }
    }

    fn readings(&self) -> u32 {
        self.readings.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Ledger for Behind {
    async fn read(&self) -> Result<Option<Reading>, WorkError> {
        let is_old = self.readings.fetch_add(1, Ordering::SeqCst) < self.first;
        let at = SystemTime::now() - if is_old { self.behind } else { Duration::ZERO };
        Ok(Some(Reading { facts: EntryFacts { state: self.state, placed: false }, at }))
    }
}

struct World {
    _regions: [Region; 2],
    tables: (Place, Place),
    buckets: (Place, Place),
}

async fn world() -> World {
    let start = |name| Region::start(name, Storage::Memory, Ports::Any).unwrap();
    let regions = [start("us-east-1"), start("eu-west-1")];
    for region in &regions {
        fixtures::create_table(&dynamodb_client(region), "issues", INDEX, INDEX_KEY).await.unwrap();
        fixtures::create_bucket(&s3_client(region), &format!("media-{}", region.name())).await.unwrap();
    }
    fixtures::seed_items(&regions[0], "issues", INDEX_KEY, "acme", 1, 60, 1).await.unwrap();
    // Some are larger than the threshold and are written in parts.
    fixtures::seed_objects(&regions[0], "media-us-east-1", "acme/", 12, 2).await.unwrap();
    let tables = (table(&regions[0], "issues", 1), table(&regions[1], "issues", 1));
    let buckets = (bucket(&regions[0], "media-us-east-1", "acme"), bucket(&regions[1], "media-eu-west-1", "acme"));
    World { _regions: regions, tables, buckets }
}

fn impatient() -> Movers {
    let settings = Settings { attempts: 2, multipart_threshold: 1 << 10, ..settings() };
    Movers::new(CredentialsFrom::Fixed(testkit::region::credentials()), settings)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_under_an_old_permit_is_refused_and_not_signed_anew() {
    let world = world().await;
    let movers = impatient();
    for (from, to) in [&world.tables, &world.buckets] {
        let ledger = Behind::new(EntryState::Adding, u32::MAX, OLD);
        // A permit that has become old in our hands: no reading but the first would happen before the refusal.
        let permits = Permits::new(&ledger, Duration::from_secs(3600));
        let error = movers.copy(acme(from, to), &permits, &Kept::all(), None).await.unwrap_err();
        assert_eq!((error.code, error.treatment), ("request_too_old", Treatment::Retryable), "{error}");
        assert!(error.message.contains("compare the clocks"), "{error}");
        assert!(ledger.readings() > 1, "each refusal asks for a fresh permit");
        assert!(movers.inspect(to, "acme").await.unwrap().empty);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_permit_is_read_after_a_refusal_and_the_work_goes_on() {
    let world = world().await;
    let movers = impatient();
    for (from, to) in [&world.tables, &world.buckets] {
        let ledger = Behind::new(EntryState::Adding, 1, OLD);
        let permits = Permits::new(&ledger, Duration::from_secs(3600));
        let copied = movers.copy(acme(from, to), &permits, &Kept::all(), None).await.unwrap();
        assert!(ledger.readings() > 1);
        assert_eq!(movers.verify(acme(from, to), &copied, &Kept::all()).await.unwrap().tally, Some(copied));
    }
}

/// The clients have learnt the stores' time by then: the SDK would sign an old permit's delete with it.
#[tokio::test(flavor = "multi_thread")]
async fn a_delete_under_an_old_permit_is_refused_though_the_store_has_told_its_time() {
    let world = world().await;
    let movers = impatient();
    for (from, to) in [&world.tables, &world.buckets] {
        let copied = copy_all(&movers, from, to, "acme").await[0];
        let ledger = Behind::new(EntryState::Removing, u32::MAX, OLD);
        let permits = Permits::new(&ledger, Duration::ZERO);
        let error = movers.remove(acme_at(to), &permits, &Kept::all(), None).await.unwrap_err();
        assert_eq!(error.code, "request_too_old", "{error}");
        assert_eq!(movers.verify(acme(from, to), &copied, &Kept::all()).await.unwrap().tally, Some(copied));
        remove_all(&movers, to, "acme").await;
        assert!(movers.inspect(to, "acme").await.unwrap().empty);
    }
}
