//! What was found to have been written late, as the outside sees it.

use catalogue::late_writes::{self, LateWrite};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{StoreError, Tx};
use workers::late_writes::{Difference, Late, LateWrites};

/// How many keys of each kind are named at once.
const MOST_NAMED: i64 = 10;

/// How much was written late, over all parts, and some of the keys.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LateWritesDetail {
    /// Items that were not there when the move verified the location.
    pub added: LateKeys,
    /// Items that had other contents.
    pub changed: LateKeys,
    /// Items that are gone, and that the live copy still has.
    pub deleted: LateKeys,
    /// How many of all these may have been edited rightly at the new home instead: there only sums or totals were known.
    pub uncertain: u64,
    /// Stands for exactly these: what a replay that accepts them says.
    pub hash: String,
}

/// How many there are of a kind, and some of their keys.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LateKeys {
    /// How many.
    pub count: u64,
    /// The first ten keys; only when one removal is asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
}

/// One line of the file of all keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LateWriteLine {
    /// Of which service.
    pub service: String,
    /// Where, by name.
    pub location: String,
    /// In which part of it.
    pub part: i64,
    /// `added`, `changed` or `deleted`.
    pub kind: String,
    /// A table's in DynamoDB's JSON, an object's as text.
    pub key: Value,
    /// `false`: it may have been edited rightly at the new home instead; there only sums or totals were known.
    pub certain: bool,
}

impl LateWritesDetail {
    /// Without keys.
    pub(super) fn counts(late: &LateWrites) -> Self {
        let of = |count| LateKeys { count, keys: Vec::new() };
        Self {
            added: of(late.added),
            changed: of(late.changed),
            deleted: of(late.deleted),
            uncertain: late.uncertain,
            hash: late.hash(),
        }
    }

    /// Adds the first keys of each kind.
    pub(super) async fn name_keys(&mut self, tx: &mut Tx, removal: &str) -> Result<(), StoreError> {
        for kind in Late::ALL {
            let first = late_writes::first(tx, removal, kind.name(), MOST_NAMED).await?;
            let keys = first.iter().map(key_of).collect::<Result<Vec<_>, _>>()?;
            self.of(kind).keys = keys.iter().map(Difference::key_in_words).collect();
        }
        Ok(())
    }

    fn of(&mut self, kind: Late) -> &mut LateKeys {
        match kind {
            Late::Added => &mut self.added,
            Late::Changed => &mut self.changed,
            Late::Deleted => &mut self.deleted,
        }
    }

    /// The named keys in one line; empty when none are.
    pub fn in_words(&self) -> String {
        let kinds = [("added", &self.added), ("changed", &self.changed), ("deleted", &self.deleted)];
        let named = kinds.iter().filter(|(_, of)| !of.keys.is_empty()).map(|(kind, of)| {
            let more = of.count.saturating_sub(of.keys.len() as u64);
            let more = if more == 0 { String::new() } else { format!("; and {more} more") };
            format!("{kind}: {}{more}", of.keys.join("; "))
        });
        named.collect::<Vec<_>>().join(". ")
    }
}

/// The next lines of the file of all keys, and where to go on; `None` after the last.
pub async fn late_write_lines(
    tx: &mut Tx,
    removal: &super::RemovalDetail,
    after: (i64, i64),
    limit: i64,
) -> Result<(Vec<LateWriteLine>, Option<(i64, i64)>), StoreError> {
    let found = late_writes::after(tx, &removal.id, after, limit).await?;
    let next = found.last().map(|last| (last.part, last.number));
    let lines = found.into_iter().map(|one| {
        Ok(LateWriteLine {
            service: removal.service.clone(),
            location: removal.location.clone(),
            part: one.part,
            key: key_of(&one)?,
            certain: one.certain,
            kind: one.kind,
        })
    });
    Ok((lines.collect::<Result<_, StoreError>>()?, next))
}

fn key_of(one: &LateWrite) -> Result<Value, StoreError> {
    serde_json::from_str(&one.key).map_err(|error| StoreError::Corrupt(format!("a key in late_writes: {error}")))
}
