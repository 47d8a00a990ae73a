//! Placements: which shard of each service holds a tenant.

use std::collections::BTreeMap;

use store::{StoreError, Tx, sql};

/// The tenant's shard of each service.
pub async fn of_tenant(tx: &mut Tx, tenant: &str) -> Result<BTreeMap<String, String>, StoreError> {
    let rows = sql("SELECT service, shard FROM placements WHERE tenant = $1").bind(tenant).fetch_all(tx).await?;
    rows.iter().map(|row| Ok((row.text("service")?, row.text("shard")?))).collect()
}

/// Places the tenant's data of a service on a shard.
pub async fn put(tx: &mut Tx, tenant: &str, service: &str, shard: &str) -> Result<(), StoreError> {
    sql("INSERT INTO placements (tenant, service, shard) VALUES ($1, $2, $3) \
         ON CONFLICT (tenant, service) DO UPDATE SET shard = excluded.shard")
    .bind(tenant)
    .bind(service)
    .bind(shard)
    .execute(tx)
    .await
    .map(drop)
}

/// The tenant is placed nowhere any more.
pub async fn remove_all(tx: &mut Tx, tenant: &str) -> Result<(), StoreError> {
    sql("DELETE FROM placements WHERE tenant = $1").bind(tenant).execute(tx).await.map(drop)
}

/// How many tenants have no shard of the service, of those that are not gone.
pub async fn count_without(tx: &mut Tx, service: &str) -> Result<u64, StoreError> {
    let row = sql("SELECT CAST((SELECT COALESCE(SUM(tenants), 0) FROM realm_sizes) - \
                   (SELECT COALESCE(SUM(tenants), 0) FROM shard_sizes WHERE service = $1) AS BIGINT) AS tenants")
    .bind(service)
    .fetch_one(tx)
    .await?;
    Ok(row.int("tenants")?.max(0).unsigned_abs())
}

/// How many tenants each (service, shard) has.
pub async fn load(tx: &mut Tx) -> Result<BTreeMap<(String, String), u64>, StoreError> {
    let rows = sql("SELECT service, shard, tenants FROM shard_sizes WHERE tenants > 0").fetch_all(tx).await?;
    rows.iter()
        .map(|row| Ok(((row.text("service")?, row.text("shard")?), row.int("tenants")?.unsigned_abs())))
        .collect()
}
