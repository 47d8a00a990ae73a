//! Items that expire (TTL) count as absent once they have, are copied while they live, and keep no part from settling.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod common;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, TimeToLiveSpecification};
use common::checkpoint_store::Notebook;
use common::front::{Front, Rules};
use common::*;
use testkit::stores::{Side, Stores};
use testkit::{RequestAge, fixtures, observe, on_both_stores};
use tokio::time::Instant;
use workers::error::{Treatment, WorkError};
use workers::late_writes::Known;
use workers::place::Place;
use workers::tables::{Change, Counted, Expires, Got, Item, Page, Query, TableApi, TableFacts, Tables};
use workers::verification::Verification;
use workers::{CredentialsFrom, Movers, PartCopy};

const TABLE: &str = "sessions";
const UNTIL: &str = "until";
const HOUR: i64 = 3_600;

struct Pair {
    source: Side,
    target: Side,
    from: Client,
    to: Client,
}

impl Pair {
    fn places(&self) -> (Place, Place) {
        let table = |side: &Side| table_at(&side.region, &side.dynamodb, TABLE, 1);
        (table(&self.source), table(&self.target))
    }
}

async fn expire(client: &Client, attribute: &str) {
    let by = TimeToLiveSpecification::builder().attribute_name(attribute).enabled(true).build().unwrap();
    client.update_time_to_live().table_name(TABLE).time_to_live_specification(by).send().await.unwrap();
}

/// The time that is told here, with which reads are signed, may be hours ahead.
async fn pair(stores: Stores) -> Pair {
    let (source, target) = stores.sides_accepting(RequestAge::ANY).unwrap();
    let (from, to) = (source.dynamodb_client(), target.dynamodb_client());
    for client in [&from, &to] {
        fixtures::create_table(client, TABLE, INDEX, INDEX_KEY).await.unwrap();
        expire(client, UNTIL).await;
    }
    Pair { source, target, from, to }
}

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

fn time(seconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds.unsigned_abs())
}

fn session(n: u32, until: i64) -> Item {
    let mut item = item(n, "acme#0", "session");
    item.insert(UNTIL.to_owned(), AttributeValue::N(until.to_string()));
    item
}

async fn delete(client: &Client, item: &Item) {
    let key = ["pk", "sk"].map(|name| (name.to_owned(), item[name].clone())).into();
    client.delete_item().table_name(TABLE).set_key(Some(key)).send().await.unwrap();
}

/// Tables of which the store deletes one of some items whenever a pass over the index begins.
struct Sweeping {
    tables: Arc<dyn Tables>,
    client: Client,
    left: Arc<Mutex<VecDeque<Item>>>,
}

struct SweepingTable {
    api: Arc<dyn TableApi>,
    client: Client,
    left: Arc<Mutex<VecDeque<Item>>>,
}

#[async_trait]
impl Tables for Sweeping {
    async fn open(&self, place: &Place) -> Result<Arc<dyn TableApi>, WorkError> {
        let api = self.tables.open(place).await?;
        Ok(Arc::new(SweepingTable { api, client: self.client.clone(), left: Arc::clone(&self.left) }))
    }
}

#[async_trait]
impl TableApi for SweepingTable {
    async fn describe(&self) -> Result<TableFacts, WorkError> {
        self.api.describe().await
    }

    async fn query(&self, query: Query<'_>) -> Result<Page, WorkError> {
        if query.start.is_none() && query.value == "acme#0" {
            let next = self.left.lock().unwrap().pop_front();
            if let Some(item) = next {
                delete(&self.client, &item).await;
            }
        }
        self.api.query(query).await
    }

    async fn count(&self, value: &str, start: Option<Item>) -> Result<Counted, WorkError> {
        self.api.count(value, start).await
    }

    async fn batch_get(&self, keys: Vec<Item>, attributes: Option<&[String]>) -> Result<Got, WorkError> {
        self.api.batch_get(keys, attributes).await
    }

    async fn batch_write(&self, changes: Vec<Change>, signed_at: SystemTime) -> Result<Vec<Change>, WorkError> {
        self.api.batch_write(changes, signed_at).await
    }
}

on_both_stores!(a_part_in_which_one_item_expires_in_each_pass_settles, one_in_each_pass);

