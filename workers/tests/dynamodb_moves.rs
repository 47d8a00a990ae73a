//! A tenant's items are copied, verified, resumed and removed between two regions, judged by the plain SDK.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod common;

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, ScalarAttributeType};
use common::*;
use serde_json::Value;
use testkit::stores::{Side, Stores};
use testkit::{fixtures, observe, on_both_stores};
use workers::error::{Treatment, WorkError};
use workers::ledger_permit::EntryState;
use workers::place::Place;
use workers::progress::{Checkpoints, Tally};
use workers::{Movers, PartAt, PartCopy};

const TABLE: &str = "issues";
const PARTS: u32 = 3;

struct Pair {
    source: Side,
    target: Side,
    from: Client,
    to: Client,
}

async fn pair(stores: Stores) -> Pair {
    let (source, target) = stores.sides().unwrap();
    let (from, to) = (source.dynamodb_client(), target.dynamodb_client());
    for client in [&from, &to] {
        fixtures::create_table(client, TABLE, INDEX, INDEX_KEY).await.unwrap();
    }
    Pair { source, target, from, to }
}

impl Pair {
    fn places(&self) -> (Place, Place) {
        self.tables(TABLE, PARTS)
    }

    fn tables(&self, name: &str, parts: u32) -> (Place, Place) {
        let table = |side: &Side| table_at(&side.region, &side.dynamodb, name, parts);
        (table(&self.source), table(&self.target))
    }

    fn movers(&self) -> Movers {
        movers_at(&self.source)
    }
}

fn sum(tallies: &[Tally]) -> Tally {
    let mut sum = Tally::default();
    tallies.iter().for_each(|tally| sum.merge(tally));
    sum
}

on_both_stores!(a_tenant_moves_whole_and_its_neighbours_stay, moves_whole);

async fn moves_whole(stores: Stores) {
    let pair = pair(stores).await;
    let (from, to) = pair.places();
    fixtures::put_items(&pair.from, TABLE, INDEX_KEY, "acme", PARTS, 400, 1).await.unwrap();
    fixtures::put_items(&pair.from, TABLE, INDEX_KEY, "acme-eu", PARTS, 60, 2).await.unwrap();
    fixtures::put_items(&pair.to, TABLE, INDEX_KEY, "acm", PARTS, 60, 3).await.unwrap();
    let source_before = observe::table_items(&pair.from, TABLE).await.unwrap();
    let target_before = observe::table_items(&pair.to, TABLE).await.unwrap();
    let movers = pair.movers();
    assert!(movers.inspect(&to, "acme").await.unwrap().empty);

    let tallies = copy_all(&movers, &from, &to, "acme").await;
    assert_eq!(sum(&tallies).items, 400);
    assert_eq!(observe::table_items(&pair.from, TABLE).await.unwrap(), source_before, "copying changes no source");
    let mut expected = observe::tenant_items(&pair.from, TABLE, INDEX_KEY, "acme").await.unwrap();
    assert_eq!(observe::tenant_items(&pair.to, TABLE, INDEX_KEY, "acme").await.unwrap(), expected);
    expected.extend(target_before.clone());
    assert_eq!(observe::table_items(&pair.to, TABLE).await.unwrap(), expected);

    for (part, tally) in (0..).zip(&tallies) {
        assert_eq!(
            movers.verify(PartCopy { part, ..acme(&from, &to) }, tally, &Kept::all()).await.unwrap().tally,
            Some(*tally)
        );
        assert_eq!(movers.digest(PartAt { part, ..acme_at(&from) }, &Kept::all(), None).await.unwrap(), *tally);
    }
    assert!(!movers.inspect(&from, "acme").await.unwrap().empty);

    assert_eq!(remove_all(&movers, &from, "acme").await, sum(&tallies));
    let mut left = source_before;
    left.retain(|_, item| fixtures::belongs_to("acme-eu", item[INDEX_KEY].as_s().unwrap()));
    assert_eq!(observe::table_items(&pair.from, TABLE).await.unwrap(), left);
    assert!(movers.inspect(&from, "acme").await.unwrap().empty);
    assert_eq!(remove_all(&movers, &from, "acme").await, Tally::default(), "removing again finds nothing");
}

on_both_stores!(every_checkpoint_resumes_to_the_same_tally, resumes_anywhere);

