//! Whatever may keep items out of the index is refused, for nobody would copy, verify or remove what is not listed.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

use async_trait::async_trait;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, KeySchemaElement, KeyType, LocalSecondaryIndex, Projection, ProjectionType,
    ScalarAttributeType,
};
use common::checkpoint_store::Notebook;
use common::*;
use testkit::fixtures::{self, Index};
use testkit::stores::{Side, Stores};
use testkit::{observe, on_both_stores};
use workers::error::{Treatment, WorkError};
use workers::fingerprint::Fingerprint;
use workers::inspection::{KeyAttribute, KeyRole};
use workers::late_writes::Known;
use workers::place::Place;
use workers::progress::Tally;
use workers::tables::{Change, Counted, Got, IndexFacts, Item, Page, Query, TableApi, TableFacts, Tables};
use workers::{CredentialsFrom, Depth, Movers, PartAt, PartCopy};

const TABLE: &str = "issues";
const KEYS: [(&str, ScalarAttributeType); 2] = [("pk", ScalarAttributeType::S), ("sk", ScalarAttributeType::S)];

fn place(side: &Side, parts: u32) -> Place {
    table_at(&side.region, &side.dynamodb, TABLE, parts)
}

/// Tables of one shape on both sides, and their places.
async fn pair(stores: Stores, index: &Index<'_>) -> (Side, Side, Place, Place) {
    let (source, target) = stores.sides().unwrap();
    for side in [&source, &target] {
        fixtures::create_table_with_index(&side.dynamodb_client(), TABLE, &KEYS, index).await.unwrap();
    }
    let places = (place(&source, 2), place(&target, 2));
    (source, target, places.0, places.1)
}

/// What each operation that relies on the index of `at` says, with a sound table at `other`.
async fn refusals(movers: &Movers, at: &Place, other: &Place) -> Vec<WorkError> {
    let (writes, removal) = (Allows::writes(), Allows::removal());
    let (kept, none) = (Kept::all(), Tally { items: 1, ..Tally::default() });
    vec![
        movers.inspect(at, "acme").await.unwrap_err(),
        movers.survey(at, "acme", Depth::Listed).await.unwrap_err(),
        movers.digest(acme_at(at), &kept, None).await.unwrap_err(),
        movers.copy(acme(at, other), &writes.permits(), &kept, None).await.unwrap_err(),
        movers.copy(acme(other, at), &writes.permits(), &kept, None).await.unwrap_err(),
        movers.verify(acme(at, other), &none, &kept).await.unwrap_err(),
        movers.verify(acme(other, at), &none, &kept).await.unwrap_err(),
        movers.compare(acme_at(at), Some(other), &none.into(), &kept, None).await.unwrap_err(),
        movers.compare(acme_at(other), Some(at), &none.into(), &kept, None).await.unwrap_err(),
        movers.remove(acme_at(at), &removal.permits(), &kept, None).await.unwrap_err(),
    ]
}

on_both_stores!(an_index_whose_sort_key_hides_items_is_refused_at_either_side, hiding_sort_key);

async fn hiding_sort_key(stores: Stores) {
    let hiding = Index { sort: Some("due"), ..Index::over(INDEX, INDEX_KEY) };
    let (source, target) = stores.sides().unwrap();
    let (from, to) = (source.dynamodb_client(), target.dynamodb_client());
    fixtures::create_table_with_index(&from, TABLE, &KEYS, &hiding).await.unwrap();
    fixtures::create_table_with_index(&to, TABLE, &KEYS, &Index::over(INDEX, INDEX_KEY)).await.unwrap();
    for n in 0..60 {
        let mut item = item(n, "acme#0", "text");
        if n % 5 != 0 {
            item.insert("due".to_owned(), AttributeValue::S(format!("{n}")));
        }
        put(&from, TABLE, item).await;
    }
    let before = observe::table_items(&from, TABLE).await.unwrap();
    assert_eq!(before.len(), 60);
    for error in refusals(&movers_at(&source), &place(&source, 2), &place(&target, 2)).await {
        assert_eq!((error.code, error.treatment), ("index_sort_key", Treatment::Permanent), "{error:?}");
        assert!(error.message.contains("`due`") && error.message.contains("`by-tenant`"), "{}", error.message);
    }
    assert_eq!(observe::table_items(&from, TABLE).await.unwrap(), before, "nothing was removed");
    assert!(observe::table_items(&to, TABLE).await.unwrap().is_empty(), "nothing was copied");
}

