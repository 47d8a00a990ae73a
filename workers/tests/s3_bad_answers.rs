//! The store slows down, cuts contents short and leaves deletions undone: nothing is lost, and nothing is believed empty
//! that is not.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod common;

use aws_sdk_s3::primitives::ByteStream;
use common::s3_front::{Faults, S3Front, WithoutMd5};
use common::*;
use testkit::region::s3_client;
use testkit::{Ports, Region, Storage, fixtures, observe};
use workers::Depth;
use workers::error::Treatment;
use workers::place::Place;

fn place(region: &str, front: &S3Front) -> Place {
    Place::S3 {
        region: region.to_owned(),
        endpoint: Some(front.endpoint.clone()),
        bucket: "media".to_owned(),
        prefix: "acme/".to_owned(),
        bounds: Vec::new(),
    }
}

async fn region(name: &str) -> Region {
    let region = Region::start(name, Storage::Memory, Ports::Any).unwrap();
    fixtures::create_bucket(&s3_client(&region), "media").await.unwrap();
    region
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_requests_and_cut_contents_are_repeated() {
    let (source, target) = (region("us-east-1").await, region("eu-west-1").await);
    fixtures::seed_objects(&source, "media", "acme/", 40, 1).await.unwrap();
    let faults = || Faults { slow_down_every: Some(7), cut_every: Some(4), ..Faults::default() };
    let before_source = S3Front::before(source.s3_endpoint(), faults()).await;
    let before_target = S3Front::before(target.s3_endpoint(), faults()).await;
    let (from, to) = (place("us-east-1", &before_source), place("eu-west-1", &before_target));
    let movers = movers();

    let tally = copy_all(&movers, &from, &to, "acme").await[0];
    assert_eq!(tally.objects, 40);
    assert!(before_source.faults.lock().unwrap().gets > 45, "some contents were cut");
    let there = observe::bucket_objects(&s3_client(&target), "media", "").await.unwrap();
    assert_eq!(there, observe::bucket_objects(&s3_client(&source), "media", "").await.unwrap());
    assert!(observe::unfinished_uploads(&s3_client(&target), "media", "").await.unwrap().is_empty());
    assert_eq!(movers.verify(acme(&from, &to), &tally, &Kept::all()).await.unwrap().tally, Some(tally));
    assert_eq!(remove_all(&movers, &to, "acme").await.objects, 40);
    assert!(observe::bucket_objects(&s3_client(&target), "media", "").await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn deletions_left_undone_are_done() {
    let source = region("us-east-1").await;
    fixtures::seed_objects(&source, "media", "acme/", 30, 1).await.unwrap();
    let keys = observe::bucket_objects(&s3_client(&source), "media", "").await.unwrap();
    let plain: Vec<_> = keys.into_keys().filter(|key| key.starts_with("acme/media/")).take(3).collect();
    // Named as failed: only these. The other keys of those calls were not deleted either, and nobody said so.
    let faults = Faults { undeleted: Some((2, "InternalError", plain)), ..Faults::default() };
    let front = S3Front::before(source.s3_endpoint(), faults).await;
    remove_all(&movers(), &place("us-east-1", &front), "acme").await;
    assert_eq!(front.faults.lock().unwrap().undeleted.as_ref().unwrap().0, 0, "the faults happened");
    assert!(observe::bucket_objects(&s3_client(&source), "media", "").await.unwrap().is_empty());
}

/// What DeleteObjects needs is not the same everywhere, and some stores do not have it.
#[tokio::test(flavor = "multi_thread")]
async fn deletions_are_sent_in_the_form_that_the_store_takes() {
    for (refuses, together) in [
        (WithoutMd5::Alone("InvalidRequest"), true),
        (WithoutMd5::Alone("MissingContentMD5"), true),
        (WithoutMd5::AndAll("NotImplemented"), false),
    ] {
        let source = region("us-east-1").await;
        fixtures::seed_objects(&source, "media", "acme/", 30, 1).await.unwrap();
        let front =
            S3Front::before(source.s3_endpoint(), Faults { refuse_deletes: Some(refuses), ..Faults::default() }).await;
        let deleted = remove_all(&movers(), &place("us-east-1", &front), "acme").await;
        assert_eq!(deleted.objects, 30, "{refuses:?}");
        assert!(observe::bucket_objects(&s3_client(&source), "media", "").await.unwrap().is_empty(), "{refuses:?}");
        assert_eq!(front.faults.lock().unwrap().deletes > 0, together, "{refuses:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deletions_that_are_not_allowed_are_reported() {
    let source = region("us-east-1").await;
    fixtures::seed_objects(&source, "media", "acme/", 3, 1).await.unwrap();
    let faults = Faults { undeleted: Some((1, "AccessDenied", vec!["acme/x".to_owned()])), ..Faults::default() };
    let front = S3Front::before(source.s3_endpoint(), faults).await;
    let ledger = Allows::removal();
    let place = place("us-east-1", &front);
    let error = movers().remove(acme_at(&place), &ledger.permits(), &Kept::all(), None).await.unwrap_err();
    assert_eq!((error.code, error.treatment), ("access_denied", Treatment::Permanent));
    assert!(error.message.contains("s3:DeleteObjectVersion"), "{}", error.message);
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_that_are_locked_are_named_with_what_to_do() {
    let source = region("us-east-1").await;
    fixtures::seed_objects(&source, "media", "acme/", 3, 1).await.unwrap();
    let faults = Faults {
        undeleted: Some((1, "AccessDenied", vec!["acme/media/02/00000002.bin".to_owned()])),
        locked_until: Some("2031-05-06T07:08:09Z"),
        ..Faults::default()
    };
    let front = S3Front::before(source.s3_endpoint(), faults).await;
    let ledger = Allows::removal();
    let place = place("us-east-1", &front);
    let error = movers().remove(acme_at(&place), &ledger.permits(), &Kept::all(), None).await.unwrap_err();
    assert_eq!((error.code, error.treatment), ("object_locked", Treatment::Permanent));
    for part in ["acme/media/02/00000002.bin", "2031-05-06T07:08:09Z", "replay the removal"] {
        assert!(error.message.contains(part), "{}", error.message);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_can_t_be_read_names_the_key_and_is_not_asked_for_for_long() {
    let (source, target) = (region("us-east-1").await, region("eu-west-1").await);
    let client = s3_client(&source);
    for key in ["acme/a", "acme/strange"] {
        client.put_object().bucket("media").key(key).body(ByteStream::from_static(b"x")).send().await.unwrap();
    }
    let faults = Faults { raw_metadata: Some("strange"), ..Faults::default() };
    let front = S3Front::before(source.s3_endpoint(), faults).await;
    let (from, to, ledger) = (place("us-east-1", &front), bucket(&target, "media", "acme"), Allows::writes());
    let error = movers().copy(acme(&from, &to), &ledger.permits(), &Kept::all(), None).await.unwrap_err();
    assert_eq!((error.code, error.treatment), ("answer_unreadable", Treatment::Permanent), "{error}");
    assert!(error.message.contains("key strange") && !error.message.contains("refused"), "{error}");
    let requests = front.faults.lock().unwrap().requests;
    assert!(requests < 20, "asked three times and no more: {requests} requests");
    let found = movers().survey(&from, "acme", Depth::Listed).await.unwrap_err();
    assert_eq!(found.code, "answer_unreadable", "before a move it is found as well: {found}");
    assert!(found.message.contains("key strange"), "{found}");

    // Once it can be read again, all goes on.
    front.faults.lock().unwrap().raw_metadata = None;
    let copied = movers().copy(acme(&from, &to), &ledger.permits(), &Kept::all(), None).await.unwrap();
    assert_eq!(copied.objects, 2);
}
