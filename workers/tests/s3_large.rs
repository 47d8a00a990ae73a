//! Large objects go part by part: a copy that is killed in the middle of one goes on where it was, and one of an object that has
//! changed, or whose upload is gone, begins anew. Checked by counting what is sent.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use common::s3_front::{Faults, S3Front};
use common::*;
use serde_json::Value;
use testkit::region::{credentials, s3_client};
use testkit::{Ports, Region, Storage, fixtures, observe};
use tokio::sync::watch;
use workers::error::WorkError;
use workers::place::Place;
use workers::progress::{Checkpoints, Tally};
use workers::{CredentialsFrom, Movers, Settings};

const PARTS: u64 = 6;
const BYTES: usize = (PARTS as usize - 1) * (8 << 20) + 12_345;

/// Two regions, the target behind a front that counts.
struct Pair {
    source: Region,
    target: Region,
    front: S3Front,
}

impl Pair {
    async fn new() -> Self {
        let start = |name: &str| Region::start(name, Storage::Memory, Ports::Any).unwrap();
        let (source, target) = (start("us-east-1"), start("eu-west-1"));
        for region in [&source, &target] {
            fixtures::create_bucket(&s3_client(region), "media").await.unwrap();
        }
        let front = S3Front::before(target.s3_endpoint(), Faults::default()).await;
        Self { source, target, front }
    }

    fn places(&self) -> (Place, Place) {
        let mut to = bucket(&self.target, "media", "acme");
        if let Place::S3 { endpoint, .. } = &mut to {
            *endpoint = Some(self.front.endpoint.clone());
        }
        (bucket(&self.source, "media", "acme"), to)
    }

    /// How often each part has been sent, by upload. A part that was under way when a copy was killed may arrive late: what is sent is
    /// judged by its number, never by a count at the time of the kill.
    fn sent(&self) -> BTreeMap<String, BTreeMap<u64, usize>> {
        let mut sent = BTreeMap::<String, BTreeMap<u64, usize>>::new();
        for (number, upload) in &self.front.faults.lock().unwrap().parts {
            *sent.entry(upload.clone()).or_default().entry(*number).or_default() += 1;
        }
        sent
    }

    async fn is_the_same_on_both_sides(&self) {
        let (from, to) = (s3_client(&self.source), s3_client(&self.target));
        let there = observe::bucket_objects(&to, "media", "").await.unwrap();
        assert_eq!(there, observe::bucket_objects(&from, "media", "").await.unwrap());
        assert!(observe::unfinished_uploads(&to, "media", "").await.unwrap().is_empty());
    }
}

fn contents(seed: u8) -> Vec<u8> {
    (0..BYTES).map(|n| (n % 251) as u8 ^ seed).collect()
}

async fn put(client: &Client, seed: u8) {
    let put = client.put_object().bucket("media").key("acme/large").body(ByteStream::from(contents(seed)));
    put.content_type("video/mp4").metadata("owner", "ada").tagging("class=secret").send().await.unwrap();
}

fn two_at_a_time() -> Movers {
    Movers::new(CredentialsFrom::Fixed(credentials()), Settings { object_concurrency: 2, ..settings() })
}

/// Tells how many parts of the object the last checkpoint has.
struct Watched {
    last: Mutex<Option<Value>>,
    done: watch::Sender<usize>,
}

impl Watched {
    fn new() -> Arc<Self> {
        Arc::new(Self { last: Mutex::default(), done: watch::Sender::new(0) })
    }
}

/// The numbers of the parts that a checkpoint has, counted from 1 as the store counts them.
fn parts_in(resume: &Value) -> BTreeSet<u64> {
    let hashing = &resume["cursor"]["large"]["large"]["hashing"];
    let leading = 1..=hashing["tree"]["leading"].as_u64().unwrap_or_default();
    let beyond = hashing["tree"]["beyond"].as_object().into_iter().flat_map(|beyond| beyond.keys());
    let beyond = beyond.map(|number| number.parse::<u64>().unwrap() + 1);
    leading.chain(beyond).chain(hashing["last"].is_string().then_some(PARTS)).collect()
}

fn all_once() -> BTreeMap<u64, usize> {
    (1..=PARTS).map(|number| (number, 1)).collect()
}

#[async_trait::async_trait]
impl Checkpoints for Watched {
    async fn save(&self, resume: Value, _: Tally) -> Result<(), WorkError> {
        self.done.send_replace(parts_in(&resume).len());
        *self.last.lock().unwrap() = Some(resume);
        Ok(())
    }

