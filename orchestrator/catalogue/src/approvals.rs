//! Requests that wait for the approval of another person, and the policy that says which do.

use store::{Millis, Row, StoreError, Tx, sql};

/// Rows forgotten at a time.
const FORGET: i64 = 20;

/// A request as it is kept. Once it is made, its content never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredApproval {
    /// Its id; later ones sort after earlier ones.
    pub id: String,
    /// The action.
    pub action: String,
    /// The tenant that it is about, if it is one.
    pub tenant: Option<String>,
    /// All that is carried out, as JSON.
    pub content: String,
    /// Of the content.
    pub hash: String,
    /// The person who asks.
    pub requested_by: String,
    /// The token that was shown.
    pub token: Option<String>,
    /// As the audit trail calls the caller.
    pub who: String,
    /// The address that the request came from.
    pub origin: String,
    /// The reason given.
    pub why: String,
    /// When.
    pub requested_at: Millis,
    /// From when on it can't be approved any more.
    pub expires_at: Millis,
    /// `pending`, `approved`, `declined` or `withdrawn`.
    pub state: String,
    /// Who approved or declined it.
    pub decided_by: Option<String>,
    /// And why.
    pub decided_why: Option<String>,
    /// And when.
    pub decided_at: Option<Millis>,
    /// What came of it, as JSON.
    pub outcome: Option<String>,
}

/// Which actions wait for approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPolicy {
    /// Their names, as JSON.
    pub actions: String,
    /// How long a request waits.
    pub valid_for_ms: Millis,
    /// When it was set.
    pub set_at: Millis,
    /// By whom.
    pub set_by: String,
}

macro_rules! selected {
    ($rest:literal) => {
        concat!(
            "SELECT id, action, tenant, content, hash, requested_by, token, who, origin, why, requested_at, expires_at, state, decided_by, \
             decided_why, decided_at, outcome FROM approvals WHERE ",
            $rest
        )
    };
}

/// The policy in force, if one was ever set.
pub async fn policy(tx: &mut Tx) -> Result<Option<StoredPolicy>, StoreError> {
    let row = sql("SELECT actions, valid_for_ms, set_at, set_by FROM approval_policy WHERE id = 1");
    let Some(row) = row.fetch_optional(tx).await? else { return Ok(None) };
    Ok(Some(StoredPolicy {
        actions: row.text("actions")?,
        valid_for_ms: row.int("valid_for_ms")?,
        set_at: row.int("set_at")?,
        set_by: row.text("set_by")?,
    }))
}

/// Puts a policy in force.
pub async fn set_policy(tx: &mut Tx, policy: &StoredPolicy) -> Result<(), StoreError> {
    let set =
        sql("INSERT INTO approval_policy (id, actions, valid_for_ms, set_at, set_by) VALUES (1, $1, $2, $3, $4) \
                   ON CONFLICT (id) DO UPDATE SET actions = excluded.actions, valid_for_ms = excluded.valid_for_ms, \
                   set_at = excluded.set_at, set_by = excluded.set_by");
    let set = set.bind(&policy.actions).bind(policy.valid_for_ms).bind(policy.set_at).bind(&policy.set_by);
    set.execute(tx).await.map(drop)
}

/// Keeps a request.
pub async fn insert(tx: &mut Tx, new: &StoredApproval) -> Result<(), StoreError> {
    sql("INSERT INTO approvals (id, action, tenant, content, hash, requested_by, token, who, origin, why, requested_at, expires_at, state) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)")
    .bind(&new.id)
    .bind(&new.action)
    .bind(new.tenant.clone())
    .bind(&new.content)
    .bind(&new.hash)
    .bind(&new.requested_by)
    .bind(new.token.clone())
    .bind(&new.who)
    .bind(&new.origin)
    .bind(&new.why)
    .bind(new.requested_at)
    .bind(new.expires_at)
    .bind(&new.state)
    .execute(tx)
    .await
    .map(drop)
}

