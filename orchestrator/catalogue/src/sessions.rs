//! The sessions of people who have signed in. Their secrets are never here: only keyed hashes of them.

use store::{Millis, Row, StoreError, Tx, sql};

/// A session as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSession {
    /// Stands in the cookie.
    pub id: String,
    /// The keyed hash of the secret that is good now, in hexadecimal.
    pub hash: String,
    /// Names the key of the hash.
    pub hash_key: String,
    /// The provider that knows the person.
    pub issuer: String,
    /// As whom it knows the person.
    pub subject: String,
    /// What the audit trail calls the person.
    pub name: String,
    /// What the person may do.
    pub role: String,
    /// The groups that gave the role, as JSON.
    pub member_of: String,
    /// When the person signed in.
    pub created_at: Millis,
    /// Until when it is good at most.
    pub expires_at: Millis,
    /// When its secret was last replaced.
    pub rotated_at: Millis,
    /// When it was last used, to within a minute.
    pub last_used_at: Millis,
    /// Since when it is refused for good.
    pub ended_at: Option<Millis>,
    /// By whom it was ended.
    pub ended_by: Option<String>,
    /// Why it was ended.
    pub ended_why: Option<String>,
    /// The address from which the person signed in.
    pub origin: String,
    /// With which browser, as it says.
    pub user_agent: String,
}

/// Whose session was ended, by whom and why.
#[derive(Debug, Clone, Copy)]
pub struct Ended<'a> {
    /// When.
    pub at: Millis,
    /// By whom.
    pub by: &'a str,
    /// Why: a fixed word.
    pub why: &'a str,
}

macro_rules! selected {
    ($rest:literal) => {
        concat!(
            "SELECT id, hash, hash_key, issuer, subject, name, role, member_of, created_at, expires_at, rotated_at, last_used_at, ended_at, \
             ended_by, ended_why, origin, user_agent FROM sessions WHERE ",
            $rest
        )
    };
}

/// Keeps a new one.
pub async fn insert(tx: &mut Tx, session: &StoredSession) -> Result<(), StoreError> {
    sql("INSERT INTO sessions (id, hash, hash_key, issuer, subject, name, role, member_of, created_at, expires_at, rotated_at, \
         last_used_at, origin, user_agent) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)")
    .bind(&session.id)
    .bind(&session.hash)
    .bind(&session.hash_key)
    .bind(&session.issuer)
    .bind(&session.subject)
    .bind(&session.name)
    .bind(&session.role)
    .bind(&session.member_of)
    .bind(session.created_at)
    .bind(session.expires_at)
    .bind(session.rotated_at)
    .bind(session.last_used_at)
    .bind(&session.origin)
    .bind(&session.user_agent)
    .execute(tx)
    .await
    .map(drop)
}

/// The one with this id.
pub async fn find(tx: &mut Tx, id: &str) -> Result<Option<StoredSession>, StoreError> {
    let row = sql(selected!("id = $1")).bind(id).fetch_optional(tx).await?;
    row.as_ref().map(session).transpose()
}

/// In the order of their ids, after the id `after`: all that are kept, or those of the person with this name or subject.
pub async fn list(
    tx: &mut Tx,
    person: Option<&str>,
    after: Option<&str>,
    limit: i64,
) -> Result<Vec<StoredSession>, StoreError> {
    let rows = sql(selected!("TRUE {given AND (name = $1 OR subject = $1)} {given AND id > $2} ORDER BY id LIMIT $3"));
    rows.bind(person).bind(after).bind(limit).fetch_all(tx).await?.iter().map(session).collect()
}

/// Those of a person that are not ended, in the order of their ids.
pub async fn of_person(tx: &mut Tx, issuer: &str, subject: &str) -> Result<Vec<StoredSession>, StoreError> {
    let rows = sql(selected!("issuer = $1 AND subject = $2 AND ended_at IS NULL ORDER BY id"));
    rows.bind(issuer).bind(subject).fetch_all(tx).await?.iter().map(session).collect()
}

/// Those that are not ended of whoever has this name or subject, in the order of their ids.
pub async fn of_anybody_called(tx: &mut Tx, person: &str) -> Result<Vec<StoredSession>, StoreError> {
    let rows = sql(selected!("(name = $1 OR subject = $1) AND ended_at IS NULL ORDER BY id"));
    rows.bind(person).fetch_all(tx).await?.iter().map(session).collect()
}

