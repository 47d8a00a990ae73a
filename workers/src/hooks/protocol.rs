//! The bodies of requests and answers. Services read and write these: names are never renamed, fields are only added.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::progress::Tally;

/// What is about to happen to a location, as `/schedule` tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Change {
    /// The tenant's data is to be added there.
    Add,
    /// It is to be removed from there.
    Remove,
}

/// The body of every request but `/status`, which has none.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Body<'a> {
    pub(super) tenant: &'a str,
    pub(super) region: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) generation: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) change: Option<Change>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) source: Option<Source<'a>>,
}

/// Where the data comes from.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Source<'a> {
    pub(super) region: &'a str,
    /// The service's address there, which may be another one.
    pub(super) url: &'a str,
}

/// The answer to `/status`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Status {
    pub(super) state: State,
    /// How many items are there, as far as the service can tell cheaply.
    #[serde(default)]
    pub(super) items: u64,
    #[serde(default)]
    pub(super) bytes: u64,
    /// Whether nothing of the tenant is there, exactly.
    pub(super) empty: bool,
    /// Why it failed.
    #[serde(default)]
    pub(super) reason: Option<String>,
}

/// How far a service is with one generation of one location.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum State {
    /// It has not been asked for anything in this generation.
    None,
    Adding,
    Added,
    /// Committed or provisioned.
    Live,
    Removing,
    /// Rolled back, or removed.
    Removed,
    Failed,
}

/// The answer to `/verify`.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Verified {
    items: u64,
    #[serde(default)]
    bytes: u64,
    /// Any text that is the same for the same data, whatever the order and the region.
    digest: String,
}

impl Verified {
    pub(super) fn tally(&self) -> Tally {
        let digest = if self.items == 0 { Digest::default() } else { Digest::of(self.digest.as_bytes()) };
        Tally { items: self.items, bytes: self.bytes, digest, ..Tally::default() }
    }
}

/// The body of a refusal.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Refused {
    #[serde(default)]
    pub(super) code: String,
    #[serde(default)]
    pub(super) reason: String,
}

impl Refused {
    /// Whether it is a service's own: what is between us and it does not speak the protocol.
    pub(super) fn says_something(&self) -> bool {
        !self.code.is_empty() || !self.reason.is_empty()
    }
}