/// The request with this id.
pub async fn find(tx: &mut Tx, id: &str) -> Result<Option<StoredApproval>, StoreError> {
    let row = sql(selected!("id = $1")).bind(id).fetch_optional(tx).await?;
    row.as_ref().map(approval).transpose()
}

/// The same, which nobody else decides before this transaction ends.
pub async fn lock(tx: &mut Tx, id: &str) -> Result<Option<StoredApproval>, StoreError> {
    let row = sql(selected!("id = $1")).bind(id).for_update().fetch_optional(tx).await?;
    row.as_ref().map(approval).transpose()
}

/// The request for the same by the same person that waits and is good after `now`.
pub async fn find_same(
    tx: &mut Tx,
    hash: &str,
    requested_by: &str,
    now: Millis,
) -> Result<Option<StoredApproval>, StoreError> {
    let same =
        sql(selected!("state = 'pending' AND hash = $1 AND requested_by = $2 AND expires_at > $3 ORDER BY id LIMIT 1"));
    same.bind(hash).bind(requested_by).bind(now).fetch_optional(tx).await?.as_ref().map(approval).transpose()
}

/// Requests, the newest first, older than the id `before`; of a tenant, and in a state.
pub async fn list(
    tx: &mut Tx,
    (tenant, state): (Option<&str>, Option<&str>),
    before: Option<&str>,
    limit: i64,
) -> Result<Vec<StoredApproval>, StoreError> {
    let rows = sql(selected!(
        "TRUE {given AND tenant = $1} {given AND state = $2} {given AND id < $3} ORDER BY id DESC LIMIT $4"
    ));
    rows.bind(tenant).bind(state).bind(before).bind(limit).fetch_all(tx).await?.iter().map(approval).collect()
}

/// How many wait that are good after `now`.
pub async fn count_pending(tx: &mut Tx, now: Millis) -> Result<i64, StoreError> {
    let count = sql("SELECT COUNT(*) AS waiting FROM approvals WHERE state = 'pending' AND expires_at > $1");
    count.bind(now).fetch_one(tx).await?.int("waiting")
}

/// It is decided, by somebody, for a reason, at a time.
pub async fn decide(
    tx: &mut Tx,
    (id, state): (&str, &str),
    (by, why, at): (&str, &str, Millis),
    outcome: Option<String>,
) -> Result<(), StoreError> {
    let update =
        sql("UPDATE approvals SET state = $2, decided_by = $3, decided_why = $4, decided_at = $5, outcome = $6 \
                      WHERE id = $1 AND state = 'pending'");
    update.bind(id).bind(state).bind(by).bind(why).bind(at).bind(outcome).execute(tx).await.map(drop)
}

/// Forgets some that could not be approved any more since before `before`.
pub async fn forget(tx: &mut Tx, before: Millis) -> Result<u64, StoreError> {
    let delete =
        sql("DELETE FROM approvals WHERE id IN (SELECT id FROM approvals WHERE expires_at < $1 ORDER BY id LIMIT $2)");
    delete.bind(before).bind(FORGET).execute(tx).await
}

fn approval(row: &Row) -> Result<StoredApproval, StoreError> {
    Ok(StoredApproval {
        id: row.text("id")?,
        action: row.text("action")?,
        tenant: row.opt_text("tenant")?,
        content: row.text("content")?,
        hash: row.text("hash")?,
        requested_by: row.text("requested_by")?,
        token: row.opt_text("token")?,
        who: row.text("who")?,
        origin: row.text("origin")?,
        why: row.text("why")?,
        requested_at: row.int("requested_at")?,
        expires_at: row.int("expires_at")?,
        state: row.text("state")?,
        decided_by: row.opt_text("decided_by")?,
        decided_why: row.opt_text("decided_why")?,
        decided_at: row.opt_int("decided_at")?,
        outcome: row.opt_text("outcome")?,
    })
}