async fn resumes_anywhere(stores: Stores) {
    let pair = pair(stores).await;
    let (from, to) = pair.places();
    fill(&pair.from, TABLE, "acme", 0..200).await;
    let movers = pair.movers();
    let (ledger, kept) = (Allows::writes(), Kept::all());
    let whole = movers.copy(acme(&from, &to), &ledger.permits(), &kept, None).await.unwrap();
    let resumes = kept.resumes();
    assert!(resumes.len() > 10, "{} checkpoints", resumes.len());
    for resume in resumes {
        let kept = Kept::all();
        let again = movers.copy(acme(&from, &to), &ledger.permits(), &kept, Some(resume)).await;
        assert_eq!(again.unwrap(), whole);
    }
    let kept = Kept::all();
    movers.digest(acme_at(&from), &kept, None).await.unwrap();
    for resume in kept.resumes() {
        let again = movers.digest(acme_at(&from), &Kept::all(), Some(resume)).await;
        assert_eq!(again.unwrap(), whole);
    }
    // A checkpoint of something else, or of nothing we know, starts anew.
    for strange in [kept.resumes()[0].clone(), serde_json::json!({ "from": "elsewhere" }), serde_json::Value::Null] {
        let again = movers.copy(acme(&from, &to), &ledger.permits(), &Kept::all(), Some(strange)).await;
        assert_eq!(again.unwrap(), whole);
    }
}

on_both_stores!(work_that_loses_its_lease_anywhere_is_finished_by_the_next_holder, loses_its_lease);

async fn loses_its_lease(stores: Stores) {
    let pair = pair(stores).await;
    let (from, to) = pair.places();
    fill(&pair.from, TABLE, "acme", 0..150).await;
    let movers = pair.movers();
    let (writes, removal) = (Allows::writes(), Allows::removal());
    let mut resume = None;
    let mut turns = 0;
    let tally = loop {
        let kept = Kept::until(2);
        turns += 1;
        assert!(turns < 50, "it gets nowhere");
        match movers.copy(acme(&from, &to), &writes.permits(), &kept, resume.clone()).await {
            Ok(tally) => break tally,
            Err(error) => assert_eq!(error.treatment, Treatment::LostLease),
        }
        resume = kept.resumes().pop();
    };
    assert!(turns > 2, "it was interrupted");
    assert_eq!(tally.items, 150);
    movers.verify(acme(&from, &to), &tally, &Kept::all()).await.unwrap();

    let (mut resume, mut turns) = (None, 0);
    loop {
        let kept = Kept::until(2);
        turns += 1;
        assert!(turns < 50, "it gets nowhere");
        match movers.remove(acme_at(&to), &removal.permits(), &kept, resume.clone()).await {
            Ok(_) => break,
            Err(error) => assert_eq!(error.treatment, Treatment::LostLease),
        }
        resume = kept.resumes().pop();
    }
    // Batches in flight when the lease was lost may have been deleted already.
    assert!(turns > 1, "it was interrupted");
    assert!(observe::table_items(&pair.to, TABLE).await.unwrap().is_empty());
}

on_both_stores!(a_refused_permit_stops_writes_and_deletes_at_once, permit_is_refused);

async fn permit_is_refused(stores: Stores) {
    let pair = pair(stores).await;
    let (from, to) = pair.places();
    fill(&pair.from, TABLE, "acme", 0..200).await;
    let movers = pair.movers();
    let ledger = Allows::for_readings(EntryState::Adding, 3);
    let error = movers.copy(acme(&from, &to), &ledger.permits(), &Kept::all(), None).await.unwrap_err();
    assert_eq!((error.treatment, error.code), (Treatment::LostLease, "lost_lease"));
    // Each reading of the ledger allows one request of at most 25.
    assert!(observe::table_items(&pair.to, TABLE).await.unwrap().len() <= 75);

    let ledger = Allows::for_readings(EntryState::Removing, 3);
    let error = movers.remove(acme_at(&from), &ledger.permits(), &Kept::all(), None).await.unwrap_err();
    assert_eq!(error.treatment, Treatment::LostLease);
    assert!(observe::table_items(&pair.from, TABLE).await.unwrap().len() >= 125);

    // The wrong kind of permit, and an entry that is live.
    for state in [EntryState::Absent, EntryState::Live, EntryState::Adding] {
        let ledger = Allows::for_readings(state, u32::MAX);
        let error = movers.remove(acme_at(&from), &ledger.permits(), &Kept::all(), None).await.unwrap_err();
        assert_eq!(error.treatment, Treatment::LostLease);
    }
    let before = observe::table_items(&pair.to, TABLE).await.unwrap();
    for state in [EntryState::Absent, EntryState::Live, EntryState::Removing] {
        let ledger = Allows::for_readings(state, u32::MAX);
        let error = movers.copy(acme(&from, &to), &ledger.permits(), &Kept::all(), None).await.unwrap_err();
        assert_eq!(error.treatment, Treatment::LostLease);
    }
    assert_eq!(observe::table_items(&pair.to, TABLE).await.unwrap(), before);
}

