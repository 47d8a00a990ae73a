//! The log of what webhooks are told: one row an event and webhook, sent in the order of the audit trail.

use store::{Millis, Row, Rows, StoreError, Tx, sql};

/// To be sent.
pub const PENDING: &str = "pending";
/// The receiver has taken it.
pub const DELIVERED: &str = "delivered";
/// It was given up.
pub const FAILED: &str = "failed";
/// All states.
pub const STATES: [&str; 3] = [PENDING, DELIVERED, FAILED];

/// An event for one webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its id, by which a receiver drops what comes twice.
    pub id: String,
    /// For which webhook.
    pub webhook: String,
    /// The number of the entry of the audit trail.
    pub seq: i64,
    /// Which event of that entry.
    pub part: i64,
    /// The type of the event.
    pub event: String,
    /// Whose.
    pub tenant: Option<String>,
    /// What is sent.
    pub body: String,
    /// `pending`, `delivered` or `failed`.
    pub state: String,
    /// How often it was tried.
    pub attempts: i64,
    /// Since when there is it.
    pub created_at: Millis,
    /// When it is tried next.
    pub next_at: Millis,
    /// When it is given up.
    pub give_up_at: Millis,
    /// What the last attempt was answered with.
    pub http_status: Option<i64>,
    /// The code of the last attempt, if it failed.
    pub error: Option<String>,
    /// When it was delivered or given up.
    pub finished_at: Option<Millis>,
}

/// What an attempt came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The state from now on.
    pub state: &'static str,
    /// When it is tried next, if it is.
    pub next_at: Option<Millis>,
    /// What it was answered with.
    pub http_status: Option<i64>,
    /// The code, if it failed.
    pub error: Option<String>,
}

macro_rules! selected {
    ($rest:literal) => {
        concat!(
            "SELECT id, webhook, seq, part, event, tenant, body, state, attempts, created_at, next_at, give_up_at, http_status, error, \
             finished_at FROM webhook_deliveries WHERE ",
            $rest
        )
    };
}

/// Adds new ones.
pub async fn insert(tx: &mut Tx, new: &[Delivery]) -> Result<(), StoreError> {
    if new.is_empty() {
        return Ok(());
    }
    let texts = |of: fn(&Delivery) -> &String| new.iter().map(of).cloned().collect::<Vec<_>>();
    let ints = |of: fn(&Delivery) -> i64| new.iter().map(of).collect::<Vec<_>>();
    let rows = Rows::default()
        .texts("id", texts(|row| &row.id))
        .texts("webhook", texts(|row| &row.webhook))
        .ints("seq", ints(|row| row.seq))
        .ints("part", ints(|row| row.part))
        .texts("event", texts(|row| &row.event))
        .texts("tenant", new.iter().map(|row| row.tenant.clone()))
        .texts("body", texts(|row| &row.body))
        .ints("created_at", ints(|row| row.created_at))
        .ints("next_at", ints(|row| row.next_at))
        .ints("give_up_at", ints(|row| row.give_up_at));
    sql("INSERT INTO webhook_deliveries (id, webhook, seq, part, event, tenant, body, state, attempts, created_at, next_at, give_up_at) \
         SELECT given.id, given.webhook, given.seq, given.part, given.event, given.tenant, given.body, 'pending', 0, \
         given.created_at, given.next_at, given.give_up_at FROM {rows}")
    .rows(rows)
    .execute(tx)
    .await
    .map(drop)
}

/// The next one that a webhook is to be told of, which the others wait for.
pub async fn first_pending(tx: &mut Tx, webhook: &str) -> Result<Option<Delivery>, StoreError> {
    let found = sql(selected!("webhook = $1 AND state = 'pending' ORDER BY seq, part LIMIT 1"));
    found.bind(webhook).fetch_optional(tx).await?.as_ref().map(delivery).transpose()
}

/// The newest one that was given up.
pub async fn last_failed(tx: &mut Tx, webhook: &str) -> Result<Option<Delivery>, StoreError> {
    let found = sql(selected!("webhook = $1 AND state = 'failed' ORDER BY seq DESC, part DESC LIMIT 1"));
    found.bind(webhook).fetch_optional(tx).await?.as_ref().map(delivery).transpose()
}

