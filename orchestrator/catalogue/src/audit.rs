//! The audit trail: who did what, why, before and after. Written in the transaction of the change; never changed.

use serde_json::Value;
use store::{Millis, StoreError, Tx, sql};

/// One entry.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEntry {
    /// Its id; later entries sort after earlier ones.
    pub id: String,
    /// When.
    pub at: Millis,
    /// Who asked, as far as the caller is known.
    pub who: String,
    /// What, such as `move.start`.
    pub action: String,
    /// About which tenant.
    pub tenant: Option<String>,
    /// The reason given; may be empty.
    pub why: String,
    /// What it was before.
    pub before: Value,
    /// What it is after.
    pub after: Value,
}

/// Appends an entry, stamped with the transaction's time.
pub async fn append(tx: &mut Tx, entry: &AuditEntry) -> Result<(), StoreError> {
    sql("INSERT INTO audit (id, at, who, action, tenant, why, before, after) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)")
        .bind(&entry.id)
        .bind(entry.at)
        .bind(&entry.who)
        .bind(&entry.action)
        .bind(entry.tenant.clone())
        .bind(&entry.why)
        .bind(entry.before.to_string())
        .bind(entry.after.to_string())
        .execute(tx)
        .await
        .map(drop)
}

/// Entries, newest first, older than the id `before`; optionally about one tenant.
pub async fn list(
    tx: &mut Tx,
    tenant: Option<&str>,
    before: Option<&str>,
    limit: i64,
) -> Result<Vec<AuditEntry>, StoreError> {
    let rows = sql("SELECT id, at, who, action, tenant, why, before, after FROM audit \
                    WHERE TRUE {given AND tenant = $1} {given AND id < $2} ORDER BY id DESC LIMIT $3")
    .bind(tenant)
    .bind(before)
    .bind(limit)
    .fetch_all(tx)
    .await?;
    let json = |text: String| {
        serde_json::from_str(&text).map_err(|error| StoreError::Corrupt(format!("audit entry: {error}")))
    };
    rows.iter()
        .map(|row| {
            Ok(AuditEntry {
                id: row.text("id")?,
                at: row.int("at")?,
                who: row.text("who")?,
                action: row.text("action")?,
                tenant: row.opt_text("tenant")?,
                why: row.text("why")?,
                before: json(row.text("before")?)?,
                after: json(row.text("after")?)?,
            })
        })
        .collect()
}