async fn one_in_each_pass(stores: Stores) {
    for verification in [Verification::Full, Verification::Sampled, Verification::Off] {
        let pair = pair(stores).await;
        let (from, to) = pair.places();
        fill(&pair.from, TABLE, "acme", 0..30).await;
        let ends = now() + HOUR;
        let passing: VecDeque<Item> = (100..140).map(|n| session(n, ends - HOUR / 2)).collect();
        for item in &passing {
            put(&pair.from, TABLE, item.clone()).await;
        }
        put(&pair.from, TABLE, session(200, ends + HOUR)).await;
        let left = Arc::new(Mutex::new(passing.clone()));
        let through =
            workers::tables::through_sdk(CredentialsFrom::Fixed(pair.source.credentials.clone()), &settings());
        let sweeping = Sweeping { tables: through, client: pair.from.clone(), left: Arc::clone(&left) };
        let movers = Movers::with_tables(Arc::new(sweeping), Arc::default(), settings());
        let copy = PartCopy { verification, ends: Some(time(ends)), ..acme(&from, &to) };
        let (ledger, kept) = (Allows::writes(), Kept::all());
        let copied = movers.copy(copy, &ledger.permits(), &kept, None).await.unwrap();
        assert_eq!(copied.items, 31, "{verification:?}: what stays is counted");
        let swept = 40 - left.lock().unwrap().len();
        assert!((2..6).contains(&swept), "{verification:?}: one in each pass, and no third round: {swept}");
        let verified = movers.verify(copy, &copied, &Kept::all()).await.unwrap();
        assert_eq!(verified.tally, (verification != Verification::Off).then_some(copied), "{verification:?}");
        // All that live are at the target, counted or not.
        let there = observe::table_items(&pair.to, TABLE).await.unwrap();
        for (key, item) in observe::table_items(&pair.from, TABLE).await.unwrap() {
            assert_eq!(there.get(&key), Some(&item), "{verification:?}");
        }
        let done = kept.saved.lock().unwrap().last().unwrap().1.items;
        assert!(done > 65, "{verification:?}: progress counts what is dealt with: {done}");
    }
}

/// The other store deletes by itself what this needs to stand there.
#[tokio::test(flavor = "multi_thread")]
async fn what_has_expired_is_not_copied_but_removed_with_the_rest() {
    let pair = pair(Stores::Embedded).await;
    let (from, to) = pair.places();
    let movers = movers_at(&pair.source);
    let now = now();
    put(&pair.from, TABLE, session(1, now - HOUR)).await;
    put(&pair.from, TABLE, session(2, now - 6 * 365 * 24 * HOUR)).await;
    put(&pair.from, TABLE, session(3, now * 1_000)).await;
    let mut text = session(4, 0);
    text.insert(UNTIL.to_owned(), AttributeValue::S((now - HOUR).to_string()));
    put(&pair.from, TABLE, text).await;
    let copy = PartCopy { ends: Some(time(now + HOUR)), ..acme(&from, &to) };
    let copied = movers.copy(copy, &Allows::writes().permits(), &Kept::all(), None).await.unwrap();
    assert_eq!(copied.items, 3, "the store never deletes what is no time, or passed more than five years ago");
    assert_eq!(observe::table_items(&pair.to, TABLE).await.unwrap().len(), 3);
    movers.verify(copy, &copied, &Kept::all()).await.unwrap();

    // It would be left behind for as long as the store takes to delete it.
    assert_eq!(observe::table_items(&pair.from, TABLE).await.unwrap().len(), 4);
    assert_eq!(remove_all(&movers, &from, "acme").await.items, 4);
    assert!(observe::table_items(&pair.from, TABLE).await.unwrap().is_empty());
    put(&pair.from, TABLE, session(1, now - HOUR)).await;
    assert!(!movers.inspect(&from, "acme").await.unwrap().empty, "an expired item still stands there");
}

on_both_stores!(an_item_that_lives_a_little_longer_is_not_lost, not_lost);

