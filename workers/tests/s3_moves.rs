//! A tenant's objects are copied, verified, resumed and removed between two regions, judged by the plain SDK.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod common;

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
use common::*;
use serde_json::Value;
use testkit::stores::{Side, Stores};
use testkit::{fixtures, observe, on_both_stores};
use workers::Movers;
use workers::error::Treatment;
use workers::ledger_permit::EntryState;
use workers::place::Place;
use workers::progress::Tally;

const BUCKET: &str = "media";

struct Pair {
    source: Side,
    target: Side,
    from: Client,
    to: Client,
    from_bucket: String,
    to_bucket: String,
}

async fn pair(stores: Stores) -> Pair {
    let (source, target) = stores.sides().unwrap();
    let (from, to) = (source.s3_client(), target.s3_client());
    let (from_bucket, to_bucket) = (source.bucket(BUCKET), target.bucket(BUCKET));
    fixtures::create_bucket(&from, &from_bucket).await.unwrap();
    fixtures::create_bucket(&to, &to_bucket).await.unwrap();
    Pair { source, target, from, to, from_bucket, to_bucket }
}

impl Pair {
    fn places(&self) -> (Place, Place) {
        let bucket = |side: &Side, name: &str| bucket_at(&side.region, &side.s3, name, "acme");
        (bucket(&self.source, &self.from_bucket), bucket(&self.target, &self.to_bucket))
    }

    fn movers(&self) -> Movers {
        movers_at(&self.source)
    }
}

async fn put(client: &Client, bucket: &str, key: &str, body: &str) {
    let body = ByteStream::from(body.as_bytes().to_vec());
    client.put_object().bucket(bucket).key(key).body(body).send().await.unwrap();
}

on_both_stores!(a_tenant_moves_whole_and_its_neighbours_stay, moves_whole);

async fn moves_whole(stores: Stores) {
    let pair = pair(stores).await;
    let (from, to) = pair.places();
    fixtures::put_objects(&pair.from, &pair.from_bucket, "acme/", 120, 1).await.unwrap();
    fixtures::put_objects(&pair.from, &pair.from_bucket, "acme-eu/", 10, 2).await.unwrap();
    put(&pair.from, &pair.from_bucket, "acme/", "the prefix itself").await;
    put(&pair.from, &pair.from_bucket, "acme", "not under the prefix").await;
    put(&pair.to, &pair.to_bucket, "acme-eu/there", "a neighbour").await;
    let neighbours = observe::bucket_objects(&pair.from, &pair.from_bucket, "acme-eu/").await.unwrap();
    let movers = pair.movers();
    assert!(movers.inspect(&to, "acme").await.unwrap().empty);

    let tally = copy_all(&movers, &from, &to, "acme").await[0];
    assert_eq!(tally.objects, 121);
    let source = observe::bucket_objects(&pair.from, &pair.from_bucket, "acme/").await.unwrap();
    let target = observe::bucket_objects(&pair.to, &pair.to_bucket, "acme/").await.unwrap();
    assert_eq!(source.len(), 121);
    assert_eq!(source, target);
    assert_eq!(tally.bytes, source.values().map(|object| object.len).sum::<u64>());
    assert!(observe::unfinished_uploads(&pair.to, &pair.to_bucket, "").await.unwrap().is_empty());
    assert_eq!(movers.verify(acme(&from, &to), &tally, &Kept::all()).await.unwrap().tally, Some(tally));
    assert_eq!(movers.digest(acme_at(&from), &Kept::all(), None).await.unwrap(), tally);
    assert!(!movers.inspect(&from, "acme").await.unwrap().empty);

    let removed = remove_all(&movers, &from, "acme").await;
    assert_eq!((removed.objects, removed.bytes), (tally.objects, tally.bytes));
    assert!(observe::bucket_objects(&pair.from, &pair.from_bucket, "acme/").await.unwrap().is_empty());
    assert_eq!(observe::bucket_objects(&pair.from, &pair.from_bucket, "acme-eu/").await.unwrap(), neighbours);
    assert_eq!(
        observe::bucket_objects(&pair.from, &pair.from_bucket, "acme").await.unwrap().len(),
        neighbours.len() + 1
    );
    assert!(movers.inspect(&from, "acme").await.unwrap().empty);
    assert_eq!(remove_all(&movers, &from, "acme").await, Tally::default());
}