on_both_stores!(an_index_that_is_sorted_by_the_tables_own_key_lists_every_item, own_sort_key);

async fn own_sort_key(stores: Stores) {
    for (n, (sort, kind, more)) in [
        (Some("sk"), ProjectionType::KeysOnly, None),
        (Some("pk"), ProjectionType::All, None),
        (None, ProjectionType::Include, Some(vec!["text".to_owned()])),
    ]
    .into_iter()
    .enumerate()
    {
        let projection = Projection::builder().projection_type(kind).set_non_key_attributes(more).build();
        let (source, target, from, to) =
            pair(stores, &Index { sort, projection, ..Index::over(INDEX, INDEX_KEY) }).await;
        fixtures::put_items(&source.dynamodb_client(), TABLE, INDEX_KEY, "acme", 2, 130, n as u64).await.unwrap();
        let before = observe::table_items(&source.dynamodb_client(), TABLE).await.unwrap();
        let movers = movers_at(&source);
        let tallies = copy_all(&movers, &from, &to, "acme").await;
        for (part, tally) in (0..).zip(&tallies) {
            movers.verify(PartCopy { part, ..acme(&from, &to) }, tally, &Kept::all()).await.unwrap();
        }
        assert_eq!(observe::table_items(&target.dynamodb_client(), TABLE).await.unwrap(), before, "{sort:?}");
        remove_all(&movers, &from, "acme").await;
        assert!(observe::table_items(&source.dynamodb_client(), TABLE).await.unwrap().is_empty(), "{sort:?}");
    }
}

on_both_stores!(items_under_values_that_no_part_has_are_named, stray_values);

async fn stray_values(stores: Stores) {
    let (source, target, from, to) = pair(stores, &Index::over(INDEX, INDEX_KEY)).await;
    let client = source.dynamodb_client();
    let movers = movers_at(&source);
    put(&client, TABLE, item(1, "acme#0", "text")).await;
    for (value, code) in [
        ("acme#2", "shard_count_too_small"),
        ("acme#17", "shard_count_too_small"),
        ("acme#00", "index_value_invalid"),
        ("acme#01", "index_value_invalid"),
        ("acme#", "index_value_invalid"),
        ("acme", "index_value_invalid"),
    ] {
        put(&client, TABLE, item(2, value, "text")).await;
        let (writes, removal) = (Allows::writes(), Allows::removal());
        let found = [
            movers.inspect(&from, "acme").await.unwrap_err(),
            movers.copy(acme(&from, &to), &writes.permits(), &Kept::all(), None).await.unwrap_err(),
            movers.remove(acme_at(&from), &removal.permits(), &Kept::all(), None).await.unwrap_err(),
        ];
        for error in found {
            assert_eq!((error.code, error.treatment), (code, Treatment::Permanent), "{value}: {error:?}");
            let named = format!("pk=p00002, sk=s, under `{value}`");
            assert!(error.message.contains(&named), "{value}: {}", error.message);
        }
        assert_eq!(observe::table_items(&client, TABLE).await.unwrap().len(), 2, "{value}: nothing was removed");
    }
    // A removal tells them as late writes, item by item; once somebody has seen the keys, they go by a permit like all others.
    put(&client, TABLE, item(3, "acme#9", "text")).await;
    let nothing = Known { items: Some(Fingerprint::default()), ..Known::default() };
    let book = Notebook::default();
    book.until(usize::MAX);
    let compared = movers.compare(acme_at(&from), Some(&to), &nothing, &book, None).await.unwrap();
    assert_eq!((compared.late.added, compared.late.strays), (3, 2), "{compared:?}: that of the part is late as well");
    assert_eq!(compared.seen.items, 1);
    let (shown, refusing) = (book.found_marks(), Allows::writes());
    let refused = movers.remove_strays(acme_at(&from), &shown, &refusing.permits(), &Kept::all()).await.unwrap_err();
    assert_eq!(refused.treatment, Treatment::LostLease);
    // What came after that, in whatever way, nobody was shown.
    put(&client, TABLE, item(4, "acme#9", "later")).await;
    put(&client, TABLE, item(3, "acme#9", "edited")).await;
    let removal = Allows::removal();
    let removed = movers.remove_strays(acme_at(&from), &shown, &removal.permits(), &Kept::all()).await.unwrap();
    assert_eq!(removed.items, 1);
    assert_eq!(
        observe::table_items(&client, TABLE).await.unwrap().len(),
        3,
        "what is a part's, and what nobody was shown, is not theirs to remove"
    );
    for n in [3, 4] {
        fixtures::delete_item(&client, TABLE, &item(n, "acme#9", "")).await.unwrap();
    }
    assert!(observe::table_items(&target.dynamodb_client(), TABLE).await.unwrap().is_empty(), "nothing was copied");
    // Of a tenant whose id begins with this one's, and what no tenant's part is.
    for value in ["acme-eu#7", "acme-eu", "acm#7"] {
        put(&client, TABLE, item(2, value, "text")).await;
        movers.inspect(&from, "acme").await.unwrap();
    }
}