async fn not_lost(stores: Stores) {
    let pair = pair(stores).await;
    let (from, to) = (table_at(&pair.source.region, &pair.source.dynamodb, TABLE, 1), pair.places().1);
    let movers = movers_at(&pair.source);
    let ends = now() + HOUR;
    put(&pair.from, TABLE, item(1, "acme#0", "text")).await;
    put(&pair.from, TABLE, session(2, ends - 60)).await;
    let copy = PartCopy { ends: Some(time(ends)), ..acme(&from, &to) };
    let (ledger, kept) = (Allows::writes(), Kept::all());
    let copied = movers.copy(copy, &ledger.permits(), &kept, None).await.unwrap();
    assert_eq!(copied.items, 1);
    // One that the index listed late: the first pass did not see it, the second does, and it is copied.
    put(&pair.from, TABLE, session(3, ends - 60)).await;
    let resume = kept.resumes().into_iter().find(|resume| resume["stage"] == "checking").unwrap();
    assert_eq!(movers.copy(copy, &ledger.permits(), &Kept::all(), Some(resume)).await.unwrap(), copied);
    assert_eq!(observe::table_items(&pair.to, TABLE).await.unwrap().len(), 3);
    movers.verify(copy, &copied, &Kept::all()).await.unwrap();

    // One that the target has lost, or has with other contents.
    let mut other = session(3, ends - 60);
    other.insert("text".to_owned(), AttributeValue::S("spoiled".to_owned()));
    put(&pair.to, TABLE, other).await;
    delete(&pair.to, &session(2, 0)).await;
    let error = movers.verify(copy, &copied, &Kept::all()).await.unwrap_err();
    assert_eq!(error.code, "verify_mismatch");
    assert!(error.message.contains("pk=p00002") && error.message.contains("pk=p00003"), "{}", error.message);

    // By another clock both have expired: then nobody misses them.
    movers.hear_time(time(ends + HOUR), Instant::now());
    movers.verify(copy, &copied, &Kept::all()).await.unwrap();
}

on_both_stores!(a_late_write_that_expires_is_found_while_it_lives, late_write);

async fn late_write(stores: Stores) {
    let pair = pair(stores).await;
    let (from, to) = pair.places();
    let movers = movers_at(&pair.source);
    put(&pair.from, TABLE, item(1, "acme#0", "text")).await;
    put(&pair.from, TABLE, session(2, now() + HOUR)).await;
    let copied = copy_all(&movers, &from, &to, "acme").await[0];
    delete(&pair.to, &session(2, 0)).await;
    put(&pair.from, TABLE, session(3, now() - HOUR)).await;
    movers.hear_time(time(now() + 2 * HOUR), Instant::now());
    let known = Known::from(copied);
    let late = async || movers.compare(acme_at(&from), Some(&to), &known, &Kept::all(), None).await.unwrap().late;
    assert_eq!(late().await.total(), 0, "what is gone has expired");
    put(&pair.from, TABLE, session(4, now() + 3 * HOUR)).await;
    let one = late().await;
    assert_eq!((one.added, one.uncertain, one.total()), (1, 1, 1), "what lives is found");
    put(&pair.from, TABLE, item(5, "acme#0", "late")).await;
    let two = late().await;
    assert_eq!((two.added, two.uncertain, two.total()), (2, 2, 2), "and what does not expire; nothing else");
}

on_both_stores!(what_expires_is_known_item_by_item_like_all_others, known_by_item);

async fn known_by_item(stores: Stores) {
    let pair = pair(stores).await;
    let (from, to) = pair.places();
    let movers = movers_at(&pair.source);
    put(&pair.from, TABLE, item(1, "acme#0", "text")).await;
    for n in [2, 3, 4] {
        put(&pair.from, TABLE, session(n, now() + HOUR)).await;
    }
    let (book, writes) = (Notebook::default(), Allows::writes());
    book.until(usize::MAX);
    let tally = movers.copy(acme(&from, &to), &writes.permits(), &book, None).await.unwrap();
    let known = Known { tally, items: Some(book.items()), ..Known::default() };
    // Rightly done at the new home; and the store has deleted one at the old.
    put(&pair.to, TABLE, session(2, now() + 9 * HOUR)).await;
    delete(&pair.to, &session(3, 0)).await;
    delete(&pair.from, &session(4, 0)).await;
    movers.hear_time(time(now() + 2 * HOUR), Instant::now());
    let late = async || movers.compare(acme_at(&from), Some(&to), &known, &Kept::all(), None).await.unwrap().late;
    assert_eq!(late().await.total(), 0);
    // Late; of the second no store's clock will ever come.
    put(&pair.from, TABLE, session(5, now() + 3 * HOUR)).await;
    put(&pair.from, TABLE, session(6, 0)).await;
    let two = late().await;
    assert_eq!((two.added, two.total()), (2, 2));
}