/// From now on it is refused. `false`: it was already.
pub async fn end(tx: &mut Tx, id: &str, ended: Ended<'_>) -> Result<bool, StoreError> {
    let changed =
        sql("UPDATE sessions SET ended_at = $2, ended_by = $3, ended_why = $4 WHERE id = $1 AND ended_at IS NULL");
    Ok(changed.bind(id).bind(ended.at).bind(ended.by).bind(ended.why).execute(tx).await? > 0)
}

/// Puts the hash `new` in the place of `old`, which is remembered. `false`: somebody else was first, or it is ended.
pub async fn rotate(tx: &mut Tx, id: &str, old: &str, new: &str, at: Millis) -> Result<bool, StoreError> {
    let changed = sql("UPDATE sessions SET hash = $3, rotated_at = $4, last_used_at = $4 \
                       WHERE id = $1 AND hash = $2 AND ended_at IS NULL");
    if changed.bind(id).bind(old).bind(new).bind(at).execute(tx).await? == 0 {
        return Ok(false);
    }
    let kept = sql("INSERT INTO session_secrets (session, hash, replaced_at) VALUES ($1, $2, $3)");
    kept.bind(id).bind(old).bind(at).execute(tx).await?;
    Ok(true)
}

/// When the secret with this hash was replaced; none if the session never had it.
pub async fn replaced_at(tx: &mut Tx, id: &str, hash: &str) -> Result<Option<Millis>, StoreError> {
    let row = sql("SELECT replaced_at FROM session_secrets WHERE session = $1 AND hash = $2");
    row.bind(id).bind(hash).fetch_optional(tx).await?.map(|row| row.int("replaced_at")).transpose()
}

/// It was used.
pub async fn note_use(tx: &mut Tx, id: &str, at: Millis) -> Result<(), StoreError> {
    let note = sql("UPDATE sessions SET last_used_at = $2 WHERE id = $1 AND last_used_at < $2");
    note.bind(id).bind(at).execute(tx).await.map(drop)
}

/// A login was completed. `false`: it was already.
pub async fn complete_login(tx: &mut Tx, state: &str, at: Millis) -> Result<bool, StoreError> {
    let kept = sql("INSERT INTO completed_logins (state, at) VALUES ($1, $2) ON CONFLICT (state) DO NOTHING");
    Ok(kept.bind(state).bind(at).execute(tx).await? > 0)
}

/// Whether the login was completed already.
pub async fn is_login_completed(tx: &mut Tx, state: &str) -> Result<bool, StoreError> {
    let row = sql("SELECT 1 AS one FROM completed_logins WHERE state = $1").bind(state).fetch_optional(tx).await?;
    Ok(row.is_some())
}

/// Forgets logins completed before `logins`, and sessions that could be used last before `sessions`.
pub async fn forget(tx: &mut Tx, logins: Millis, sessions: Millis) -> Result<(), StoreError> {
    sql("DELETE FROM completed_logins WHERE at < $1").bind(logins).execute(tx).await?;
    sql("DELETE FROM session_secrets WHERE session IN (SELECT id FROM sessions WHERE expires_at < $1)")
        .bind(sessions)
        .execute(tx)
        .await?;
    sql("DELETE FROM sessions WHERE expires_at < $1").bind(sessions).execute(tx).await.map(drop)
}

fn session(row: &Row) -> Result<StoredSession, StoreError> {
    Ok(StoredSession {
        id: row.text("id")?,
        hash: row.text("hash")?,
        hash_key: row.text("hash_key")?,
        issuer: row.text("issuer")?,
        subject: row.text("subject")?,
        name: row.text("name")?,
        role: row.text("role")?,
        member_of: row.text("member_of")?,
        created_at: row.int("created_at")?,
        expires_at: row.int("expires_at")?,
        rotated_at: row.int("rotated_at")?,
        last_used_at: row.int("last_used_at")?,
        ended_at: row.opt_int("ended_at")?,
        ended_by: row.opt_text("ended_by")?,
        ended_why: row.opt_text("ended_why")?,
        origin: row.text("origin")?,
        user_agent: row.text("user_agent")?,
    })
}
