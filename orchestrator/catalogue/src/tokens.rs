//! The tokens that callers of the API show. Their secrets are never here: only keyed hashes of them.

use store::{Millis, Row, StoreError, Tx, sql};

/// A token as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredToken {
    /// Stands in the token itself.
    pub id: String,
    /// Whose it is. Unique among those that are not revoked.
    pub name: String,
    /// The keyed hash of its secret, in hexadecimal.
    pub hash: String,
    /// Names the key of the hash.
    pub hash_key: String,
    /// What its bearer may do.
    pub role: String,
    /// With what, as JSON.
    pub scope: String,
    /// When it was made.
    pub created_at: Millis,
    /// By whom.
    pub created_by: String,
    /// From when on it is refused.
    pub expires_at: Option<Millis>,
    /// Since when it is refused for good.
    pub revoked_at: Option<Millis>,
    /// By whom it was revoked.
    pub revoked_by: Option<String>,
    /// When it was last used, to within a minute.
    pub last_used_at: Option<Millis>,
}

macro_rules! selected {
    ($rest:literal) => {
        concat!(
            "SELECT id, name, hash, hash_key, role, scope, created_at, created_by, expires_at, revoked_at, revoked_by, last_used_at \
             FROM tokens WHERE ",
            $rest
        )
    };
}

/// Keeps a new one. `Duplicate` when another that is not revoked has its name.
pub async fn insert(tx: &mut Tx, token: &StoredToken) -> Result<(), StoreError> {
    sql("INSERT INTO tokens (id, name, hash, hash_key, role, scope, created_at, created_by, expires_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)")
    .bind(&token.id)
    .bind(&token.name)
    .bind(&token.hash)
    .bind(&token.hash_key)
    .bind(&token.role)
    .bind(&token.scope)
    .bind(token.created_at)
    .bind(&token.created_by)
    .bind(token.expires_at)
    .execute(tx)
    .await
    .map(drop)
}

/// The one with this id.
pub async fn find(tx: &mut Tx, id: &str) -> Result<Option<StoredToken>, StoreError> {
    let row = sql(selected!("id = $1")).bind(id).fetch_optional(tx).await?;
    row.as_ref().map(token).transpose()
}

/// The one that has this name and is not revoked.
pub async fn find_by_name(tx: &mut Tx, name: &str) -> Result<Option<StoredToken>, StoreError> {
    let found = sql(selected!("name = $1 AND revoked_at IS NULL"));
    found.bind(name).fetch_optional(tx).await?.as_ref().map(token).transpose()
}

/// The newest first, from the one that was made before that with the id `after`; with `good_at` only those that are neither revoked nor
/// expired then. The place of `after` is found whether it is still among them or not.
pub async fn list(
    tx: &mut Tx,
    good_at: Option<Millis>,
    after: Option<&str>,
    limit: i64,
) -> Result<Vec<StoredToken>, StoreError> {
    let rows = sql(selected!(
        "TRUE {given AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $1)} \
         {given AND (created_at, id) < (SELECT created_at, id FROM tokens WHERE id = $2)} \
         ORDER BY created_at DESC, id DESC LIMIT $3"
    ));
    rows.bind(good_at).bind(after).bind(limit).fetch_all(tx).await?.iter().map(token).collect()
}

/// Whether there is any that is not revoked.
pub async fn any(tx: &mut Tx) -> Result<bool, StoreError> {
    let row = sql("SELECT 1 AS one FROM tokens WHERE revoked_at IS NULL LIMIT 1").fetch_optional(tx).await?;
    Ok(row.is_some())
}

/// From now on it is refused. `false`: it was already.
pub async fn revoke(tx: &mut Tx, id: &str, at: Millis, by: &str) -> Result<bool, StoreError> {
    let changed = sql("UPDATE tokens SET revoked_at = $2, revoked_by = $3 WHERE id = $1 AND revoked_at IS NULL");
    Ok(changed.bind(id).bind(at).bind(by).execute(tx).await? > 0)
}

/// It was used.
pub async fn note_use(tx: &mut Tx, id: &str, at: Millis) -> Result<(), StoreError> {
    let note = sql("UPDATE tokens SET last_used_at = $2 WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2)");
    note.bind(id).bind(at).execute(tx).await.map(drop)
}

fn token(row: &Row) -> Result<StoredToken, StoreError> {
    Ok(StoredToken {
        id: row.text("id")?,
        name: row.text("name")?,
        hash: row.text("hash")?,
        hash_key: row.text("hash_key")?,
        role: row.text("role")?,
        scope: row.text("scope")?,
        created_at: row.int("created_at")?,
        created_by: row.text("created_by")?,
        expires_at: row.opt_int("expires_at")?,
        revoked_at: row.opt_int("revoked_at")?,
        revoked_by: row.opt_text("revoked_by")?,
        last_used_at: row.opt_int("last_used_at")?,
    })
}