on_both_stores!(tables_that_expire_their_items_otherwise_are_refused, otherwise);

async fn otherwise(stores: Stores) {
    let (source, target) = stores.sides().unwrap();
    let (from, to) = (source.dynamodb_client(), target.dynamodb_client());
    for client in [&from, &to] {
        fixtures::create_table(client, TABLE, INDEX, INDEX_KEY).await.unwrap();
    }
    let pair = Pair { source, target, from, to };
    let (from, to) = pair.places();
    put(&pair.from, TABLE, item(1, "acme#0", "text")).await;
    let refused = async || {
        let movers = movers_at(&pair.source);
        movers.copy(acme(&from, &to), &Allows::writes().permits(), &Kept::all(), None).await.unwrap_err()
    };
    for (client, attribute) in [(&pair.to, UNTIL), (&pair.from, "expires")] {
        expire(client, attribute).await;
        let error = refused().await;
        assert_eq!((error.code, error.treatment), ("expiry_mismatch", Treatment::Permanent), "{error:?}");
        assert!(error.message.contains(&format!("`{attribute}`")), "{}", error.message);
    }
    assert!(observe::table_items(&pair.to, TABLE).await.unwrap().is_empty(), "nothing was copied");
    let found = movers_at(&pair.source).inspect(&from, "acme").await.unwrap();
    assert_eq!(found.expires_by.as_deref(), Some("expires"));
}

/// Tables whose time to live is said to be otherwise than it is.
struct Said(Arc<dyn Tables>, Expires);

struct SaidTable(Arc<dyn TableApi>, Expires, Mutex<u32>);

#[async_trait]
impl Tables for Said {
    async fn open(&self, place: &Place) -> Result<Arc<dyn TableApi>, WorkError> {
        Ok(Arc::new(SaidTable(self.0.open(place).await?, self.1.clone(), Mutex::default())))
    }
}

#[async_trait]
impl TableApi for SaidTable {
    /// The first description is true.
    async fn describe(&self) -> Result<TableFacts, WorkError> {
        let facts = self.0.describe().await?;
        let mut before = self.2.lock().unwrap();
        *before += 1;
        Ok(if *before == 1 { facts } else { TableFacts { expires: self.1.clone(), ..facts } })
    }

    async fn query(&self, query: Query<'_>) -> Result<Page, WorkError> {
        self.0.query(query).await
    }

    async fn count(&self, value: &str, start: Option<Item>) -> Result<Counted, WorkError> {
        self.0.count(value, start).await
    }

    async fn batch_get(&self, keys: Vec<Item>, attributes: Option<&[String]>) -> Result<Got, WorkError> {
        self.0.batch_get(keys, attributes).await
    }

    async fn batch_write(&self, changes: Vec<Change>, signed_at: SystemTime) -> Result<Vec<Change>, WorkError> {
        self.0.batch_write(changes, signed_at).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_to_live_that_changes_meanwhile_is_found() {
    let pair = pair(Stores::Embedded).await;
    let (from, _) = pair.places();
    for (expires, code) in [
        (Expires::Never, "expiry_changed"),
        (Expires::By("other".to_owned()), "expiry_changed"),
        (Expires::Changing("DISABLING".to_owned()), "expiry_changing"),
    ] {
        let through =
            workers::tables::through_sdk(CredentialsFrom::Fixed(pair.source.credentials.clone()), &settings());
        let movers = Movers::with_tables(Arc::new(Said(through, expires)), Arc::default(), settings());
        let error = movers.digest(acme_at(&from), &Kept::all(), None).await.unwrap_err();
        assert_eq!((error.code, error.treatment), (code, Treatment::Retryable), "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_knows_no_time_to_live_expires_nothing() {
    let pair = pair(Stores::Embedded).await;
    let front = Front::before(&pair.source.dynamodb, Rules { no_expiry: true, ..Rules::default() }).await;
    let place = table_at(&pair.source.region, &front.endpoint, TABLE, 1);
    put(&pair.from, TABLE, session(1, now() - HOUR)).await;
    let movers = movers_at(&pair.source);
    assert_eq!(movers.inspect(&place, "acme").await.unwrap().expires_by, None);
    assert_eq!(movers.digest(acme_at(&place), &Kept::all(), None).await.unwrap().items, 1);
}
