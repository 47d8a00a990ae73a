//! Every single corruption of every kind of object is found by verification, and named: the mutation test of P8 for buckets.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod common;

use std::collections::BTreeMap;

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use common::*;
use testkit::region::{credentials, s3_client};
use testkit::{Ports, Region, Storage, fixtures};
use workers::error::Treatment;
use workers::place::Place;
use workers::progress::Tally;
use workers::{CredentialsFrom, Movers, Settings};

const FROM: &str = "media-us-east-1";
const TO: &str = "media-eu-west-1";

/// An object as the test writes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Object {
    bytes: Vec<u8>,
    content_type: Option<String>,
    cache_control: Option<String>,
    content_disposition: Option<String>,
    content_encoding: Option<String>,
    content_language: Option<String>,
    metadata: BTreeMap<String, String>,
    tags: BTreeMap<String, String>,
}

type Mutation = (&'static str, &'static str, fn(&mut Object));

/// Each changes one thing, and what that is called in a report; those that change nothing of an object are left out for it.
const MUTATIONS: [Mutation; 19] = [
    ("first byte", "contents", |object| flip(object.bytes.first_mut())),
    ("middle byte", "contents", |object| {
        let middle = object.bytes.len() / 2;
        flip(object.bytes.get_mut(middle));
    }),
    ("last byte", "contents", |object| flip(object.bytes.last_mut())),
    ("one byte cut off", "at least size", |object| object.bytes.truncate(object.bytes.len().saturating_sub(1))),
    ("cut in half", "at least size", |object| object.bytes.truncate(object.bytes.len() / 2)),
    ("emptied", "at least size", |object| object.bytes.clear()),
    ("one byte more", "at least size", |object| object.bytes.push(0)),
    ("type changed", "at least Content-Type", |object| object.content_type = Some("text/html".to_owned())),
    ("type lost", "at least Content-Type", |object| object.content_type = None),
    ("caching lost", "at least Cache-Control", |object| object.cache_control = None),
    ("disposition lost", "at least Content-Disposition", |object| object.content_disposition = None),
    ("encoding lost", "at least Content-Encoding", |object| object.content_encoding = None),
    ("language changed", "at least Content-Language", |object| object.content_language = Some("fr".to_owned())),
    ("metadata lost", "at least metadata", |object| drop(object.metadata.pop_last())),
    ("metadata changed", "at least metadata", |object| {
        object.metadata.values_mut().take(1).for_each(|value| value.push('x'));
    }),
    ("metadata added", "at least metadata", |object| drop(object.metadata.insert("added".to_owned(), "x".to_owned()))),
    ("tag lost", "at least tags", |object| drop(object.tags.pop_last())),
    ("tag changed", "at least tags", |object| object.tags.values_mut().take(1).for_each(|value| value.push('x'))),
    ("tag added", "at least tags", |object| drop(object.tags.insert("added".to_owned(), String::new()))),
];

fn flip(byte: Option<&mut u8>) {
    if let Some(byte) = byte {
        *byte ^= 1;
    }
}

/// One of each kind, by key.
fn objects() -> BTreeMap<&'static str, Object> {
    let some = |text: &str| Some(text.to_owned());
    let map = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let plain = || Object { bytes: (0..5_000).map(|n| (n % 251) as u8).collect(), ..Object::default() };
    BTreeMap::from([
        ("plain", plain()),
        ("one-byte", Object { bytes: vec![7], ..Object::default() }),
        ("empty", Object::default()),
        ("folder/", Object::default()),
        ("twin-1", plain()),
        ("twin-2", plain()),
        (
            "headers",
            Object {
                content_type: some("application/json"),
                cache_control: some("max-age=60"),
                content_disposition: some("attachment"),
                content_encoding: some("gzip"),
                content_language: some("de"),
                ..plain()
            },
        ),
        ("metadata", Object { metadata: map(&[("owner", "ada"), ("empty-ish", "-")]), ..plain() }),
        ("tags", Object { tags: map(&[("class", "secret"), ("empty", "")]), ..plain() }),
        ("empty with tag ü", Object { tags: map(&[("class", "secret")]), ..Object::default() }),
        (
            "large",
            Object {
                bytes: (0..9 << 20).map(|n: u32| (n % 251) as u8).collect(),
                content_type: some("video/mp4"),
                metadata: map(&[("owner", "ada")]),
                tags: map(&[("class", "secret")]),
                ..Object::default()
            },
        ),
    ])
}

