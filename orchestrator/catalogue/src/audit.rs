//! The audit trail: who did what, why, before and after. Written in the transaction of the change; never changed.

use serde_json::Value;
use store::{Millis, Row, StoreError, Tx, sql};

/// One entry.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEntry {
    /// Its id; later entries sort after earlier ones.
    pub id: String,
    /// When.
    pub at: Millis,
    /// Who asked, as far as the caller is known.
    pub who: String,
    /// From where: the address of the client; empty for what realmctl does by itself.
    pub origin: String,
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
    sql("INSERT INTO audit (id, at, who, origin, action, tenant, why, before, after) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)")
    .bind(&entry.id)
    .bind(entry.at)
    .bind(&entry.who)
    .bind(&entry.origin)
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
    let rows = sql("SELECT id, at, who, origin, action, tenant, why, before, after FROM audit \
                    WHERE TRUE {given AND tenant = $1} {given AND id < $2} ORDER BY id DESC LIMIT $3")
    .bind(tenant)
    .bind(before)
    .bind(limit)
    .fetch_all(tx)
    .await?;
    rows.iter().map(entry).collect()
}

/// Those that are not sealed yet, oldest first.
pub(crate) async fn unsealed(tx: &mut Tx, limit: i64) -> Result<Vec<AuditEntry>, StoreError> {
    let found = sql("SELECT id, at, who, origin, action, tenant, why, before, after FROM audit \
                     WHERE seq IS NULL ORDER BY id LIMIT $1");
    found.bind(limit).fetch_all(tx).await?.iter().map(entry).collect()
}

pub(crate) fn entry(row: &Row) -> Result<AuditEntry, StoreError> {
    // What is no JSON, because somebody wrote to the database, is shown as the text that it is: it keeps nothing from being sealed.
    let json = |text: String| serde_json::from_str(&text).unwrap_or(Value::String(text));
    Ok(AuditEntry {
        id: row.text("id")?,
        at: row.int("at")?,
        who: row.text("who")?,
        origin: row.text("origin")?,
        action: row.text("action")?,
        tenant: row.opt_text("tenant")?,
        why: row.text("why")?,
        before: json(row.text("before")?),
        after: json(row.text("after")?),
    })
}
