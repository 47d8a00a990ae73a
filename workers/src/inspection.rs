//! What a look at a place finds, before any data work begins.

use serde::{Deserialize, Serialize};

use crate::s3::Cuts;

/// The answer of [`Movers::inspect`](crate::Movers::inspect) for a place that can be worked with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Inspection {
    /// A table's key schema; `None` for a bucket.
    pub schema: Option<TableSchema>,
    /// The attribute by whose time a table's items expire by themselves, if they do.
    #[serde(default)]
    pub expires_by: Option<String>,
    /// Where the store itself replicates to: regions of a DynamoDB global table, or destination buckets of S3 replication
    /// rules that are enabled and touch the tenant's prefix.
    pub replicates_to: Vec<String>,
    /// Which table it is, where a store says that.
    #[serde(default)]
    pub table_id: Option<String>,
    /// Whether nothing of the tenant is there: items, expired ones among them until the store has deleted them; or objects, old versions, delete markers and unfinished uploads.
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

/// How closely a survey looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Before a move: at what indexes and buckets list, which does not tell the sizes of items; and that some of the objects can be read.
    Listed,
    /// For an estimate: at what they list, and at some items of each part.
    Sampled,
}

/// What a survey finds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Survey {
    /// How much there is.
    pub size: Size,
    /// Where the objects of a bucket can be divided.
    pub cuts: Cuts,
}

/// How much of a tenant's a place holds, for estimates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Size {
    /// Items, as the index lists them.
    pub items: u64,
    /// Objects, as the bucket lists them.
    pub objects: u64,
    /// Bytes: of items by the size of some of them, if any were looked at; of objects as listed.
    pub bytes: u64,
    /// DynamoDB write units of writing all items to a table, likewise.
    pub write_units: u64,
    /// DynamoDB write units of writing their entries to the index of tenants, likewise.
    pub index_units: u64,
    /// DynamoDB read units of reading all items once, consistently, likewise.
    pub read_units: u64,
}

impl Size {
    /// The sum.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            items: self.items + other.items,
            objects: self.objects + other.objects,
            bytes: self.bytes + other.bytes,
            write_units: self.write_units + other.write_units,
            index_units: self.index_units + other.index_units,
            read_units: self.read_units + other.read_units,
        }
    }

    /// What so many items come to, if all are like these.
    pub(crate) fn scaled_to(self, items: u64) -> Self {
        let scaled = |number: u64| {
            let exact = u128::from(number) * u128::from(items) / u128::from(self.items.max(1));
            u64::try_from(exact).unwrap_or(u64::MAX)
        };
        Self {
            items,
            objects: self.objects,
            bytes: scaled(self.bytes),
            write_units: scaled(self.write_units),
            index_units: scaled(self.index_units),
            read_units: scaled(self.read_units),
        }
    }
}