on_both_stores!(an_item_without_the_index_key_or_with_another_type_of_it_is_nobodys, sparse);

async fn sparse(stores: Stores) {
    let (source, target, from, to) = pair(stores, &Index::over(INDEX, INDEX_KEY)).await;
    let client = source.dynamodb_client();
    put(&client, TABLE, item(1, "acme#0", "text")).await;
    let mut without = item(2, "", "text");
    without.remove(INDEX_KEY);
    put(&client, TABLE, without.clone()).await;
    // DynamoDB takes no value of another type for an index key; only items from before the index can have one.
    let mut other = item(3, "", "text");
    other.insert(INDEX_KEY.to_owned(), AttributeValue::N("7".to_owned()));
    let refused = client.put_item().table_name(TABLE).set_item(Some(other)).send().await.is_err();
    let movers = movers_at(&source);
    assert_eq!(copy_all(&movers, &from, &to, "acme").await.iter().map(|tally| tally.items).sum::<u64>(), 1);
    assert_eq!(observe::table_items(&target.dynamodb_client(), TABLE).await.unwrap().len(), 1);
    remove_all(&movers, &from, "acme").await;
    let left = observe::table_items(&client, TABLE).await.unwrap();
    assert_eq!(left.len(), if refused { 1 } else { 2 }, "what names no tenant is left alone");
    assert!(left.values().any(|item| *item == without));
}

on_both_stores!(a_local_index_of_that_name_is_not_taken, local_index);

async fn local_index(stores: Stores) {
    let (source, _target) = stores.sides().unwrap();
    let key = |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap();
    let local = LocalSecondaryIndex::builder()
        .index_name(INDEX)
        .key_schema(key("pk", KeyType::Hash))
        .key_schema(key(INDEX_KEY, KeyType::Range))
        .projection(Projection::builder().projection_type(ProjectionType::KeysOnly).build());
    let mut create = source.dynamodb_client().create_table().table_name(TABLE);
    for name in ["pk", "sk", INDEX_KEY] {
        let string = AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S);
        create = create.attribute_definitions(string.build().unwrap());
    }
    create
        .key_schema(key("pk", KeyType::Hash))
        .key_schema(key("sk", KeyType::Range))
        .local_secondary_indexes(local.build().unwrap())
        .billing_mode(aws_sdk_dynamodb::types::BillingMode::PayPerRequest)
        .send()
        .await
        .unwrap();
    let error = movers_at(&source).inspect(&place(&source, 2), "acme").await.unwrap_err();
    assert_eq!((error.code, error.treatment), ("index_not_found", Treatment::Permanent));
    assert!(error.message.contains("global secondary index `by-tenant`"), "{}", error.message);
}

