//! What a request asks to be written.

use std::collections::BTreeMap;

use dynoxide::Item;
use serde::Deserialize;

use crate::fault_proxies::wire::{Raw, member};

/// A put or a delete, or any other write of one item.
#[derive(Deserialize)]
pub(crate) struct Write {
    #[serde(rename = "TableName", default)]
    table: String,
    #[serde(rename = "Item")]
    item: Option<Item>,
    #[serde(rename = "Key")]
    key: Option<Item>,
}

/// One member of a batch or a transaction.
#[derive(Deserialize)]
pub(crate) struct Member {
    #[serde(rename = "PutRequest", alias = "Put")]
    put: Option<Write>,
    #[serde(rename = "DeleteRequest", alias = "Delete")]
    delete: Option<Write>,
    #[serde(rename = "Update")]
    update: Option<Write>,
    #[serde(rename = "ConditionCheck")]
    check: Option<Write>,
}

/// What is written and whether the item is there afterwards as it was sent (`Put`), is gone, or becomes what only the store knows.
pub(crate) enum Becomes {
    Sent(Item),
    Gone(Item),
    Unknown(Item),
}

impl Member {
    pub(crate) fn becomes(self) -> Option<(String, Becomes)> {
        if let Some(write) = self.put {
            return Some((write.table, Becomes::Sent(write.item?)));
        }
        if let Some(write) = self.delete {
            return Some((write.table, Becomes::Gone(write.key?)));
        }
        let write = self.update.or(self.check)?;
        Some((write.table, Becomes::Unknown(write.key?)))
    }
}

impl Becomes {
    pub(crate) fn item(&self) -> &Item {
        match self {
            Self::Sent(item) | Self::Gone(item) | Self::Unknown(item) => item,
        }
    }
}

/// All writes of a request and the tables they go to; `None` when it is not understood, or writes nothing.
pub(crate) fn writes(operation: &str, body: &[u8]) -> Option<Vec<(String, Becomes)>> {
    match operation {
        "PutItem" | "DeleteItem" | "UpdateItem" => {
            let write: Write = serde_json::from_slice(body).ok()?;
            let becomes = match operation {
                "PutItem" => Becomes::Sent(write.item?),
                "DeleteItem" => Becomes::Gone(write.key?),
                _ => Becomes::Unknown(write.key?),
            };
            Some(vec![(write.table, becomes)])
        }
        "TransactWriteItems" => {
            let object: Raw<'_> = serde_json::from_slice(body).ok()?;
            member::<Vec<Member>>(&object, "TransactItems")?.into_iter().map(Member::becomes).collect()
        }
        "BatchWriteItem" => {
            let object: Raw<'_> = serde_json::from_slice(body).ok()?;
            let tables: BTreeMap<String, Vec<Member>> = member(&object, "RequestItems")?;
            let flat = tables.into_iter().flat_map(|(table, all)| all.into_iter().map(move |one| (table.clone(), one)));
            flat.map(|(table, one)| Some((table, one.becomes()?.1))).collect()
        }
        _ => None,
    }
}
