//! A removal that is wanted back stops where no request of its is on its way, keeps what it has done, and goes on from there.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use common::{Allows, Kept, acme_at, bucket, movers, table};
use serde_json::Value;
use testkit::{Ports, Region, Storage, fixtures, observe, region};
use workers::error::WorkError;
use workers::place::Place;
use workers::progress::{Checkpoints, HANDED_OVER, Tally};
use workers::unanswered::Outstanding;

/// Is wanted back once it has saved so often.
struct WantedAfter {
    kept: Kept,
    saves: usize,
}

#[async_trait]
impl Checkpoints for WantedAfter {
    async fn save(&self, resume: Value, done: Tally) -> Result<(), WorkError> {
        self.kept.save(resume, done).await
    }

    async fn alive(&self) -> Result<(), WorkError> {
        self.kept.alive().await
    }

    fn is_wanted_back(&self) -> bool {
        self.kept.resumes().len() >= self.saves
    }
}

/// Counts what is on its way, and what never got an answer.
#[derive(Default)]
struct Counts {
    open: AtomicU32,
    unanswered: AtomicU32,
}

#[async_trait]
impl Outstanding for Counts {
    fn sent(&self) {
        self.open.fetch_add(1, Ordering::SeqCst);
    }

    fn ended(&self, unanswered: Option<SystemTime>) {
        self.open.fetch_sub(1, Ordering::SeqCst);
        self.unanswered.fetch_add(u32::from(unanswered.is_some()), Ordering::SeqCst);
    }

    fn is_held(&self) -> bool {
        false
    }

    async fn all_ended(&self, _: Duration) {}
}

/// Removes with one hand-over after another, each after a checkpoint; returns how many there were.
async fn hand_over_until_empty(at: &Place) -> u32 {
    let (movers, ledger, counts) = (movers(), Allows::removal(), Arc::new(Counts::default()));
    let permits = ledger.permits().reporting(Arc::clone(&counts) as Arc<dyn Outstanding>);
    let (mut resume, mut times) = (None, 0);
    loop {
        let checkpoints = WantedAfter { kept: Kept::all(), saves: 1 };
        // The last one is left alone: the proof that the place is empty is made within one run.
        if times == 3 {
            movers.remove(acme_at(at), &permits, &checkpoints.kept, resume).await.expect("it ends");
            return times;
        }
        let error = movers.remove(acme_at(at), &permits, &checkpoints, resume).await.expect_err("it is wanted back");
        assert_eq!(error.code, HANDED_OVER);
        let (open, unanswered) = (counts.open.load(Ordering::SeqCst), counts.unanswered.load(Ordering::SeqCst));
        assert_eq!((open, unanswered), (0, 0), "no request is on its way or was given up");
        resume = checkpoints.kept.resumes().pop();
        times += 1;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_part_that_is_wanted_back_leaves_no_request_on_its_way() {
    let region = Region::start("us-east-1", Storage::Memory, Ports::Any).expect("a region starts");
    testkit::prepare(&[&region]).await.expect("tables are made");
    fixtures::seed_items(&region, "issues", "tenant_shard", "acme", 1, 400, 7).await.expect("items are seeded");
    assert_eq!(hand_over_until_empty(&table(&region, "issues", 1)).await, 3);
    let left = observe::tenant_items(&region::dynamodb_client(&region), "issues", "tenant_shard", "acme").await;
    assert!(left.expect("items can be read").is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prefix_that_is_wanted_back_leaves_no_request_on_its_way() {
    let region = Region::start("us-east-1", Storage::Memory, Ports::Any).expect("a region starts");
    testkit::prepare(&[&region]).await.expect("buckets are made");
    fixtures::seed_objects(&region, "media-us-east-1", "acme/", 40, 9).await.expect("objects are seeded");
    assert_eq!(hand_over_until_empty(&bucket(&region, "media-us-east-1", "acme")).await, 3);
    let s3 = region::s3_client(&region);
    let left = observe::bucket_objects(&s3, "media-us-east-1", "acme/").await.expect("objects can be read");
    assert!(left.is_empty());
}