/// Tables whose index is described otherwise from the n-th description of a table on.
struct Changed {
    tables: Arc<dyn Tables>,
    from: u32,
    into: fn(&mut IndexFacts),
}

struct ChangedTable {
    api: Arc<dyn TableApi>,
    described: AtomicU32,
    from: u32,
    into: fn(&mut IndexFacts),
}

#[async_trait]
impl Tables for Changed {
    async fn open(&self, place: &Place) -> Result<Arc<dyn TableApi>, WorkError> {
        let api = self.tables.open(place).await?;
        Ok(Arc::new(ChangedTable { api, described: AtomicU32::new(0), from: self.from, into: self.into }))
    }
}

#[async_trait]
impl TableApi for ChangedTable {
    async fn describe(&self) -> Result<TableFacts, WorkError> {
        let mut facts = self.api.describe().await?;
        if self.described.fetch_add(1, Ordering::SeqCst) >= self.from {
            (self.into)(facts.index.as_mut().unwrap());
        }
        Ok(facts)
    }

    async fn query(&self, query: Query<'_>) -> Result<Page, WorkError> {
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

fn sorted(index: &mut IndexFacts) {
    index.keys.push(KeyAttribute { name: "due".to_owned(), kind: "S".to_owned(), role: KeyRole::Range });
}

fn doubled(index: &mut IndexFacts) {
    index.keys.push(KeyAttribute { name: "zone".to_owned(), kind: "S".to_owned(), role: KeyRole::Hash });
}

fn backfilling(index: &mut IndexFacts) {
    index.backfilling = true;
}

fn updating(index: &mut IndexFacts) {
    "UPDATING".clone_into(&mut index.status);
}

on_both_stores!(an_index_that_is_made_anew_while_a_part_is_worked_on_is_found, made_anew);

async fn made_anew(stores: Stores) {
    let (source, _target, from, to) = pair(stores, &Index::over(INDEX, INDEX_KEY)).await;
    fill(&source.dynamodb_client(), TABLE, "acme", 0..40).await;
    let movers = |from: u32, into| {
        let tables = workers::tables::through_sdk(CredentialsFrom::Fixed(source.credentials.clone()), &settings());
        Movers::with_tables(Arc::new(Changed { tables, from, into }), Arc::default(), settings())
    };
    let (writes, removal) = (Allows::writes(), Allows::removal());
    let copied = movers(1, updating).copy(acme(&from, &to), &writes.permits(), &Kept::all(), None).await.unwrap();
    assert_eq!(copied.items, 40, "an index that is given more capacity lists all that it did");
    for (into, code) in [
        (sorted as fn(&mut IndexFacts), "index_sort_key"),
        (doubled, "index_key_mismatch"),
        (backfilling, "index_not_active"),
    ] {
        // At first it is what it should be.
        let changed = || movers(1, into);
        let found = [
            changed().inspect(&from, "acme").await.unwrap_err(),
            changed().digest(acme_at(&from), &Kept::all(), None).await.unwrap_err(),
            changed().copy(acme(&from, &to), &writes.permits(), &Kept::all(), None).await.unwrap_err(),
            changed().verify(acme(&from, &to), &copied, &Kept::all()).await.unwrap_err(),
            changed().compare(acme_at(&from), Some(&to), &copied.into(), &Kept::all(), None).await.unwrap_err(),
            changed().remove(PartAt::new(&to, "acme", 1), &removal.permits(), &Kept::all(), None).await.unwrap_err(),
        ];
        for (n, error) in found.iter().enumerate() {
            assert_eq!(error.code, code, "operation {n}: {error:?}");
        }
        for error in refusals(&movers(0, into), &from, &to).await {
            assert_eq!(error.code, code, "{error:?}");
        }
    }
}
