//! Work that takes longer than a lease between two checkpoints says that it goes on, and stops at once when it may not.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod common;

use std::sync::{Arc, Mutex};

use common::front::{Front, Rules};
use common::s3_front::{Faults, S3Front};
use common::*;
use serde_json::Value;
use testkit::region::{dynamodb_client, s3_client};
use testkit::{Ports, Region, Storage, fixtures, observe};
use workers::error::{Treatment, WorkError};
use workers::place::Place;
use workers::progress::{Checkpoints, Tally};
use workers::{CredentialsFrom, Movers, Settings};

struct Pair {
    source: Region,
    target: Region,
}

impl Pair {
    async fn with_buckets() -> Self {
        let source = Region::start("us-east-1", Storage::Memory, Ports::Any).unwrap();
        let target = Region::start("eu-west-1", Storage::Memory, Ports::Any).unwrap();
        for region in [&source, &target] {
            fixtures::create_bucket(&s3_client(region), "media").await.unwrap();
        }
        Self { source, target }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_large_object_is_many_heartbeats() {
    let pair = Pair::with_buckets().await;
    fixtures::seed_multipart_object(&pair.source, "media", "acme/large", 1).await.unwrap();
    let (from, to) = (bucket(&pair.source, "media", "acme"), bucket(&pair.target, "media", "acme"));
    let movers = movers();
    let (ledger, kept) = (Allows::writes(), Kept::all());
    let tally = movers.copy(acme(&from, &to), &ledger.permits(), &kept, None).await.unwrap();
    assert!(kept.most_alive() > 3, "{} while copying", kept.most_alive());

    let kept = Kept::all();
    assert_eq!(movers.digest(acme_at(&to), &kept, None).await.unwrap(), tally);
    assert!((1..=5).contains(&kept.resumes().len()), "after its parts at most");
    assert!(kept.most_alive() > 3, "{} while digesting", kept.most_alive());
}

#[tokio::test(flavor = "multi_thread")]
async fn heartbeats_are_as_rare_as_checkpoints() {
    let pair = Pair::with_buckets().await;
    fixtures::seed_multipart_object(&pair.source, "media", "acme/large", 1).await.unwrap();
    let settings =
        workers::Settings { checkpoint_every: std::time::Duration::from_secs(3600), ..workers::Settings::default() };
    let movers = workers::Movers::new(workers::CredentialsFrom::Fixed(testkit::region::credentials()), settings);
    let kept = Kept::all();
    movers.digest(acme_at(&bucket(&pair.source, "media", "acme")), &kept, None).await.unwrap();
    assert_eq!((kept.resumes().len(), kept.most_alive()), (0, 0));
}

/// Loses the lease as soon as the first part of an object was written.
struct UntilFirstPart(Arc<Mutex<Faults>>);

#[async_trait::async_trait]
impl Checkpoints for UntilFirstPart {
    async fn save(&self, _: Value, _: Tally) -> Result<(), WorkError> {
        Ok(())
    }

    async fn alive(&self) -> Result<(), WorkError> {
        if self.0.lock().unwrap().parts.is_empty() { Ok(()) } else { Err(WorkError::lost_lease("the lease lapsed")) }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_lost_between_two_parts_stops_the_copy_and_the_next_one_ends_the_upload() {
    let pair = Pair::with_buckets().await;
    fixtures::seed_multipart_object(&pair.source, "media", "acme/large", 1).await.unwrap();
    let front = S3Front::before(pair.target.s3_endpoint(), Faults::default()).await;
    let from = bucket(&pair.source, "media", "acme");
    let to = Place::S3 {
        region: "eu-west-1".to_owned(),
        endpoint: Some(front.endpoint.clone()),
        bucket: "media".to_owned(),
        prefix: "acme/".to_owned(),
        bounds: Vec::new(),
    };
    let (ledger, lost) = (Allows::writes(), UntilFirstPart(Arc::clone(&front.faults)));
    let one_at_a_time = Movers::new(
        CredentialsFrom::Fixed(testkit::region::credentials()),
        Settings { object_concurrency: 1, ..settings() },
    );
    let error = one_at_a_time.copy(acme(&from, &to), &ledger.permits(), &lost, None).await.unwrap_err();
    assert_eq!(error.treatment, Treatment::LostLease);
    assert_eq!(front.faults.lock().unwrap().parts.len(), 1, "no further part");
    let client = s3_client(&pair.target);
    assert!(observe::bucket_objects(&client, "media", "").await.unwrap().is_empty());
    assert_eq!(observe::unfinished_uploads(&client, "media", "").await.unwrap().len(), 1);

    copy_all(&movers(), &from, &to, "acme").await;
    assert!(observe::unfinished_uploads(&client, "media", "").await.unwrap().is_empty());
    assert_eq!(observe::bucket_objects(&client, "media", "").await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttled_page_and_a_search_for_differences_are_heartbeats() {
    const TABLE: &str = "issues";
    let source = Region::start("us-east-1", Storage::Memory, Ports::Any).unwrap();
    let target = Region::start("eu-west-1", Storage::Memory, Ports::Any).unwrap();
    for region in [&source, &target] {
        fixtures::create_table(&dynamodb_client(region), TABLE, INDEX, INDEX_KEY).await.unwrap();
    }
    // One page, so that no checkpoint can stand before its end.
    fill(&dynamodb_client(&source), TABLE, "acme", 0..25).await;
    let front = Front::before(target.dynamodb_endpoint(), Rules { split_writes: true, ..Rules::default() }).await;
    let (from, to) = (table(&source, TABLE, 1), table_at("eu-west-1", &front.endpoint, TABLE, 1));
    let movers = movers();
    let (ledger, kept) = (Allows::writes(), Kept::all());
    let tally = movers.copy(acme(&from, &to), &ledger.permits(), &kept, None).await.unwrap();
    assert!(kept.most_alive() > 3, "{} while copying", kept.most_alive());

    put(&dynamodb_client(&target), TABLE, item(3, "acme#0", "changed")).await;
    let kept = Kept::all();
    let error = movers.verify(acme(&from, &to), &tally, &kept).await.unwrap_err();
    assert_eq!(error.code, "verify_mismatch");
    assert!(kept.most_alive() > 3, "{} while looking for differences", kept.most_alive());
}