    async fn alive(&self) -> Result<(), WorkError> {
        Ok(())
    }
}

/// Copies until the checkpoint has `parts` parts, and drops the copy there. Returns the checkpoint.
async fn killed_after(pair: &Pair, parts: usize) -> Value {
    let (from, to) = pair.places();
    let (ledger, watched, movers) = (Allows::writes(), Watched::new(), two_at_a_time());
    let permits = ledger.permits();
    let mut done = watched.done.subscribe();
    tokio::select! {
        copied = movers.copy(acme(&from, &to), &permits, &*watched, None) => panic!("not killed: {copied:?}"),
        reached = done.wait_for(|done| *done >= parts) => drop(reached.unwrap()),
    }
    let last = watched.last.lock().unwrap().clone();
    last.unwrap()
}

async fn resume(pair: &Pair, at: Value) -> Tally {
    let (from, to) = pair.places();
    let ledger = Allows::writes();
    two_at_a_time().copy(acme(&from, &to), &ledger.permits(), &Kept::all(), Some(at)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_killed_in_the_middle_of_an_object_sends_only_the_missing_parts() {
    let pair = Pair::new().await;
    put(&s3_client(&pair.source), 0).await;
    let at = killed_after(&pair, 3).await;
    let done = parts_in(&at);
    assert!((3..PARTS as usize).contains(&done.len()), "{done:?} are done");

    let tally = resume(&pair, at).await;
    let sent: Vec<_> = pair.sent().into_values().collect();
    let [sent] = sent.as_slice() else { panic!("one upload: {sent:?}") };
    assert_eq!(sent.len(), PARTS as usize, "all parts are sent");
    assert!(done.iter().all(|number| sent[number] == 1), "{done:?} are not sent again: {sent:?}");
    pair.is_the_same_on_both_sides().await;
    let (from, to) = pair.places();
    assert_eq!(movers().verify(acme(&from, &to), &tally, &Kept::all()).await.unwrap().tally, Some(tally));

    // The digest is the one of a copy that was never interrupted, of an object read in one piece.
    let whole = Settings { multipart_threshold: 1 << 30, ..settings() };
    let whole = Movers::new(CredentialsFrom::Fixed(credentials()), whole);
    assert_eq!(whole.digest(acme_at(&from), &Kept::all(), None).await.unwrap(), tally);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_has_changed_meanwhile_is_begun_anew() {
    let pair = Pair::new().await;
    put(&s3_client(&pair.source), 0).await;
    let at = killed_after(&pair, 3).await;
    put(&s3_client(&pair.source), 1).await;
    let before = at["cursor"]["large"]["large"]["upload"].as_str().unwrap().to_owned();
    resume(&pair, at).await;
    let mut sent = pair.sent();
    assert!(sent.remove(&before).is_some(), "{before} of {sent:?}");
    assert_eq!(sent.into_values().collect::<Vec<_>>(), [all_once()], "all of it is sent anew, each part once");
    pair.is_the_same_on_both_sides().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_is_gone_is_begun_anew() {
    let pair = Pair::new().await;
    put(&s3_client(&pair.source), 0).await;
    let at = killed_after(&pair, 2).await;
    let client = s3_client(&pair.target);
    for (key, id) in observe::unfinished_uploads(&client, "media", "").await.unwrap() {
        client.abort_multipart_upload().bucket("media").key(key).upload_id(id).send().await.unwrap();
    }
    resume(&pair, at).await;
    pair.is_the_same_on_both_sides().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_gone_meanwhile_leaves_no_upload() {
    let pair = Pair::new().await;
    put(&s3_client(&pair.source), 0).await;
    let at = killed_after(&pair, 1).await;
    s3_client(&pair.source).delete_object().bucket("media").key("acme/large").send().await.unwrap();
    assert_eq!(resume(&pair, at).await, Tally::default());
    pair.is_the_same_on_both_sides().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_of_a_large_object_goes_on_where_it_was() {
    let pair = Pair::new().await;
    put(&s3_client(&pair.source), 0).await;
    let (from, _) = pair.places();
    let kept = Kept::all();
    let whole = two_at_a_time().digest(acme_at(&from), &kept, None).await.unwrap();
    assert!(kept.resumes().iter().any(|resume| parts_in(resume).len() > 2));
    for resume in kept.resumes() {
        let again = two_at_a_time().digest(acme_at(&from), &Kept::all(), Some(resume)).await;
        assert_eq!(again.unwrap(), whole);
    }
}
