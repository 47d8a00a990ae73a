//! One item that differs from what was verified: written late, and in what way.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::digest::Digest;
use crate::dynamodb;
use crate::fingerprint::Mark;
use crate::shorten::shorten;

/// In what way an item was written late. Stored and shown: names are never renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Late {
    /// It was not there when the move verified the location.
    Added,
    /// It was there with other contents.
    Changed,
    /// It was there and is gone, and not by the removal; the live copy still has it.
    Deleted,
}

impl Late {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Added, Self::Changed, Self::Deleted];

    /// The stored and shown name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Changed => "changed",
            Self::Deleted => "deleted",
        }
    }
}

/// One item that was written late.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// In what way.
    pub kind: Late,
    /// Its key: a table's in DynamoDB's JSON, an object's as text.
    pub key: Value,
    /// `false` where only sums of several items, or totals, are known: one or more of these were written late, and perhaps not this one,
    /// which may have been edited rightly at the new home.
    pub certain: bool,
    /// Whether it stands under an index value that no part has.
    #[serde(skip)]
    pub stray: bool,
    /// What stands at the location under this key.
    #[serde(skip)]
    pub(crate) contents: Digest,
    /// What stands for that; `None` where nothing does.
    #[serde(skip)]
    pub mark: Option<Mark>,
}

impl Difference {
    /// Of an item that is at the location.
    pub(crate) fn here(kind: Late, key: Value, mark: Mark, contents: Digest) -> Self {
        Self { kind, key, certain: true, stray: false, contents, mark: Some(mark) }
    }

    /// Of one that is not there any more.
    pub(crate) fn gone(key: Value, certain: bool) -> Self {
        Self { kind: Late::Deleted, key, certain, stray: false, contents: Digest::default(), mark: None }
    }

    /// A stored key in words, cut short when long.
    pub fn key_in_words(key: &Value) -> String {
        match key {
            Value::String(text) => shorten(text),
            other => dynamodb::in_words(other).unwrap_or_else(|| shorten(&other.to_string())),
        }
    }
}