async fn write(client: &Client, bucket: &str, key: &str, object: &Object) {
    let tags: Vec<_> = object.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let put = client.put_object().bucket(bucket).key(format!("acme/{key}"));
    let put = put
        .body(ByteStream::from(object.bytes.clone()))
        .set_content_type(object.content_type.clone())
        .set_cache_control(object.cache_control.clone())
        .set_content_disposition(object.content_disposition.clone())
        .set_content_encoding(object.content_encoding.clone())
        .set_content_language(object.content_language.clone())
        .set_metadata(Some(object.metadata.clone().into_iter().collect()))
        .set_tagging((!tags.is_empty()).then(|| tags.join("&")));
    put.send().await.unwrap();
}

struct Copied {
    from: Place,
    to: Place,
    movers: Movers,
    tally: Tally,
    target: Client,
    _regions: [Region; 2],
}

impl Copied {
    async fn new() -> Self {
        let start = |name| Region::start(name, Storage::Memory, Ports::Any).unwrap();
        let (source, target) = (start("us-east-1"), start("eu-west-1"));
        let (at_source, at_target) = (s3_client(&source), s3_client(&target));
        fixtures::create_bucket(&at_source, FROM).await.unwrap();
        fixtures::create_bucket(&at_target, TO).await.unwrap();
        for (key, object) in objects() {
            write(&at_source, FROM, key, &object).await;
        }
        let (from, to) = (bucket(&source, FROM, "acme"), bucket(&target, TO, "acme"));
        // One look: nothing is late here.
        let settings = Settings { settle_rounds: 0, ..settings() };
        let movers = Movers::new(CredentialsFrom::Fixed(credentials()), settings);
        let tally = copy_all(&movers, &from, &to, "acme").await[0];
        let copied = Self { from, to, movers, tally, target: at_target, _regions: [source, target] };
        assert_eq!(copied.verify().await, None);
        copied
    }

    /// What verification says differs, if anything does.
    async fn verify(&self) -> Option<String> {
        let verified = self.movers.verify(acme(&self.from, &self.to), &self.tally, &Kept::all()).await;
        let error = verified.err()?;
        assert_eq!((error.code, error.treatment), ("verify_mismatch", Treatment::Permanent));
        let same = error.message.contains("as many as expected, but not the same");
        let Tally { items, objects, bytes, .. } = self.tally;
        let counts = format!("holds {items} items, {objects} objects, {bytes} bytes");
        assert_eq!(same, error.message.contains(&counts), "{}", error.message);
        let (_, named) = error.message.split_once("keys that differ: ").unwrap_or_else(|| panic!("{}", error.message));
        Some(named.to_owned())
    }

    async fn delete(&self, key: &str) {
        self.target.delete_object().bucket(TO).key(format!("acme/{key}")).send().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_of_every_kind_of_object_is_found_and_named() {
    let copied = Copied::new().await;
    let mut tried = 0;
    for (key, object) in objects() {
        for (what, called, mutate) in MUTATIONS {
            let mut mutant = object.clone();
            mutate(&mut mutant);
            if mutant == object {
                continue;
            }
            write(&copied.target, TO, key, &mutant).await;
            assert_eq!(copied.verify().await, Some(format!("different {key} ({called})")), "{key}: {what}");
            tried += 1;
        }
        write(&copied.target, TO, key, &object).await;
        assert_eq!(copied.verify().await, None, "{key} is as it was");
    }
    assert!(tried > 90, "{tried} were tried");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_object_dropped_doubled_or_swapped_is_found_and_named() {
    let copied = Copied::new().await;
    for (key, object) in objects() {
        copied.delete(key).await;
        assert_eq!(copied.verify().await, Some(format!("missing {key}")));

        let other = format!("{key}~");
        write(&copied.target, TO, &other, &object).await;
        assert_eq!(copied.verify().await, Some(format!("missing {key}; extra {other}")), "under another key");

        write(&copied.target, TO, key, &object).await;
        assert_eq!(copied.verify().await, Some(format!("extra {other}")));
        copied.delete(&other).await;
        assert_eq!(copied.verify().await, None);
    }
    let objects = objects();
    write(&copied.target, TO, "metadata", &objects["tags"]).await;
    write(&copied.target, TO, "tags", &objects["metadata"]).await;
    assert_eq!(
        copied.verify().await.as_deref(),
        Some("different metadata (at least metadata, tags); different tags (at least metadata, tags)"),
        "swapped"
    );
}
