//! What a copy notes of the items it reads, and what a comparison with that finds later: whole through every interruption, exact beside
//! the removal's own deletes, and never less with sums of many items than with each of them.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod common;

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use common::checkpoint_store::Notebook;
use common::*;
use testkit::fixtures;
use testkit::region::dynamodb_client;
use testkit::{Ports, Region, Storage};
use workers::fingerprint::Fingerprint;
use workers::late_writes::{Known, Late};
use workers::place::Place;
use workers::progress::Tally;
use workers::{Movers, PartAt};

const TABLE: &str = "issues";
const ITEMS: u32 = 150;

struct Pair {
    from: Client,
    to: Client,
    old: Place,
    new: Place,
    movers: Movers,
    _regions: [Region; 2],
}

async fn pair() -> Pair {
    let regions = ["us-east-1", "eu-west-1"].map(|name| Region::start(name, Storage::Memory, Ports::Any).unwrap());
    let [from, to] = [0, 1].map(|n| dynamodb_client(&regions[n]));
    for client in [&from, &to] {
        fixtures::create_table(client, TABLE, INDEX, INDEX_KEY).await.unwrap();
    }
    fill(&from, TABLE, "acme", 0..ITEMS).await;
    let [old, new] = [0, 1].map(|n| table(&regions[n], TABLE, 1));
    Pair { from, to, old, new, movers: movers(), _regions: regions }
}

impl Pair {
    /// Copies, being interrupted after each `every` checkpoints.
    async fn copy(&self, every: usize) -> (Tally, Fingerprint) {
        let (book, ledger) = (Notebook::default(), Allows::writes());
        loop {
            let resume = book.until(every);
            if let Ok(tally) = self.movers.copy(acme(&self.old, &self.new), &ledger.permits(), &book, resume).await {
                return (tally, book.items());
            }
        }
    }

    async fn late(&self, book: &Notebook, known: &Known) -> BTreeSet<(Late, String)> {
        book.until(usize::MAX);
        let at = PartAt::new(&self.old, "acme", 0);
        let compared = self.movers.compare(at, Some(&self.new), known, book, None).await.unwrap();
        let found = book.found();
        assert_eq!(compared.late.total(), found.len() as u64);
        found
    }
}

