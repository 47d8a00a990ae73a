//! Fills the catalogue with tenants, straight by SQL: what it would hold had they all been created, and each been moved once.

use store::{StoreError, sql};

use crate::Error;
use crate::stage::{REALMS, SERVICES, SHARDS, Stage, shard};

/// Tenants made by one transaction.
const AT_ONCE: u64 = 10_000;
/// Stands for the tenant's id.
const TENANT: &str = "{tenant}";

/// The id of a tenant.
pub(crate) fn tenant(number: u64) -> String {
    format!("tenant-{number}")
}

/// Makes the tenants `from + 1` to `to`. Those with even numbers are in the second realm.
pub(crate) async fn fill(stage: &Stage, from: u64, to: u64) -> Result<(), Error> {
    let mut first = from + 1;
    while first <= to {
        let last = to.min(first + AT_ONCE - 1);
        chunk(stage, signed(first), signed(last)).await?;
        first = last + 1;
    }
    Ok(())
}

pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Numbers from `$1` to `$2`, as `n (i)`.
macro_rules! numbered {
    ($insert:literal, $select:literal) => {
        concat!(
            $insert,
            " WITH RECURSIVE n (i) AS (SELECT CAST($1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < $2) ",
            $select
        )
    };
}

async fn chunk(stage: &Stage, first: i64, last: i64) -> Result<(), Error> {
    let mut tx = stage.store.begin().await?;
    let now = tx.now().await?;
    let [(us, _), (eu, _)] = REALMS;
    let statements = [
        sql(numbered!(
            "INSERT INTO tenants (id, host, realm, created_in, status, epoch, created_at, updated_at)",
            "SELECT 'tenant-' || i, 'tenant-' || i || '.example', CASE WHEN i % 2 = 0 THEN $4 ELSE $5 END, $5, 'online', 2, $3, $3 \
             FROM n"
        ))
        .bind(first)
        .bind(last)
        .bind(now)
        .bind(eu)
        .bind(us),
        sql(numbered!(
            "INSERT INTO audit (id, at, who, action, tenant, why, before, after)",
            "SELECT '0-' || i || '-' || what, $3, 'bench', 'tenant.' || what, 'tenant-' || i, '', 'null', '{\"realm\": \"us\"}' \
             FROM n CROSS JOIN (SELECT 'created' AS what UNION ALL SELECT 'moved') AS done"
        ))
        .bind(first)
        .bind(last)
        .bind(now),
        sql(numbered!(
            "INSERT INTO changes (seq, at, tenant, epoch, kind)",
            "SELECT (SELECT value FROM counters WHERE name = 'changes') + i - $1 + 1, $3, 'tenant-' || i, 1, 'created' FROM n"
        ))
        .bind(first)
        .bind(last)
        .bind(now),
        sql("UPDATE counters SET value = value + $2 - $1 + 1 WHERE name = 'changes'").bind(first).bind(last),
        sql(numbered!(
            "INSERT INTO workflows (id, kind, subject, request, state, data, steps, created_at, updated_at, finished_at, ended_as)",
            "SELECT '0-move-' || i, 'move', 'tenant-' || i, '', 'completed', $4, 9, $3, $3, $3, 'completed' FROM n"
        ))
        .bind(first)
        .bind(last)
        .bind(now)
        .bind(format!("{{\"padding\": \"{}\"}}", "p".repeat(400))),
    ];
    for statement in statements {
        statement.execute(&mut tx).await?;
    }
    for (service, _) in SERVICES {
        place(&mut tx, stage, service, (first, last, now)).await?;
    }
    Ok(tx.commit().await?)
}

async fn place(
    tx: &mut store::Tx,
    stage: &Stage,
    service: &str,
    (first, last, now): (i64, i64, i64),
) -> Result<(), Error> {
    let [(_, us), (_, eu)] = REALMS;
    let placed = sql(numbered!(
        "INSERT INTO placements (tenant, service, shard)",
        "SELECT 'tenant-' || i, $3, CASE WHEN i % 2 = 0 THEN $4 ELSE $5 END || '-' || (1 + (i / 2) % $6) FROM n"
    ));
    placed.bind(first).bind(last).bind(service).bind(eu).bind(us).bind(signed(SHARDS)).execute(tx).await?;
    let (us_key, us_place) = location(stage, service, us)?;
    let (eu_key, eu_place) = location(stage, service, eu)?;
    sql(numbered!(
        "INSERT INTO ledger (tenant, service, location, place, state, generation, position, updated_at)",
        "SELECT 'tenant-' || i, $4, replace(CASE WHEN i % 2 = 0 THEN $5 ELSE $6 END, '{tenant}', 'tenant-' || i), \
         replace(CASE WHEN i % 2 = 0 THEN $7 ELSE $8 END, '{tenant}', 'tenant-' || i), 'live', 1, 0, $3 FROM n"
    ))
    .bind(first)
    .bind(last)
    .bind(now)
    .bind(service)
    .bind(eu_key)
    .bind(us_key)
    .bind(eu_place)
    .bind(us_place)
    .execute(tx)
    .await?;
    Ok(())
}

/// The key and the place of the service's location in the region, with `{tenant}` for the tenant.
pub(crate) fn location(stage: &Stage, service: &str, region: &str) -> Result<(String, String), Error> {
    let locations =
        stage.topology.locations(service, &shard(region, 1), TENANT).map_err(|error| Error::part(&error))?;
    let location = locations.first().ok_or_else(|| Error::Part(format!("{service} is nowhere in {region}")))?;
    let place = serde_json::to_string(location).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    Ok((location.key(), place))
}
