//! What a look at a place finds, before any data work begins.

use serde::{Deserialize, Serialize};

/// The answer of [`Movers::inspect`](crate::Movers::inspect) for a place that can be worked with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Inspection {
    /// A table's key schema; `None` for a bucket.
    pub schema: Option<TableSchema>,
    /// Where the store itself replicates to: regions of a DynamoDB global table, or destination buckets of S3 replication
    /// rules that are enabled and touch the tenant's prefix.
    pub replicates_to: Vec<String>,
    /// Whether nothing of the tenant is there: items; or objects, old versions, delete markers and unfinished uploads.
    pub empty: bool,
}

/// The primary key of a table. Items can be copied between tables whose schemas are equal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableSchema {
    /// Hash key first, then the range key if there is one.
    pub keys: Vec<KeyAttribute>,
}

/// One attribute of a primary key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyAttribute {
    /// Attribute name.
    pub name: String,
    /// DynamoDB's type: `S`, `N` or `B`.
    pub kind: String,
    /// Its part in the key.
    pub role: KeyRole,
}

/// The part that an attribute plays in a primary key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum KeyRole {
    /// Partition key.
    Hash,
    /// Sort key.
    Range,
}