fn key(n: u32) -> String {
    format!("pk=p{n:05}, sk=s")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_noted_of_a_copy_is_the_same_however_often_it_is_interrupted() {
    let pair = pair().await;
    let whole = pair.copy(usize::MAX).await;
    assert_eq!(whole.0.items, u64::from(ITEMS));
    for every in [1, 2, 3, 5] {
        assert_eq!(pair.copy(every).await, whole, "interrupted after each {every} checkpoints");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn late_writes_of_every_kind_are_told_and_nothing_else() {
    let pair = pair().await;
    let (tally, items) = pair.copy(usize::MAX).await;
    let book = Notebook::default();
    // Rightly done at the new home.
    for n in 0..50 {
        put(&pair.to, TABLE, item(n, "acme#0", "edited at home")).await;
    }
    fixtures::delete_item(&pair.to, TABLE, &item(50, "acme#0", "")).await.unwrap();
    put(&pair.to, TABLE, item(500, "acme#0", "new at home")).await;
    assert_eq!(pair.late(&book, &book.known(tally, items.clone())).await, BTreeSet::new());
    // Late at the old one.
    put(&pair.from, TABLE, item(600, "acme#0", "late")).await;
    put(&pair.from, TABLE, item(60, "acme#0", "late")).await;
    for n in [61, 7] {
        fixtures::delete_item(&pair.from, TABLE, &item(n, "acme#0", "")).await.unwrap();
    }
    // In both, or in neither.
    for client in [&pair.from, &pair.to] {
        put(client, TABLE, item(601, "acme#0", "in both")).await;
        fixtures::delete_item(client, TABLE, &item(62, "acme#0", "")).await.unwrap();
    }
    let late = BTreeSet::from([
        (Late::Added, key(600)),
        (Late::Changed, key(60)),
        (Late::Deleted, key(61)),
        (Late::Deleted, key(7)),
    ]);
    assert_eq!(pair.late(&book, &book.known(tally, items.clone())).await, late);
    // Sums find no less; the kind of what the live copy lacks is what they can't tell.
    let sums = pair.late(&book, &book.known(tally, items.within(0))).await;
    let keys = |of: &BTreeSet<(Late, String)>| of.iter().map(|(_, key)| key.clone()).collect::<BTreeSet<_>>();
    assert!(keys(&sums).is_superset(&keys(&late)), "{sums:?}");
    assert!(sums.len() < 20, "{sums:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_that_stops_anywhere_takes_none_of_its_deletes_for_late_ones() {
    let mut stops = 0;
    for most in 0.. {
        let pair = pair().await;
        let (tally, items) = pair.copy(usize::MAX).await;
        let (book, ledger) = (Notebook::default(), Allows::removal());
        book.until(most);
        let removed = pair.movers.remove(acme_at(&pair.old), &ledger.permits(), &book, None).await;
        for items in [items.clone(), items.clone().within(0)] {
            assert_eq!(pair.late(&book, &book.known(tally, items)).await, BTreeSet::new(), "after {most} checkpoints");
        }
        put(&pair.from, TABLE, item(600, "acme#0", "late")).await;
        put(&pair.from, TABLE, item(3, "acme#0", "late")).await;
        let late = pair.late(&book, &book.known(tally, items.clone())).await;
        assert_eq!(
            late,
            BTreeSet::from([(Late::Added, key(600)), (Late::Changed, key(3))]),
            "after {most} checkpoints"
        );
        let sums = pair.late(&book, &book.known(tally, items.within(0))).await;
        assert!(sums.iter().any(|(_, found)| *found == key(600)) && sums.iter().any(|(_, found)| *found == key(3)));
        if removed.is_ok() {
            break;
        }
        stops += 1;
    }
    assert!(stops > 3, "stopped {stops} times");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_location_that_nobody_has_read_what_the_live_copy_lacks_at_two_looks_is_told() {
    let pair = pair().await;
    pair.copy(usize::MAX).await;
    // So long that a machine which stands still for seconds does not make late what arrives in between.
    let apart = Duration::from_secs(8);
    let (book, unread) = (Notebook::default(), Known { unread: Some(apart), ..Known::default() });
    put(&pair.to, TABLE, item(1, "acme#0", "edited at home")).await;
    let soon = Known { unread: Some(Duration::from_millis(1)), ..Known::default() };
    assert_eq!(pair.late(&book, &soon).await, BTreeSet::new());
    put(&pair.from, TABLE, item(600, "acme#0", "only here")).await;
    put(&pair.from, TABLE, item(601, "acme#0", "on its way")).await;
    fixtures::delete_item(&pair.to, TABLE, &item(2, "acme#0", "")).await.unwrap();
    let arrives = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        put(&pair.to, TABLE, item(601, "acme#0", "on its way")).await;
    };
    let (late, ()) = tokio::join!(pair.late(&book, &unread), arrives);
    assert_eq!(late, BTreeSet::from([(Late::Added, key(600)), (Late::Added, key(2))]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_deletes_nothing_that_was_written_after_it_was_compared() {
    for (n, words) in [(600, "added"), (60, "changed")] {
        let pair = pair().await;
        let (_, items) = pair.copy(usize::MAX).await;
        put(&pair.from, TABLE, item(n, "acme#0", words)).await;
        let (book, ledger) = (Notebook::default(), Allows::removal());
        book.until(usize::MAX);
        let permits = ledger.permits().of_seen(items);
        let error = pair.movers.remove(acme_at(&pair.old), &permits, &book, None).await.unwrap_err();
        assert_eq!(error.code, "late_writes", "{words}: {}", error.message);
        let left = testkit::observe::table_items(&pair.from, TABLE).await.unwrap();
        assert!(left.values().any(|item| item["pk"].as_s().is_ok_and(|pk| *pk == format!("p{n:05}"))), "{words}");
        // Once it has been seen, it goes.
        let (book, ledger) = (Notebook::default(), Allows::removal());
        pair.late(&book, &Known { items: Some(Fingerprint::default()), ..Known::default() }).await;
        let permits = ledger.permits().of_seen(book.items());
        book.until(usize::MAX);
        pair.movers.remove(acme_at(&pair.old), &permits, &book, None).await.unwrap();
        assert!(testkit::observe::table_items(&pair.from, TABLE).await.unwrap().is_empty(), "{words}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_live_copy_lacked_stays_told_while_the_tenant_deletes_there() {
    let pair = pair().await;
    pair.copy(usize::MAX).await;
    put(&pair.from, TABLE, item(600, "acme#0", "only here")).await;
    let (book, unread) = (Notebook::default(), Known { unread: Some(Duration::from_millis(1)), ..Known::default() });
    book.until(usize::MAX);
    let at = PartAt::new(&pair.old, "acme", 0);
    let shown = pair.movers.compare(at, Some(&pair.new), &unread, &book, None).await.unwrap();
    // What was seen, but for what was found, is what is known from here on.
    let (mut items, found) = (book.items(), book.found_marks());
    items.take(&found);
    for n in 0..20 {
        fixtures::delete_item(&pair.to, TABLE, &item(n, "acme#0", "")).await.unwrap();
    }
    let (again, known) = (Notebook::default(), Known { items: Some(items), ..Known::default() });
    again.until(usize::MAX);
    let compared = pair.movers.compare(at, Some(&pair.new), &known, &again, None).await.unwrap();
    assert_eq!((shown.late.hash(), shown.late.total()), (compared.late.hash(), 1));
}