on_both_stores!(a_mismatch_names_the_keys_that_differ, names_the_keys);

async fn names_the_keys(stores: Stores) {
    let pair = pair(stores).await;
    let (from, to) = pair.places();
    fill(&pair.from, TABLE, "acme", 0..100).await;
    let movers = pair.movers();
    let tally = copy_all(&movers, &from, &to, "acme").await[0];

    put(&pair.to, TABLE, item(7, "acme#0", "text 8")).await;
    let gone = item(13, "acme#0", "");
    let key = ["pk", "sk"].map(|name| (name.to_owned(), gone[name].clone()));
    pair.to.delete_item().table_name(TABLE).set_key(Some(HashMap::from(key))).send().await.unwrap();
    put(&pair.to, TABLE, item(500, "acme#0", "an extra one")).await;
    let error = movers.verify(acme(&from, &to), &tally, &Kept::all()).await.unwrap_err();
    assert_eq!((error.code, error.treatment), ("verify_mismatch", Treatment::Permanent));
    let named = error.message.split_once("keys that differ: ").unwrap().1;
    let mut named: Vec<_> = named.split("; ").collect();
    named.sort_unstable();
    assert_eq!(named, ["different pk=p00007, sk=s", "extra pk=p00500, sk=s", "missing pk=p00013, sk=s"]);
    assert!(!error.message.contains("text 8"), "no contents: {}", error.message);

    fill(&pair.to, TABLE, "acme", 600..620).await;
    let error = movers.verify(acme(&from, &to), &tally, &Kept::all()).await.unwrap_err();
    assert_eq!(error.message.split_once("keys that differ: ").unwrap().1.split("; ").count(), 10);
}

/// Copies 60 items and goes back to the look for changes after the first pass, `meanwhile` something is done to the source.
async fn looked_again(pair: &Pair, meanwhile: impl AsyncFnOnce()) -> Result<Tally, WorkError> {
    let (from, to) = pair.places();
    fill(&pair.from, TABLE, "acme", 0..60).await;
    let movers = pair.movers();
    let (ledger, kept) = (Allows::writes(), Kept::all());
    movers.copy(acme(&from, &to), &ledger.permits(), &kept, None).await.unwrap();
    let resume = kept.resumes().into_iter().find(|resume| resume["stage"] == "checking").unwrap();
    meanwhile().await;
    movers.copy(acme(&from, &to), &ledger.permits(), &Kept::all(), Some(resume)).await
}

on_both_stores!(an_item_that_the_index_lists_late_is_copied_again, copies_again);

async fn copies_again(stores: Stores) {
    let pair = pair(stores).await;
    let tally = looked_again(&pair, async || put(&pair.from, TABLE, item(99, "acme#0", "late")).await).await.unwrap();
    assert_eq!(tally.items, 61);
    let (from, to) = pair.places();
    pair.movers().verify(acme(&from, &to), &tally, &Kept::all()).await.unwrap();
}

on_both_stores!(a_write_to_a_source_at_rest_ends_the_copy_at_once_and_is_named, writes_are_named);

async fn writes_are_named(stores: Stores) {
    let pair = pair(stores).await;
    let meanwhile = async || {
        put(&pair.from, TABLE, item(7, "acme#0", "text 8")).await;
        put(&pair.from, TABLE, item(99, "acme#0", "late")).await;
        let gone = item(13, "acme#0", "");
        let key = ["pk", "sk"].map(|name| (name.to_owned(), gone[name].clone()));
        pair.from.delete_item().table_name(TABLE).set_key(Some(HashMap::from(key))).send().await.unwrap();
    };
    let error = looked_again(&pair, meanwhile).await.unwrap_err();
    assert_eq!((error.code, error.treatment), ("source_written", Treatment::Permanent));
    let mut named: Vec<_> = error.message.split_once("keys: ").unwrap().1.split("; ").collect();
    named.sort_unstable();
    assert_eq!(named, ["added pk=p00099, sk=s", "changed pk=p00007, sk=s", "deleted pk=p00013, sk=s"]);
    assert!(!error.message.contains("text 8"), "no contents: {}", error.message);
}

