//! Single corruptions of a copied part, over every kind of attribute: each one is found and named by a full verification.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod common;

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue as Value;
use common::*;
use testkit::region::dynamodb_client;
use testkit::{Ports, Region, Storage, fixtures};
use workers::place::Place;
use workers::progress::Tally;
use workers::{PartCopy, Verification};

const TABLE: &str = "issues";
const TENANT: &str = "acme";

type Item = HashMap<String, Value>;

fn text(content: &str) -> Value {
    Value::S(content.to_owned())
}

fn number(content: &str) -> Value {
    Value::N(content.to_owned())
}

fn bytes(content: &[u8]) -> Value {
    Value::B(Blob::new(content))
}

fn map(entries: &[(&str, Value)]) -> Value {
    Value::M(entries.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
}

fn texts(content: &[&str]) -> Value {
    Value::Ss(content.iter().map(|text| (*text).to_owned()).collect())
}

fn numbers(content: &[&str]) -> Value {
    Value::Ns(content.iter().map(|text| (*text).to_owned()).collect())
}

fn blobs(content: &[&[u8]]) -> Value {
    Value::Bs(content.iter().map(|bytes| Blob::new(*bytes)).collect())
}

/// What is stored, and what it is corrupted to: for every kind a change of one byte, and look-alikes of another kind.
fn corruptions() -> Vec<(&'static str, Value, Value)> {
    let nested = |leaf: Value| map(&[("list", Value::L(vec![map(&[("leaf", leaf)]), Value::Null(true)]))]);
    vec![
        ("one byte of a text", text("a description"), text("a descriptioN")),
        ("a text cut short", text("a description"), text("a descriptio")),
        ("a text emptied", text("x"), text("")),
        ("a text normalised", text("e\u{301}"), text("\u{e9}")),
        ("a trailing blank", text("x"), text("x ")),
        (
            "a number's last digit",
            number("12345678901234567890123456789012345678"),
            number("12345678901234567890123456789012345679"),
        ),
        ("a number rounded", number("0.1"), number("0.10000000000000001")),
        ("a number's sign", number("5"), number("-5")),
        ("a number's exponent", number("1E+100"), number("1E+99")),
        ("a number turned into text", number("1"), text("1")),
        ("a text turned into a number", text("7"), number("7")),
        ("one bit of a binary", bytes(&[0, 1, 2, 255]), bytes(&[0, 1, 2, 254])),
        ("a binary cut short", bytes(&[0, 1, 2]), bytes(&[0, 1])),
        ("a binary turned into its base64", bytes(b"abc"), text("YWJj")),
        ("a truth value", Value::Bool(true), Value::Bool(false)),
        ("a truth value turned into text", Value::Bool(true), text("true")),
        ("null turned into false", Value::Null(true), Value::Bool(false)),
        ("null turned into an empty text", Value::Null(true), text("")),
        ("a map's value", map(&[("a", text("1"))]), map(&[("a", text("2"))])),
        ("a map's name", map(&[("a", text("1"))]), map(&[("b", text("1"))])),
        ("a map's entry lost", map(&[("a", text("1")), ("b", text("2"))]), map(&[("a", text("1"))])),
        ("a map emptied", map(&[("a", Value::Null(true))]), map(&[])),
        ("an empty map turned into an empty list", map(&[]), Value::L(Vec::new())),
        ("a list's order", Value::L(vec![text("1"), text("2")]), Value::L(vec![text("2"), text("1")])),
        ("a list's element lost", Value::L(vec![text("1"), text("1")]), Value::L(vec![text("1")])),
        ("a list flattened", Value::L(vec![Value::L(vec![text("1")])]), Value::L(vec![text("1")])),
        ("a list turned into a set", Value::L(vec![text("1"), text("2")]), texts(&["1", "2"])),
        ("a set of texts", texts(&["a", "b"]), texts(&["a", "c"])),
        ("an element of a set lost", texts(&["a", "b"]), texts(&["a"])),
        ("a set of numbers", numbers(&["1", "2"]), numbers(&["1", "3"])),
        ("a set of numbers turned into texts", numbers(&["1", "2"]), texts(&["1", "2"])),
        ("a set of binaries", blobs(&[&[1], &[2]]), blobs(&[&[1], &[3]])),
        ("a set of binaries turned into texts", blobs(&[b"1"]), texts(&["MQ=="])),
        ("a deep leaf", nested(text("x")), nested(text("y"))),
        ("a deep number", nested(number("1")), nested(number("2"))),
    ]
}

struct Stage {
    _regions: [Region; 2],
    to: Client,
    places: (Place, Place),
    tally: Tally,
    intact: Vec<Item>,
}

impl Stage {
    /// One part that holds an item for each corruption, copied.
    async fn copied() -> Self {
        let regions =
            [("us-east-1"), ("eu-west-1")].map(|name| Region::start(name, Storage::Memory, Ports::Any).unwrap());
        let [from, to] = [&regions[0], &regions[1]].map(dynamodb_client);
        for client in [&from, &to] {
            fixtures::create_table(client, TABLE, INDEX, INDEX_KEY).await.unwrap();
        }
        let mut intact = Vec::new();
        for (n, (_, value, _)) in (0..).zip(corruptions()) {
            let mut item = item(n, &format!("{TENANT}#0"), "beside it");
            item.insert("value".to_owned(), value);
            put(&from, TABLE, item.clone()).await;
            intact.push(item);
        }
        let places = (table(&regions[0], TABLE, 1), table(&regions[1], TABLE, 1));
        let tally = copy_all(&movers(), &places.0, &places.1, TENANT).await[0];
        Self { _regions: regions, to, places, tally, intact }
    }

    /// What a full verification says.
    async fn verdict(&self) -> Result<(), String> {
        let (from, to) = &self.places;
        match movers().verify(acme(from, to), &self.tally, &Kept::all()).await {
            Ok(_) => Ok(()),
            Err(error) => {
                assert_eq!(error.code, "verify_mismatch");
                Err(error.message)
            }
        }
    }

    async fn delete(&self, item: &Item) {
        let mut request = self.to.delete_item().table_name(TABLE);
        for name in ["pk", "sk"] {
            request = request.key(name, item[name].clone());
        }
        request.send().await.unwrap();
    }

    /// The corruption of item `n` is found and named as `kind`; undone, all is well again.
    async fn is_found(&self, what: &str, n: usize, kind: &str) {
        let said = self.verdict().await.expect_err(what);
        assert!(said.contains(&format!("{kind} pk=p{n:05}")), "{what}: {said}");
        put(&self.to, TABLE, self.intact[n].clone()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_single_change_is_found_and_named() {
    let stage = Stage::copied().await;
    stage.verdict().await.unwrap();
    for (n, (what, _, corrupted)) in corruptions().into_iter().enumerate() {
        let mut item = stage.intact[n].clone();
        item.insert("value".to_owned(), corrupted);
        put(&stage.to, TABLE, item.clone()).await;
        stage.is_found(what, n, "different").await;
        item.remove("value");
        put(&stage.to, TABLE, item).await;
        stage.is_found(&format!("lost whole: {what}"), n, "different").await;
        let mut more = stage.intact[n].clone();
        more.insert("value ".to_owned(), Value::Null(true));
        put(&stage.to, TABLE, more).await;
        stage.is_found(&format!("something beside it: {what}"), n, "different").await;
    }
    stage.verdict().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_item_and_a_doubled_one_are_found_and_named() {
    let stage = Stage::copied().await;
    for (n, item) in stage.intact.iter().enumerate() {
        stage.delete(item).await;
        stage.is_found("dropped", n, "missing").await;
    }
    for (n, item) in stage.intact.iter().enumerate() {
        let mut twin = item.clone();
        twin.insert("sk".to_owned(), text("s2"));
        put(&stage.to, TABLE, twin.clone()).await;
        stage.is_found("doubled", n, "extra").await;
        stage.delete(&twin).await;
    }
    for (n, item) in stage.intact.iter().enumerate() {
        let mut strayed = item.clone();
        strayed.insert(INDEX_KEY.to_owned(), text("acme#1"));
        put(&stage.to, TABLE, strayed).await;
        stage.is_found("under another index value", n, "missing").await;
    }
    stage.verdict().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_written_otherwise_are_the_same_numbers() {
    let stage = Stage::copied().await;
    let n = corruptions().iter().position(|(what, ..)| *what == "a number's sign").unwrap();
    for same in ["5.0", "05", "5E0", "+5"] {
        let mut item = stage.intact[n].clone();
        item.insert("value".to_owned(), number(same));
        put(&stage.to, TABLE, item).await;
        stage.verdict().await.unwrap_or_else(|said| panic!("{same}: {said}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sample_counts_and_compares_and_off_reads_nothing_back() {
    let stage = Stage::copied().await;
    let (from, to) = &stage.places;
    let verify = async |verification| {
        let copy = PartCopy { verification, ..acme(from, to) };
        movers().verify(copy, &stage.tally, &Kept::all()).await
    };
    // Fewer than a sample has at least: all of them are compared.
    let seen = verify(Verification::Sampled).await.unwrap();
    assert_eq!((seen.read_back, seen.tally), (stage.tally.items, None));
    let mut changed = stage.intact[3].clone();
    changed.insert("value".to_owned(), text("changed"));
    put(&stage.to, TABLE, changed).await;
    let error = verify(Verification::Sampled).await.unwrap_err();
    assert!(error.message.contains("different pk=p00003"), "{}", error.message);
    put(&stage.to, TABLE, stage.intact[3].clone()).await;
    stage.delete(&stage.intact[5]).await;
    let error = verify(Verification::Sampled).await.unwrap_err();
    assert_eq!(error.code, "verify_mismatch");
    assert!(error.message.contains("missing pk=p00005"), "{}", error.message);
    let seen = verify(Verification::Off).await.unwrap();
    assert_eq!((seen.read_back, seen.tally), (0, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_about_keys_is_held_against_every_item() {
    let stage = Stage::copied().await;
    let (from, to) = &stage.places;
    let ledger = Allows::writes();
    for verification in [Verification::Full, Verification::Sampled, Verification::Off] {
        for (prefix, holds) in [("p", true), ("acme#", false)] {
            let copy = PartCopy { verification, key_prefix: Some(prefix), ..acme(from, to) };
            let copied = movers().copy(copy, &ledger.permits(), &Kept::all(), None).await;
            match copied {
                Ok(tally) => assert!(holds && tally == stage.tally, "{prefix}"),
                Err(error) => assert!(!holds && error.code == "key_prefix_mismatch", "{prefix}: {error:?}"),
            }
        }
    }
}
