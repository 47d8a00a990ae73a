//! The few calls that the movers make of a DynamoDB table, as traits: the real ones go through the AWS SDK
//! (`dynamodb/sdk.rs`), and a simulation puts its own tables under the same movers with [`Movers::with_tables`].
//!
//! [`Movers::with_tables`]: crate::Movers::with_tables

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
pub use aws_sdk_dynamodb::primitives::Blob;
pub use aws_sdk_dynamodb::types::AttributeValue;

use crate::clients::{Clients, CredentialsFrom};
use crate::error::WorkError;
use crate::inspection::{KeyAttribute, TableSchema};
use crate::place::Place;
use crate::settings::Settings;

/// An item, or the part of one that a projection or a key has.
pub type Item = HashMap<String, AttributeValue>;

/// The real tables, through the AWS SDK: for callers that put something between them and the movers.
pub fn through_sdk(credentials: CredentialsFrom, settings: &Settings) -> Arc<dyn Tables> {
    Arc::new(Clients::new(credentials, settings, Arc::default(), &Arc::default()))
}

/// Opens tables.
#[async_trait]
pub trait Tables: Send + Sync {
    /// The table and index that `place`, a [`Place::Dynamodb`], names. Need not ask the store yet.
    async fn open(&self, place: &Place) -> Result<Arc<dyn TableApi>, WorkError>;
}

/// One table with its index over the tenants.
#[async_trait]
pub trait TableApi: Send + Sync {
    /// What the table is.
    async fn describe(&self) -> Result<TableFacts, WorkError>;

    /// One page of the index, in its order. May be late, stale or empty, as an index is.
    async fn query(&self, query: Query<'_>) -> Result<Page, WorkError>;

    /// How many entries one page of the index has.
    async fn count(&self, value: &str, start: Option<Item>) -> Result<Counted, WorkError>;

    /// The items under at most 100 different keys that exist, in any order, read consistently from the base table. With
    /// `attributes` only those, else all.
    async fn batch_get(&self, keys: Vec<Item>, attributes: Option<&[String]>) -> Result<Got, WorkError>;

    /// Does at most 25 changes of at most 16 MiB in a request signed with `signed_at`, which the store refuses once that is
    /// too long ago. Gives back those that it left undone.
    async fn batch_write(&self, changes: Vec<Change>, signed_at: SystemTime) -> Result<Vec<Change>, WorkError>;
}

/// What a table says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableFacts {
    /// What no other table has (DynamoDB's TableId), if the store says it.
    pub id: Option<String>,
    /// DynamoDB's word: `ACTIVE`, `UPDATING`, …
    pub status: String,
    /// The primary key.
    pub schema: TableSchema,
    /// The index that the place names, if the table has it.
    pub index: Option<IndexFacts>,
    /// Whether its items expire by themselves.
    pub expires: Expires,
    /// Regions that hold a replica of the table, its own possibly among them.
    pub replicas: Vec<String>,
}

/// Whether items of a table expire by themselves (DynamoDB's TTL).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Expires {
    /// They don't.
    #[default]
    Never,
    /// By the time in this attribute.
    By(String),
    /// It is being enabled or disabled: DynamoDB's word for that. Nobody can tell what the store will delete.
    Changing(String),
}

/// What a table says about an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexFacts {
    /// DynamoDB's word: `ACTIVE`, `CREATING`, …
    pub status: String,
    /// Whether items that were there before it have yet to be put into it.
    pub backfilling: bool,
    /// Its key, hash first.
    pub keys: Vec<KeyAttribute>,
    /// What its entries hold.
    pub projection: Projection,
}

/// What the entries of an index hold of the items, besides the keys of the table and of the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Projection {
    /// Nothing.
    KeysOnly,
    /// These attributes.
    Include(Vec<String>),
    /// Everything.
    All,
}

/// A page of the index to read.
#[derive(Debug, Clone)]
pub struct Query<'a> {
    /// The index key's value.
    pub value: &'a str,
    /// Which attributes of the entries to return.
    pub attributes: &'a [String],
    /// Where the page before ended.
    pub start: Option<Item>,
    /// The most entries in the page.
    pub limit: i32,
}

/// A page of the index.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// Its entries.
    pub entries: Vec<Item>,
    /// Where the next page starts; `None` on the last.
    pub last: Option<Item>,
}

/// The size of a page of the index.
#[derive(Debug, Clone, Default)]
pub struct Counted {
    /// Entries in this page.
    pub entries: u64,
    /// Where the next page starts; `None` on the last.
    pub last: Option<Item>,
}

/// The answer to a batch of reads.
#[derive(Debug, Clone, Default)]
pub struct Got {
    /// Items that exist.
    pub items: Vec<Item>,
    /// Keys that the store left unread.
    pub unread: Vec<Item>,
}

/// One change of a table.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Writes the item, replacing one with the same key.
    Put(Item),
    /// Deletes the item with this key.
    Delete(Item),
}