on_both_stores!(every_checkpoint_resumes_to_the_same_tally, resumes_anywhere);

async fn resumes_anywhere(stores: Stores) {
    let pair = pair(stores).await;
    let (from, to) = pair.places();
    fixtures::put_objects(&pair.from, &pair.from_bucket, "acme/", 19, 4).await.unwrap();
    let movers = pair.movers();
    let (ledger, kept) = (Allows::writes(), Kept::all());
    let whole = movers.copy(acme(&from, &to), &ledger.permits(), &kept, None).await.unwrap();
    assert!(kept.resumes().len() > 19);
    for resume in kept.resumes() {
        let again = movers.copy(acme(&from, &to), &ledger.permits(), &Kept::all(), Some(resume)).await;
        assert_eq!(again.unwrap(), whole);
    }
    let kept = Kept::all();
    assert_eq!(movers.digest(acme_at(&to), &kept, None).await.unwrap(), whole);
    for resume in kept.resumes() {
        assert_eq!(movers.digest(acme_at(&to), &Kept::all(), Some(resume)).await.unwrap(), whole);
    }
}

on_both_stores!(a_refused_permit_stops_writes_and_deletes_at_once, permit_is_refused);

async fn permit_is_refused(stores: Stores) {
    let pair = pair(stores).await;
    let (from, to) = pair.places();
    fixtures::put_objects(&pair.from, &pair.from_bucket, "acme/", 19, 5).await.unwrap();
    fixtures::put_multipart_object(&pair.from, &pair.from_bucket, "acme/0-large", 5).await.unwrap();
    let movers = pair.movers();
    let ledger = Allows::for_readings(EntryState::Adding, 5);
    let error = movers.copy(acme(&from, &to), &ledger.permits(), &Kept::all(), None).await.unwrap_err();
    assert_eq!(error.treatment, Treatment::LostLease);
    assert!(observe::bucket_objects(&pair.to, &pair.to_bucket, "acme/").await.unwrap().len() <= 5);
    let error = movers.remove(acme_at(&from), &ledger.permits(), &Kept::all(), None).await.unwrap_err();
    assert_eq!(error.treatment, Treatment::LostLease);
    assert_eq!(observe::bucket_objects(&pair.from, &pair.from_bucket, "acme/").await.unwrap().len(), 20);

    // What that copy left unfinished is gone after the next one, and holds no data in the target.
    copy_all(&movers, &from, &to, "acme").await;
    assert!(observe::unfinished_uploads(&pair.to, &pair.to_bucket, "").await.unwrap().is_empty());
}

on_both_stores!(a_mismatch_names_the_keys_that_differ, names_the_keys);

async fn names_the_keys(stores: Stores) {
    let pair = pair(stores).await;
    let (from, to) = pair.places();
    for n in 0..12 {
        put(&pair.from, &pair.from_bucket, &format!("acme/{n:02}"), &format!("contents {n:02}")).await;
    }
    let movers = pair.movers();
    let tally = copy_all(&movers, &from, &to, "acme").await[0];
    // One byte of the contents; the metadata only; a tag only; one gone; one too many.
    put(&pair.to, &pair.to_bucket, "acme/03", "contents 0E").await;
    let body = ByteStream::from_static(b"contents 04");
    pair.to.put_object().bucket(&pair.to_bucket).key("acme/04").metadata("a", "b").body(body).send().await.unwrap();
    let body = ByteStream::from_static(b"contents 05");
    pair.to.put_object().bucket(&pair.to_bucket).key("acme/05").tagging("a=b").body(body).send().await.unwrap();
    pair.to.delete_object().bucket(&pair.to_bucket).key("acme/06").send().await.unwrap();
    put(&pair.to, &pair.to_bucket, "acme/x y", "").await;
    let error = movers.verify(acme(&from, &to), &tally, &Kept::all()).await.unwrap_err();
    assert_eq!((error.code, error.treatment), ("verify_mismatch", Treatment::Permanent));
    let named = error.message.split_once("keys that differ: ").unwrap().1;
    assert_eq!(
        named,
        "different 03 (contents); different 04 (at least metadata); different 05 (at least tags); missing 06; extra x y"
    );
}

