//! What the creation of a tenant was asked for with an idempotency key. Kept as long as the tenant's id, which is never used again.

use store::{StoreError, Tx, sql};

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Creation {
    /// The tenant's id.
    pub tenant: String,
    /// Its host.
    pub host: String,
    /// Its realm.
    pub realm: String,
}

/// What the key stands for.
pub async fn get(tx: &mut Tx, key: &str) -> Result<Option<Creation>, StoreError> {
    let row = sql("SELECT tenant, host, realm FROM creation_keys WHERE key = $1").bind(key).fetch_optional(tx).await?;
    row.map(|row| Ok(Creation { tenant: row.text("tenant")?, host: row.text("host")?, realm: row.text("realm")? }))
        .transpose()
}

/// Keeps it. `Duplicate` when the key stands for something already.
pub async fn keep(tx: &mut Tx, key: &str, creation: &Creation) -> Result<(), StoreError> {
    sql("INSERT INTO creation_keys (key, tenant, host, realm) VALUES ($1, $2, $3, $4)")
        .bind(key)
        .bind(&creation.tenant)
        .bind(&creation.host)
        .bind(&creation.realm)
        .execute(tx)
        .await
        .map(drop)
}
