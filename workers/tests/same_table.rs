//! Two names of one table are told from two tables, also where the store does not say which table it is; and nothing is left of that.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod common;

use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use aws_sdk_dynamodb::types::ScalarAttributeType;
use common::*;
use testkit::stores::Stores;
use testkit::{fixtures, observe, on_both_stores};
use workers::error::WorkError;
use workers::place::Place;
use workers::tables::{Change, Counted, Got, Item, Page, Query, TableApi, TableFacts, Tables, through_sdk};
use workers::{CredentialsFrom, Movers};

const TABLE: &str = "issues";

/// Tables of a store that gives them no ids.
struct Nameless(Arc<dyn Tables>);

struct NamelessTable(Arc<dyn TableApi>);

#[async_trait]
impl Tables for Nameless {
    async fn open(&self, place: &Place) -> Result<Arc<dyn TableApi>, WorkError> {
        Ok(Arc::new(NamelessTable(self.0.open(place).await?)))
    }
}

#[async_trait]
impl TableApi for NamelessTable {
    async fn describe(&self) -> Result<TableFacts, WorkError> {
        Ok(TableFacts { id: None, ..self.0.describe().await? })
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

on_both_stores!(one_table_by_two_names_is_one, one_or_two);

async fn one_or_two(stores: Stores) {
    use ScalarAttributeType::{B, N, S};
    let keys: [&[(&str, ScalarAttributeType)]; 4] =
        [&[("pk", S), ("sk", S)], &[("pk", N)], &[("pk", B), ("sk", N)], &[("pk", S), ("sk", B)]];
    let (one, other) = stores.sides().unwrap();
    let (first, second) = (one.dynamodb_client(), other.dynamodb_client());
    let through = || through_sdk(CredentialsFrom::Fixed(one.credentials.clone()), &settings());
    let with_ids = Movers::with_tables(through(), Arc::default(), settings());
    let without = Movers::with_tables(Arc::new(Nameless(through())), Arc::default(), settings());
    for (n, keys) in keys.into_iter().enumerate() {
        let name = format!("{TABLE}{n}");
        for client in [&first, &second] {
            fixtures::create_table_with_keys(client, &name, keys, INDEX, INDEX_KEY).await.unwrap();
        }
        let alias = one.dynamodb.replace("127.0.0.1", "localhost");
        assert_ne!(alias, one.dynamodb);
        let at = |endpoint: &str| table_at(&one.region, endpoint, &name, 1);
        let apart = table_at(&other.region, &other.dynamodb, &name, 1);
        for movers in [&with_ids, &without] {
            assert!(movers.is_one_place(&at(&one.dynamodb), &at(&alias), "acme").await.unwrap(), "{keys:?}");
            assert!(!movers.is_one_place(&at(&one.dynamodb), &apart, "acme").await.unwrap(), "{keys:?}");
        }
        for client in [&first, &second] {
            assert!(observe::table_items(client, &name).await.unwrap().is_empty(), "no marker is left: {keys:?}");
        }
    }
    let [n0, n1] = [0, 1].map(|n| table_at(&one.region, &one.dynamodb, &format!("{TABLE}{n}"), 1));
    assert!(!without.is_one_place(&n0, &n1, "acme").await.unwrap(), "tables of two names");
}
