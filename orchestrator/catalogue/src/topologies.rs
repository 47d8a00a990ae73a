//! The stored topology: every applied version, the highest in force.

use store::{Millis, StoreError, Tx, sql};

use crate::topology::Topology;

/// The topology in force.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredTopology {
    /// 1, 2, 3 …
    pub version: i64,
    /// Names its content: see [`Topology::version_hash`].
    pub hash: String,
    /// What it says.
    pub topology: Topology,
    /// When it was applied.
    pub applied_at: Millis,
    /// Who applied it.
    pub applied_by: String,
}

/// The topology in force, if one was ever applied.
pub async fn current(tx: &mut Tx) -> Result<Option<StoredTopology>, StoreError> {
    let row =
        sql("SELECT version, hash, document, applied_at, applied_by FROM topologies ORDER BY version DESC LIMIT 1")
            .fetch_optional(tx)
            .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(StoredTopology {
        version: row.int("version")?,
        hash: row.text("hash")?,
        topology: serde_json::from_str(&row.text("document")?)
            .map_err(|error| StoreError::Corrupt(format!("topology: {error}")))?,
        applied_at: row.int("applied_at")?,
        applied_by: row.text("applied_by")?,
    }))
}

/// The version in force, if one was ever applied.
pub async fn version(tx: &mut Tx) -> Result<Option<i64>, StoreError> {
    let row = sql("SELECT MAX(version) AS version FROM topologies").fetch_one(tx).await?;
    row.opt_int("version")
}

/// The topology in force, which nobody replaces before this transaction ends.
pub async fn pin(tx: &mut Tx) -> Result<Option<StoredTopology>, StoreError> {
    sql("SELECT value FROM counters WHERE name = 'topology'").for_update().fetch_one(tx).await?;
    current(tx).await
}

/// Stores the next version. `Duplicate` when somebody else stored it first.
pub async fn insert(tx: &mut Tx, stored: &StoredTopology) -> Result<(), StoreError> {
    let document = serde_json::to_string(&stored.topology).expect("a topology serialises: its maps have string keys");
    sql("INSERT INTO topologies (version, hash, document, applied_at, applied_by) VALUES ($1, $2, $3, $4, $5)")
        .bind(stored.version)
        .bind(&stored.hash)
        .bind(document)
        .bind(stored.applied_at)
        .bind(&stored.applied_by)
        .execute(tx)
        .await
        .map(drop)
}
