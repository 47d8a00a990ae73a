//! How far each webhook has been told what the audit trail says, and which process tells it now.

use store::{Millis, Row, StoreError, Tx, sql};

/// A webhook as the catalogue knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Its name.
    pub name: String,
    /// Where it is called.
    pub url: String,
    /// The types of events that it is told of, as JSON; an empty list stands for all.
    pub events: String,
    /// Deliveries were made of the entries of the audit trail up to this one.
    pub after_seq: i64,
    /// The newest entry that it was told of.
    pub delivered_seq: Option<i64>,
    /// The process that tells it now, or did last.
    pub holder: Option<String>,
    /// Until when nobody else does.
    pub lease_until: Option<Millis>,
    /// When a process last had it in its file.
    pub seen_at: Millis,
}

/// A claim of one webhook: nothing is written for it under another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// Grows with each.
    pub fence: i64,
    /// Deliveries were made up to this entry.
    pub after_seq: i64,
}

/// Notes that a process has it in its file. A new one begins at the end of the audit trail.
pub async fn see(tx: &mut Tx, name: &str, url: &str, events: &str) -> Result<(), StoreError> {
    let now = tx.now().await?;
    sql("INSERT INTO webhooks (name, url, events, after_seq, fence, seen_at) \
         SELECT $1, $2, $3, seq, 0, $4 FROM audit_head WHERE id = 1 \
         ON CONFLICT (name) DO UPDATE SET url = excluded.url, events = excluded.events, seen_at = excluded.seen_at")
    .bind(name)
    .bind(url)
    .bind(events)
    .bind(now)
    .execute(tx)
    .await
    .map(drop)
}

/// The one of this name.
pub async fn get(tx: &mut Tx, name: &str) -> Result<Option<Webhook>, StoreError> {
    let found = sql(
        "SELECT name, url, events, after_seq, delivered_seq, holder, lease_until, seen_at FROM webhooks WHERE name = $1",
    );
    found.bind(name).fetch_optional(tx).await?.as_ref().map(webhook).transpose()
}

/// All of them, by name.
pub async fn list(tx: &mut Tx, limit: i64) -> Result<Vec<Webhook>, StoreError> {
    let found = sql("SELECT name, url, events, after_seq, delivered_seq, holder, lease_until, seen_at FROM webhooks \
                     ORDER BY name LIMIT $1");
    found.bind(limit).fetch_all(tx).await?.iter().map(webhook).collect()
}

/// Takes the webhook for `lease` milliseconds, unless somebody else has it. A lease that lasts longer than any is from before the
/// database's clock was set back.
pub async fn claim(tx: &mut Tx, name: &str, holder: &str, lease: Millis) -> Result<Option<Claim>, StoreError> {
    let now = tx.now().await?;
    let row = sql("UPDATE webhooks SET holder = $2, lease_until = $4, fence = fence + 1 WHERE name = $1 \
                   AND (lease_until IS NULL OR lease_until <= $3 OR lease_until > $5 OR holder = $2) RETURNING fence, after_seq")
    .bind(name)
    .bind(holder)
    .bind(now)
    .bind(now + lease)
    .bind(now + lease * 2)
    .fetch_optional(tx)
    .await?;
    row.map(|row| Ok(Claim { fence: row.int("fence")?, after_seq: row.int("after_seq")? })).transpose()
}

/// Keeps it for as long again. `false`: somebody else has it.
pub async fn renew(tx: &mut Tx, name: &str, fence: i64, lease: Millis) -> Result<bool, StoreError> {
    let until = tx.now().await? + lease;
    let renewed = sql("UPDATE webhooks SET lease_until = $3 WHERE name = $1 AND fence = $2");
    Ok(renewed.bind(name).bind(fence).bind(until).execute(tx).await? == 1)
}

/// Lets it go.
pub async fn release(tx: &mut Tx, name: &str, fence: i64) -> Result<(), StoreError> {
    let released = sql("UPDATE webhooks SET lease_until = NULL WHERE name = $1 AND fence = $2");
    released.bind(name).bind(fence).execute(tx).await.map(drop)
}

/// Deliveries were made up to this entry. `false`: somebody else has it.
pub async fn made_up_to(tx: &mut Tx, name: &str, fence: i64, seq: i64) -> Result<bool, StoreError> {
    let moved = sql("UPDATE webhooks SET after_seq = $3 WHERE name = $1 AND fence = $2 AND after_seq <= $3");
    Ok(moved.bind(name).bind(fence).bind(seq).execute(tx).await? == 1)
}

/// It was told of this entry. `false`: somebody else has it.
pub async fn told(tx: &mut Tx, name: &str, fence: i64, seq: i64) -> Result<bool, StoreError> {
    let told = sql("UPDATE webhooks SET delivered_seq = CASE WHEN delivered_seq > $3 THEN delivered_seq ELSE $3 END \
                    WHERE name = $1 AND fence = $2");
    Ok(told.bind(name).bind(fence).bind(seq).execute(tx).await? == 1)
}

/// Whether this claim still is the newest; nobody else makes one until the transaction ends.
pub async fn is_held(tx: &mut Tx, name: &str, fence: i64) -> Result<bool, StoreError> {
    let held = sql("SELECT fence FROM webhooks WHERE name = $1 AND fence = $2").bind(name).bind(fence).for_update();
    Ok(held.fetch_optional(tx).await?.is_some())
}

/// When the entry of this number of the audit trail was written.
pub async fn entry_at(tx: &mut Tx, seq: i64) -> Result<Option<Millis>, StoreError> {
    sql("SELECT at FROM audit WHERE seq = $1").bind(seq).fetch_optional(tx).await?.map(|row| row.int("at")).transpose()
}

/// Forgets those that no process has had in its file since then.
pub async fn forget_unseen(tx: &mut Tx, before: Millis) -> Result<u64, StoreError> {
    sql("DELETE FROM webhooks WHERE seen_at < $1").bind(before).execute(tx).await
}

fn webhook(row: &Row) -> Result<Webhook, StoreError> {
    Ok(Webhook {
        name: row.text("name")?,
        url: row.text("url")?,
        events: row.text("events")?,
        after_seq: row.int("after_seq")?,
        delivered_seq: row.opt_int("delivered_seq")?,
        holder: row.opt_text("holder")?,
        lease_until: row.opt_int("lease_until")?,
        seen_at: row.int("seen_at")?,
    })
}