/// Adds an item to the source at each checkpoint, and so between any two passes.
struct Stray {
    client: Client,
    kept: Kept,
}

#[async_trait::async_trait]
impl Checkpoints for Stray {
    async fn save(&self, resume: Value, done: Tally) -> Result<(), WorkError> {
        let n = 1_000 + u32::try_from(self.kept.resumes().len()).unwrap();
        put(&self.client, TABLE, item(n, "acme#0", "stray")).await;
        self.kept.save(resume, done).await
    }

    async fn alive(&self) -> Result<(), WorkError> {
        Ok(())
    }
}

on_both_stores!(a_writer_that_goes_on_adding_is_named_by_the_second_look, adding_is_named);

async fn adding_is_named(stores: Stores) {
    let pair = pair(stores).await;
    let (from, to) = pair.places();
    fill(&pair.from, TABLE, "acme", 0..60).await;
    let (ledger, stray) = (Allows::writes(), Stray { client: pair.from.clone(), kept: Kept::all() });
    let error = pair.movers().copy(acme(&from, &to), &ledger.permits(), &stray, None).await.unwrap_err();
    let kept = stray.kept;
    assert_eq!((error.code, error.treatment), ("source_written", Treatment::Permanent));
    assert!(error.message.contains("added pk=p01") && error.message.contains("its index is further behind"), "{error}");
    assert!(kept.resumes().iter().all(|resume| resume["round"].as_u64() <= Some(1)), "a third round tells no more");
}

on_both_stores!(another_tenants_item_is_not_overwritten, spares_foreign_items);

async fn spares_foreign_items(stores: Stores) {
    let pair = pair(stores).await;
    let (from, to) = pair.places();
    fill(&pair.from, TABLE, "acme", 0..10).await;
    put(&pair.to, TABLE, item(4, "acme-eu#0", "theirs")).await;
    let ledger = Allows::writes();
    let error = pair.movers().copy(acme(&from, &to), &ledger.permits(), &Kept::all(), None).await.unwrap_err();
    assert_eq!((error.code, error.treatment), ("foreign_item", Treatment::Permanent));
    assert!(error.message.contains("pk=p00004"), "{}", error.message);
    let there = observe::table_items(&pair.to, TABLE).await.unwrap();
    assert_eq!(there.values().next().unwrap()["text"], AttributeValue::S("theirs".to_owned()));
}

on_both_stores!(tables_of_other_keys_move_too_but_not_into_each_other, moves_other_keys);

async fn moves_other_keys(stores: Stores) {
    let pair = pair(stores).await;
    for client in [&pair.from, &pair.to] {
        let keys = [("id", ScalarAttributeType::N), ("part", ScalarAttributeType::B)];
        fixtures::create_table_with_keys(client, "numbers", &keys, INDEX, INDEX_KEY).await.unwrap();
    }
    for n in 0..120u8 {
        let item = HashMap::from([
            ("id".to_owned(), AttributeValue::N(format!("-{}.5", n / 3))),
            ("part".to_owned(), AttributeValue::B(vec![0, 255, n].into())),
            (INDEX_KEY.to_owned(), AttributeValue::S("acme#0".to_owned())),
        ]);
        put(&pair.from, "numbers", item).await;
    }
    let (from, to) = pair.tables("numbers", 1);
    let movers = pair.movers();
    let (ledger, kept) = (Allows::writes(), Kept::all());
    let tally = movers.copy(acme(&from, &to), &ledger.permits(), &kept, None).await.unwrap();
    assert_eq!(tally.items, 120);
    for resume in kept.resumes() {
        let again = movers.copy(acme(&from, &to), &ledger.permits(), &Kept::all(), Some(resume)).await;
        assert_eq!(again.unwrap(), tally);
    }
    movers.verify(acme(&from, &to), &tally, &Kept::all()).await.unwrap();
    assert_eq!(remove_all(&movers, &to, "acme").await, tally);

    let (_, issues) = pair.places();
    let error = movers.copy(acme(&from, &issues), &ledger.permits(), &Kept::all(), None).await.unwrap_err();
    assert_eq!(error.code, "schema_mismatch");
    let schema = movers.inspect(&from, "acme").await.unwrap().schema.unwrap();
    assert_eq!(
        schema.keys.iter().map(|key| (&*key.name, &*key.kind)).collect::<Vec<_>>(),
        [("id", "N"), ("part", "B")]
    );
}