on_both_stores!(a_write_to_a_source_at_rest_ends_the_copy_at_once_and_is_named, writes_are_named);

async fn writes_are_named(stores: Stores) {
    let pair = pair(stores).await;
    let (from, to) = pair.places();
    for key in ["acme/a", "acme/b", "acme/c"] {
        put(&pair.from, &pair.from_bucket, key, key).await;
    }
    let movers = pair.movers();
    let (ledger, kept) = (Allows::writes(), Kept::all());
    movers.copy(acme(&from, &to), &ledger.permits(), &kept, None).await.unwrap();
    let resume = kept.resumes().into_iter().find(|resume| resume["stage"] == "checking").unwrap();
    let body = ByteStream::from_static(b"acme/a");
    pair.from.put_object().bucket(&pair.from_bucket).key("acme/a").tagging("late=yes").body(body).send().await.unwrap();
    pair.from.delete_object().bucket(&pair.from_bucket).key("acme/b").send().await.unwrap();
    let copied = movers.copy(acme(&from, &to), &ledger.permits(), &Kept::all(), Some(resume.clone())).await;
    let error = copied.unwrap_err();
    assert_eq!((error.code, error.treatment), ("source_written", Treatment::Permanent));
    assert_eq!(error.message.split_once("keys: ").unwrap().1, "changed a (at least tags); deleted b");

    // A bucket lists what there is: an object that is only added was written late, too.
    copy_all(&movers, &from, &to, "acme").await;
    pair.to.delete_object().bucket(&pair.to_bucket).key("acme/b").send().await.unwrap();
    put(&pair.from, &pair.from_bucket, "acme/d", "d").await;
    let copied = movers.copy(acme(&from, &to), &ledger.permits(), &Kept::all(), Some(resume)).await;
    assert_eq!(copied.unwrap_err().message.split_once("keys: ").unwrap().1, "added d");
}

on_both_stores!(old_versions_delete_markers_and_unfinished_uploads_are_removed_too, removes_versions);

async fn removes_versions(stores: Stores) {
    let pair = pair(stores).await;
    let (from, _) = pair.places();
    let versioning = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
    let request = pair.from.put_bucket_versioning().bucket(&pair.from_bucket).versioning_configuration(versioning);
    request.send().await.unwrap();
    for n in 0..5 {
        put(&pair.from, &pair.from_bucket, "acme/a", &n.to_string()).await;
        put(&pair.from, &pair.from_bucket, "acme-eu/a", &n.to_string()).await;
    }
    for odd in ["acme/ lead", "acme/trail ", "acme/<&>\"'", "acme/tab\there", "acme/ü+ %"] {
        put(&pair.from, &pair.from_bucket, odd, "odd").await;
    }
    pair.from.delete_object().bucket(&pair.from_bucket).key("acme/a").send().await.unwrap();
    pair.from.create_multipart_upload().bucket(&pair.from_bucket).key("acme/unfinished").send().await.unwrap();
    pair.from.create_multipart_upload().bucket(&pair.from_bucket).key("acme-eu/unfinished").send().await.unwrap();
    let movers = pair.movers();
    assert!(!movers.inspect(&from, "acme").await.unwrap().empty);

    assert_eq!(remove_all(&movers, &from, "acme").await.objects, 10);
    let left = pair.from.list_object_versions().bucket(&pair.from_bucket).send().await.unwrap();
    assert_eq!(left.versions().len(), 5);
    assert!(left.versions().iter().all(|version| version.key() == Some("acme-eu/a")));
    assert!(left.delete_markers().is_empty());
    let uploads = observe::unfinished_uploads(&pair.from, &pair.from_bucket, "").await.unwrap();
    assert_eq!(uploads.iter().map(|(key, _)| &**key).collect::<Vec<_>>(), ["acme-eu/unfinished"]);
    assert!(movers.inspect(&from, "acme").await.unwrap().empty);

    // An upload alone is data, too.
    pair.from.create_multipart_upload().bucket(&pair.from_bucket).key("acme/unfinished").send().await.unwrap();
    assert!(!movers.inspect(&from, "acme").await.unwrap().empty);
    remove_all(&movers, &from, "acme").await;
    assert!(movers.inspect(&from, "acme").await.unwrap().empty);
}