/// How many of a webhook are in this state, counted up to `most`.
pub async fn count(tx: &mut Tx, webhook: &str, state: &str, most: i64) -> Result<i64, StoreError> {
    sql("SELECT COUNT(*) AS n FROM (SELECT 1 FROM webhook_deliveries WHERE webhook = $1 AND state = $2 LIMIT $3) AS counted")
        .bind(webhook)
        .bind(state)
        .bind(most)
        .fetch_one(tx)
        .await?
        .int("n")
}

/// Notes what an attempt at a pending one came to.
pub async fn record(tx: &mut Tx, id: &str, attempt: &Attempt) -> Result<(), StoreError> {
    let now = tx.now().await?;
    let finished = (attempt.state != PENDING).then_some(now);
    sql("UPDATE webhook_deliveries SET state = $2, attempts = attempts + 1, next_at = COALESCE($3, next_at), http_status = $4, \
         error = $5, finished_at = $6 WHERE id = $1 AND state = 'pending'")
    .bind(id)
    .bind(attempt.state)
    .bind(attempt.next_at)
    .bind(attempt.http_status)
    .bind(attempt.error.clone())
    .bind(finished)
    .execute(tx)
    .await
    .map(drop)
}

/// The one of this id, locked.
pub async fn lock(tx: &mut Tx, id: &str) -> Result<Option<Delivery>, StoreError> {
    let found = sql(selected!("id = $1")).bind(id).for_update();
    found.fetch_optional(tx).await?.as_ref().map(delivery).transpose()
}

/// Sends one again that has ended, with the same id and body.
pub async fn send_again(tx: &mut Tx, id: &str, now: Millis, give_up_at: Millis) -> Result<(), StoreError> {
    sql("UPDATE webhook_deliveries SET state = 'pending', attempts = 0, next_at = $2, give_up_at = $3, http_status = NULL, \
         error = NULL, finished_at = NULL WHERE id = $1 AND state <> 'pending'")
    .bind(id)
    .bind(now)
    .bind(give_up_at)
    .execute(tx)
    .await
    .map(drop)
}

/// Newest first, older than the id `before`; optionally of one webhook and in one state.
pub async fn list(
    tx: &mut Tx,
    (webhook, state): (Option<&str>, Option<&str>),
    before: Option<&str>,
    limit: i64,
) -> Result<Vec<Delivery>, StoreError> {
    let found = sql(selected!(
        "TRUE {given AND webhook = $1} {given AND state = $2} {given AND id < $3} ORDER BY id DESC LIMIT $4"
    ));
    let rows = found.bind(webhook).bind(state).bind(before).bind(limit).fetch_all(tx).await?;
    rows.iter().map(delivery).collect()
}

/// Forgets those that ended before then, and those of webhooks that are not known any more, up to `most` each.
pub async fn forget(tx: &mut Tx, before: Millis, most: i64) -> Result<u64, StoreError> {
    let ended = sql(
        "DELETE FROM webhook_deliveries WHERE id IN (SELECT id FROM webhook_deliveries WHERE finished_at IS NOT NULL \
                     AND finished_at < $1 ORDER BY finished_at LIMIT $2)",
    );
    let ended = ended.bind(before).bind(most).execute(tx).await?;
    let unknown =
        sql("DELETE FROM webhook_deliveries WHERE id IN (SELECT id FROM webhook_deliveries WHERE NOT EXISTS \
                       (SELECT 1 FROM webhooks WHERE webhooks.name = webhook_deliveries.webhook) LIMIT $1)");
    Ok(ended + unknown.bind(most).execute(tx).await?)
}

fn delivery(row: &Row) -> Result<Delivery, StoreError> {
    Ok(Delivery {
        id: row.text("id")?,
        webhook: row.text("webhook")?,
        seq: row.int("seq")?,
        part: row.int("part")?,
        event: row.text("event")?,
        tenant: row.opt_text("tenant")?,
        body: row.text("body")?,
        state: row.text("state")?,
        attempts: row.int("attempts")?,
        created_at: row.int("created_at")?,
        next_at: row.int("next_at")?,
        give_up_at: row.int("give_up_at")?,
        http_status: row.opt_int("http_status")?,
        error: row.opt_text("error")?,
        finished_at: row.opt_int("finished_at")?,
    })
}
