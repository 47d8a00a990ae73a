//! The change feed: one row for each change of a tenant's placement or status, numbered without gaps that could be
//! filled later. The number comes from one locked row, so a reader that has seen `n` has seen all before it.

use store::{Millis, StoreError, Tx, sql};

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// 1, 2, 3 … in the order of commits.
    pub seq: i64,
    /// When.
    pub at: Millis,
    /// Whose.
    pub tenant: String,
    /// The tenant's epoch after it.
    pub epoch: i64,
    /// What: `created`, `offline`, `moved`, `back_online`.
    pub kind: String,
}

/// Appends a change. Call it late in a transaction: it holds the feed's one lock until the commit.
pub async fn append(tx: &mut Tx, tenant: &str, epoch: i64, kind: &str) -> Result<i64, StoreError> {
    let now = tx.now().await?;
    let seq = sql("UPDATE counters SET value = value + 1 WHERE name = 'changes' RETURNING value")
        .fetch_one(tx)
        .await?
        .int("value")?;
    sql("INSERT INTO changes (seq, at, tenant, epoch, kind) VALUES ($1, $2, $3, $4, $5)")
        .bind(seq)
        .bind(now)
        .bind(tenant)
        .bind(epoch)
        .bind(kind)
        .execute(tx)
        .await?;
    Ok(seq)
}

/// Changes after `seq`, oldest first, at most `limit`.
pub async fn after(tx: &mut Tx, seq: i64, limit: i64) -> Result<Vec<Change>, StoreError> {
    let rows = sql("SELECT seq, at, tenant, epoch, kind FROM changes WHERE seq > $1 ORDER BY seq LIMIT $2")
        .bind(seq)
        .bind(limit)
        .fetch_all(tx)
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Change {
                seq: row.int("seq")?,
                at: row.int("at")?,
                tenant: row.text("tenant")?,
                epoch: row.int("epoch")?,
                kind: row.text("kind")?,
            })
        })
        .collect()
}