on_both_stores!(more_objects_than_one_page_lists, lists_pages);

async fn lists_pages(stores: Stores) {
    let pair = pair(stores).await;
    let (from, to) = pair.places();
    fixtures::put_objects(&pair.from, &pair.from_bucket, "acme/", 1100, 6).await.unwrap();
    let movers = pair.movers();
    let tally = copy_all(&movers, &from, &to, "acme").await[0];
    assert_eq!(tally.objects, 1100);
    assert_eq!(movers.verify(acme(&from, &to), &tally, &Kept::all()).await.unwrap().tally, Some(tally));
    assert_eq!(remove_all(&movers, &to, "acme").await.objects, 1100);
    assert!(observe::bucket_objects(&pair.to, &pair.to_bucket, "").await.unwrap().is_empty());
}

/// What XML can't carry: a listing shows them encoded, a request to delete several can't name them, and what the store says of an upload
/// can't be read. The other store keeps no such keys.
#[tokio::test(flavor = "multi_thread")]
async fn keys_with_control_characters_are_moved_and_removed_with_their_unfinished_uploads() {
    let pair = pair(Stores::Embedded).await;
    let (from, to) = pair.places();
    for key in ["bell\u{7}", "line\nbreak", "one\u{1}", "delete\u{7f}", "plain"] {
        put(&pair.from, &pair.from_bucket, &format!("acme/{key}"), key).await;
    }
    put(&pair.from, &pair.from_bucket, "acme/large\u{1}", &"x".repeat(25 << 20)).await;
    create_unread(&pair.to, &pair.to_bucket, "acme/cut\u{1}").await;

    let (movers, ledger) = (pair.movers(), Allows::writes());
    let tally = copy_all(&movers, &from, &to, "acme").await[0];
    assert_eq!(tally.objects, 6);
    let there = observe::bucket_objects(&pair.to, &pair.to_bucket, "").await.unwrap();
    assert_eq!(there, observe::bucket_objects(&pair.from, &pair.from_bucket, "").await.unwrap());
    assert!(observe::unfinished_uploads(&pair.to, &pair.to_bucket, "").await.unwrap().is_empty());
    let verified = movers.verify(acme(&from, &to), &tally, &Kept::all()).await.unwrap();
    assert_eq!(verified.tally, Some(tally));

    // Stopped after each checkpoint, also between two parts of the large one, of which the parts can't be asked for.
    let mut in_the_middle = 0;
    for checkpoints in 1.. {
        remove_all(&movers, &to, "acme").await;
        let kept = Kept::until(checkpoints);
        let stopped = movers.copy(acme(&from, &to), &ledger.permits(), &kept, None).await;
        if stopped.is_ok() {
            break;
        }
        let resume = kept.resumes().last().cloned();
        // Two parts may end between two checkpoints; not all four.
        let leading = |resume: &Value| resume["cursor"]["large"]["large\u{1}"]["hashing"]["tree"]["leading"].as_u64();
        let large = |resume: &Value| leading(resume).is_some_and(|parts| parts >= 1);
        in_the_middle += u32::from(resume.as_ref().is_some_and(large));
        let resumed = movers.copy(acme(&from, &to), &ledger.permits(), &Kept::all(), resume).await.unwrap();
        assert_eq!(resumed, tally, "after {checkpoints}");
        assert!(observe::unfinished_uploads(&pair.to, &pair.to_bucket, "").await.unwrap().is_empty());
    }
    assert!(in_the_middle > 0, "it was stopped between the parts");
    create_unread(&pair.to, &pair.to_bucket, "acme/large\u{1}").await;
    assert_eq!(remove_all(&movers, &to, "acme").await.objects, 6);
    assert!(observe::bucket_objects(&pair.to, &pair.to_bucket, "").await.unwrap().is_empty());
    assert!(observe::unfinished_uploads(&pair.to, &pair.to_bucket, "").await.unwrap().is_empty());
}

/// Begins an upload. The answer can't be read; the upload is there.
async fn create_unread(client: &Client, bucket: &str, key: &str) {
    client.create_multipart_upload().bucket(bucket).key(key).send().await.unwrap_err();
    assert_eq!(observe::unfinished_uploads(client, bucket, "").await.unwrap().len(), 1);
}
