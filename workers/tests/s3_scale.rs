//! A tenant's objects divide into parts that add up; what has been copied is not read again to see that it settled; and a store
//! copies by itself where it can.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod common;

use common::s3_front::{Faults, S3Front};
use common::*;
use testkit::region::{credentials, s3_client};
use testkit::{Ports, Region, Storage, fixtures, observe};
use workers::place::Place;
use workers::progress::Tally;
use workers::{CredentialsFrom, Depth, Movers, PartCopy, ServerSideCopy, Settings};

async fn region(name: &str, buckets: &[&str]) -> Region {
    let region = Region::start(name, Storage::Memory, Ports::Any).unwrap();
    for bucket in buckets {
        fixtures::create_bucket(&s3_client(&region), bucket).await.unwrap();
    }
    region
}

fn behind(front: &S3Front, bucket: &str) -> Place {
    Place::S3 {
        region: "us-east-1".to_owned(),
        endpoint: Some(front.endpoint.clone()),
        bucket: bucket.to_owned(),
        prefix: "acme/".to_owned(),
        bounds: Vec::new(),
    }
}

fn movers_with(server_side_copy: ServerSideCopy) -> Movers {
    Movers::new(CredentialsFrom::Fixed(credentials()), Settings { server_side_copy, ..settings() })
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_divide_the_objects_and_add_up() {
    let (source, target) = (region("us-east-1", &["media"]).await, region("eu-west-1", &["media"]).await);
    fixtures::seed_objects(&source, "media", "acme/", 200, 1).await.unwrap();
    let (from, to) = (bucket(&source, "media", "acme"), bucket(&target, "media", "acme"));
    let movers = movers();
    let whole = movers.digest(acme_at(&from), &Kept::all(), None).await.unwrap();

    let found = movers.survey(&from, "acme", Depth::Listed).await.unwrap();
    assert_eq!((found.size.objects, found.size.bytes), (whole.objects, whole.bytes));
    let bounds = found.cuts.bounds(4);
    assert_eq!(bounds.len(), 3);
    let (from_in, to_in) = (from.clone().divided_at(&bounds), to.clone().divided_at(&bounds));
    let tallies = copy_all(&movers, &from_in, &to_in, "acme").await;
    assert!(tallies.iter().all(|tally| tally.objects > 5), "{tallies:?}");
    let mut sum = Tally::default();
    for (part, tally) in (0..).zip(&tallies) {
        assert_eq!(
            movers.verify(PartCopy { part, ..acme(&from_in, &to_in) }, tally, &Kept::all()).await.unwrap().tally,
            Some(*tally)
        );
        sum.merge(tally);
    }
    assert_eq!(sum, whole);
    let there = observe::bucket_objects(&s3_client(&target), "media", "").await.unwrap();
    assert_eq!(there, observe::bucket_objects(&s3_client(&source), "media", "").await.unwrap());

    // A late object has a part as well, and only that one differs.
    let late = s3_client(&target).put_object().bucket("media").key("acme/late");
    late.body(b"late".to_vec().into()).send().await.unwrap();
    let mut refused = 0;
    for (part, tally) in (0..).zip(&tallies) {
        match movers.verify(PartCopy { part, ..acme(&from_in, &to_in) }, tally, &Kept::all()).await {
            Ok(_) => {}
            Err(error) => {
                assert!(error.message.contains("extra late"), "{}", error.message);
                refused += 1;
            }
        }
    }
    assert_eq!(refused, 1);

    // Emptied, and proved empty, as a whole.
    let ledger = Allows::removal();
    let error = movers.remove(acme_at(&to_in), &ledger.permits(), &Kept::all(), None).await.unwrap_err();
    assert_eq!(error.code, "place_invalid");
    remove_all(&movers, &to, "acme").await;
    assert!(observe::bucket_objects(&s3_client(&target), "media", "").await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_leaves_the_uploads_of_the_others_alone() {
    let (source, target) = (region("us-east-1", &["media"]).await, region("eu-west-1", &["media"]).await);
    let bounds = ["15".to_owned()];
    let from = bucket(&source, "media", "acme").divided_at(&bounds);
    let to = bucket(&target, "media", "acme").divided_at(&bounds);
    let client = s3_client(&target);
    for n in 0..20 {
        client.create_multipart_upload().bucket("media").key(format!("acme/{n}")).send().await.unwrap();
    }
    let (movers, ledger) = (movers(), Allows::writes());
    movers.copy(acme(&from, &to), &ledger.permits(), &Kept::all(), None).await.unwrap();
    let left = observe::unfinished_uploads(&client, "media", "").await.unwrap().len();
    assert!((1..20).contains(&left), "{left} left");
    movers.copy(PartCopy { part: 1, ..acme(&from, &to) }, &ledger.permits(), &Kept::all(), None).await.unwrap();
    assert!(observe::unfinished_uploads(&client, "media", "").await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn contents_are_read_once_when_the_listing_shows_that_nothing_changed() {
    let (source, target) = (region("us-east-1", &["media"]).await, region("eu-west-1", &["media"]).await);
    fixtures::seed_objects(&source, "media", "acme/", 15, 1).await.unwrap();
    let front = S3Front::before(source.s3_endpoint(), Faults::default()).await;
    copy_all(&movers(), &behind(&front, "media"), &bucket(&target, "media", "acme"), "acme").await;
    assert_eq!(front.faults.lock().unwrap().gets, 15);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_store_copies_by_itself_whatever_belongs_to_the_objects() {
    let region = region("us-east-1", &["old", "new"]).await;
    fixtures::seed_objects(&region, "old", "acme/", 40, 1).await.unwrap();
    let front = S3Front::before(region.s3_endpoint(), Faults::default()).await;
    let (from, to) = (behind(&front, "old"), behind(&front, "new"));
    let movers = movers_with(ServerSideCopy::SameEndpoint);
    let tally = copy_all(&movers, &from, &to, "acme").await[0];
    let (copies, sent) = {
        let faults = front.faults.lock().unwrap();
        (faults.copies, faults.sent)
    };
    assert_eq!(copies, 39 + 2, "one object has two parts");
    assert!(sent < 10_000, "{sent} bytes were sent of {}", tally.bytes);
    let client = s3_client(&region);
    let there = observe::bucket_objects(&client, "new", "").await.unwrap();
    assert_eq!(there, observe::bucket_objects(&client, "old", "").await.unwrap());
    assert_eq!(movers.verify(acme(&from, &to), &tally, &Kept::all()).await.unwrap().tally, Some(tally));
    assert!(observe::unfinished_uploads(&client, "new", "").await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_refuses_to_copy_is_sent_the_contents() {
    let region = region("us-east-1", &["old", "new"]).await;
    fixtures::seed_objects(&region, "old", "acme/", 60, 1).await.unwrap();
    for code in ["AccessDenied", "NotImplemented"] {
        let faults = Faults { refuse_copies: Some(code), ..Faults::default() };
        let front = S3Front::before(region.s3_endpoint(), faults).await;
        let (from, to) = (behind(&front, "old"), behind(&front, "new"));
        let movers = movers_with(ServerSideCopy::SameEndpoint);
        let tally = copy_all(&movers, &from, &to, "acme").await[0];
        let copies = front.faults.lock().unwrap().copies;
        assert!((1..=16).contains(&copies), "{copies} were tried: those that had begun");
        let client = s3_client(&region);
        let there = observe::bucket_objects(&client, "new", "").await.unwrap();
        assert_eq!(there, observe::bucket_objects(&client, "old", "").await.unwrap());
        assert_eq!(movers.verify(acme(&from, &to), &tally, &Kept::all()).await.unwrap().tally, Some(tally));
        remove_all(&movers, &to, "acme").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_stores_that_do_not_know_each_other_are_found_out() {
    let (source, target) = (region("us-east-1", &["old"]).await, region("eu-west-1", &["new"]).await);
    fixtures::seed_objects(&source, "old", "acme/", 30, 1).await.unwrap();
    let (from, to) = (bucket(&source, "old", "acme"), bucket(&target, "new", "acme"));
    copy_all(&movers_with(ServerSideCopy::Always), &from, &to, "acme").await;
    let there = observe::bucket_objects(&s3_client(&target), "new", "").await.unwrap();
    assert_eq!(there, observe::bucket_objects(&s3_client(&source), "old", "").await.unwrap());
}
