//! Tenants: their realm, status and epoch, and the guarded writes that change them.
//!
//! Every change of status or placement raises the epoch in the same statement. A guard that does not hold changes
//! nothing and answers `false`: the caller reads the row again and decides.

use store::{Millis, Row, Sql, StoreError, Tx, sql};

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// `[a-z0-9][a-z0-9-]{0,62}`, never reused.
    pub id: String,
    /// Unique while the tenant exists.
    pub host: Option<String>,
    /// The realm whose regions hold its data.
    pub realm: String,
    /// The realm that was asked for when it was created.
    pub created_in: String,
    /// What may be done with it.
    pub status: TenantStatus,
    /// Grows exactly when placement or status changes.
    pub epoch: i64,
    /// The workflow that may change its placement.
    pub active_move: Option<String>,
    /// While moving: when the offline mark lapses.
    pub lease_until: Option<Millis>,
    /// When it was created.
    pub created_at: Millis,
}

/// What may be done with a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TenantStatus {
    /// Being created.
    Provisioning,
    /// Serving.
    Online,
    /// Offline for a move, under a lease.
    Moving,
    /// Offline for good, on its way to `Gone`.
    Closed,
    /// No data of it is left.
    Gone,
}

impl TenantStatus {
    /// The stored and shown name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Provisioning => "provisioning",
            Self::Online => "online",
            Self::Moving => "moving",
            Self::Closed => "closed",
            Self::Gone => "gone",
        }
    }
}

impl TryFrom<String> for TenantStatus {
    type Error = StoreError;

    fn try_from(name: String) -> Result<Self, StoreError> {
        [Self::Provisioning, Self::Online, Self::Moving, Self::Closed, Self::Gone]
            .into_iter()
            .find(|status| status.as_str() == name)
            .ok_or_else(|| StoreError::Corrupt(format!("tenant status {name}")))
    }
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, host, realm, created_in, status, epoch, active_move, lease_until, created_at FROM tenants ",
            $rest
        )
    };
}

/// Inserts a tenant. `Duplicate` when the id or the host is taken.
pub async fn insert(tx: &mut Tx, tenant: &Tenant) -> Result<(), StoreError> {
    let insert = sql("INSERT INTO tenants (id, host, realm, status, epoch, created_at, updated_at, created_in) \
                      VALUES ($1, $2, $3, $4, $5, $6, $6, $7)");
    bound(insert, tenant).execute(tx).await.map(drop)
}

/// Creates a tenant anew whose creation was undone.
pub async fn create_again(tx: &mut Tx, tenant: &Tenant) -> Result<(), StoreError> {
    let again =
        sql("UPDATE tenants SET host = $2, realm = $3, status = $4, epoch = $5, created_at = $6, updated_at = $6, \
                     created_in = $7 WHERE id = $1 AND status = 'gone'");
    let changed = || StoreError::Corrupt(format!("tenant {} is locked and yet has changed", tenant.id));
    bound(again, tenant).execute_one(tx, changed).await
}

/// What both write of a tenant.
fn bound(statement: Sql, tenant: &Tenant) -> Sql {
    statement
        .bind(&tenant.id)
        .bind(tenant.host.clone())
        .bind(&tenant.realm)
        .bind(tenant.status.as_str())
        .bind(tenant.epoch)
        .bind(tenant.created_at)
        .bind(&tenant.created_in)
}

/// The tenant, if there is one.
pub async fn get(tx: &mut Tx, id: &str) -> Result<Option<Tenant>, StoreError> {
    one(sql(select!("WHERE id = $1")).bind(id).fetch_optional(tx).await?.as_ref())
}

/// The tenant with its row locked until the transaction ends. Commit, cancel and `re_online` all take this lock.
pub async fn lock(tx: &mut Tx, id: &str) -> Result<Option<Tenant>, StoreError> {
    one(sql(select!("WHERE id = $1")).for_update().bind(id).fetch_optional(tx).await?.as_ref())
}

/// The tenant that this host belongs to.
pub async fn by_host(tx: &mut Tx, host: &str) -> Result<Option<Tenant>, StoreError> {
    one(sql(select!("WHERE host = $1")).bind(host).fetch_optional(tx).await?.as_ref())
}

/// Tenants in the order of their ids, after `after`; optionally of one realm.
pub async fn list(
    tx: &mut Tx,
    realm: Option<&str>,
    after: Option<&str>,
    limit: i64,
) -> Result<Vec<Tenant>, StoreError> {
    let rows = sql(select!("WHERE id > $2 {given AND realm = $1} ORDER BY id LIMIT $3"))
        .bind(realm)
        .bind(after.unwrap_or_default())
        .bind(limit)
        .fetch_all(tx)
        .await?;
    rows.iter().map(Tenant::try_from).collect()
}

/// Tenants that are offline for a move, those whose lease ends first, at most `limit`.
pub async fn offline(tx: &mut Tx, limit: i64) -> Result<Vec<Tenant>, StoreError> {
    let rows = sql(select!("WHERE lease_until IS NOT NULL AND status = 'moving' ORDER BY lease_until LIMIT $1"));
    rows.bind(limit).fetch_all(tx).await?.iter().map(Tenant::try_from).collect()
}

/// `provisioning -> online`; returns the new epoch. `None`: the tenant is not being created.
pub async fn provisioned(tx: &mut Tx, id: &str) -> Result<Option<i64>, StoreError> {
    let now = tx.now().await?;
    let row = sql("UPDATE tenants SET status = 'online', epoch = epoch + 1, updated_at = $2 WHERE id = $1 AND \
                   status = 'provisioning' RETURNING epoch");
    row.bind(id).bind(now).fetch_optional(tx).await?.map(|row| row.int("epoch")).transpose()
}

/// `provisioning -> gone`, with its host free; returns the new epoch. `None`: the tenant is not being created.
pub async fn abandon(tx: &mut Tx, id: &str) -> Result<Option<i64>, StoreError> {
    let now = tx.now().await?;
    let row =
        sql("UPDATE tenants SET status = 'gone', host = NULL, epoch = epoch + 1, updated_at = $2 WHERE id = $1 AND \
                   status = 'provisioning' RETURNING epoch");
    row.bind(id).bind(now).fetch_optional(tx).await?.map(|row| row.int("epoch")).transpose()
}

/// Makes `workflow` the one that may change the placement. `false`: the tenant is not online, or another already may.
pub async fn reserve(tx: &mut Tx, id: &str, workflow: &str) -> Result<bool, StoreError> {
    let changed =
        sql("UPDATE tenants SET active_move = $2 WHERE id = $1 AND active_move IS NULL AND status = 'online'")
            .bind(id)
            .bind(workflow)
            .execute(tx)
            .await?;
    Ok(changed == 1)
}

/// Lets the next workflow in, without a change of status.
pub async fn release(tx: &mut Tx, id: &str, workflow: &str) -> Result<bool, StoreError> {
    let changed =
        sql("UPDATE tenants SET active_move = NULL WHERE id = $1 AND active_move = $2 AND status <> 'moving'")
            .bind(id)
            .bind(workflow)
            .execute(tx)
            .await?;
    Ok(changed == 1)
}

/// Takes the tenant offline under a lease: status moving, epoch + 1. `false`: it is not online at that epoch.
pub async fn take_offline(
    tx: &mut Tx,
    id: &str,
    active_move: &str,
    epoch: i64,
    lease_until: Millis,
) -> Result<bool, StoreError> {
    let now = tx.now().await?;
    let changed = sql("UPDATE tenants SET status = 'moving', epoch = epoch + 1, lease_until = $4, updated_at = $5 \
                       WHERE id = $1 AND active_move = $2 AND epoch = $3 AND status = 'online'")
    .bind(id)
    .bind(active_move)
    .bind(epoch)
    .bind(lease_until)
    .bind(now)
    .execute(tx)
    .await?;
    Ok(changed == 1)
}

/// Renews the offline lease. `false`: it has lapsed, or the tenant is not ours at that epoch; a lapsed one is never
/// renewed. Raises no epoch.
pub async fn renew(
    tx: &mut Tx,
    id: &str,
    active_move: &str,
    epoch: i64,
    lease_until: Millis,
) -> Result<bool, StoreError> {
    if lock(tx, id).await?.is_none() {
        return Ok(false);
    }
    // Read only now that the row is locked: the lease may have lapsed while this waited for the lock.
    let now = tx.now().await?;
    let changed = sql("UPDATE tenants SET lease_until = CASE WHEN lease_until > $4 THEN lease_until ELSE $4 END \
                       WHERE id = $1 AND active_move = $2 AND epoch = $3 AND status = 'moving' AND lease_until > $5")
    .bind(id)
    .bind(active_move)
    .bind(epoch)
    .bind(lease_until)
    .bind(now)
    .execute(tx)
    .await?;
    Ok(changed == 1)
}

/// The commit of a move that was offline: realm, status online, epoch + 1, under an unlapsed lease by the database's
/// clock. The caller holds the row lock ([`lock`]). `false`: a guard does not hold and nothing has changed.
pub async fn commit_offline_move(
    tx: &mut Tx,
    id: &str,
    active_move: &str,
    epoch: i64,
    realm: &str,
) -> Result<bool, StoreError> {
    let now = tx.now().await?;
    let changed = sql("UPDATE tenants SET realm = $4, status = 'online', epoch = epoch + 1, lease_until = NULL, \
                       active_move = NULL, updated_at = $5 \
                       WHERE id = $1 AND active_move = $2 AND epoch = $3 AND status = 'moving' AND lease_until > $5")
    .bind(id)
    .bind(active_move)
    .bind(epoch)
    .bind(realm)
    .bind(now)
    .execute(tx)
    .await?;
    Ok(changed == 1)
}

/// The commit of a move that adds nothing and stays online: guarded by the approved epoch and status online.
pub async fn commit_online_move(
    tx: &mut Tx,
    id: &str,
    active_move: &str,
    epoch: i64,
    realm: &str,
) -> Result<bool, StoreError> {
    let now = tx.now().await?;
    let changed = sql("UPDATE tenants SET realm = $4, epoch = epoch + 1, active_move = NULL, updated_at = $5 \
                       WHERE id = $1 AND active_move = $2 AND epoch = $3 AND status = 'online'")
    .bind(id)
    .bind(active_move)
    .bind(epoch)
    .bind(realm)
    .bind(now)
    .execute(tx)
    .await?;
    Ok(changed == 1)
}

/// Brings the tenant back online where it was: status online, epoch + 1, lease and active_move cleared. `false`: it is not
/// offline for this move at that epoch.
pub async fn re_online(tx: &mut Tx, id: &str, active_move: &str, epoch: i64) -> Result<bool, StoreError> {
    let now = tx.now().await?;
    let changed =
        sql("UPDATE tenants SET status = 'online', epoch = epoch + 1, lease_until = NULL, active_move = NULL, \
                       updated_at = $4 WHERE id = $1 AND active_move = $2 AND epoch = $3 AND status = 'moving'")
        .bind(id)
        .bind(active_move)
        .bind(epoch)
        .bind(now)
        .execute(tx)
        .await?;
    Ok(changed == 1)
}

/// Since when the tenant, which is offline, has been so: neither a renewal nor anything else changes that until it is online.
pub async fn offline_since(tx: &mut Tx, id: &str) -> Result<Millis, StoreError> {
    sql("SELECT updated_at FROM tenants WHERE id = $1").bind(id).fetch_one(tx).await?.int("updated_at")
}

/// Tenants whose offline lease has lapsed by the database's clock, or lasts longer than `longest` from now, in the order of their ids,
/// after `after`, at most `limit`.
pub async fn lapsed(tx: &mut Tx, after: &str, longest: Millis, limit: i64) -> Result<Vec<Tenant>, StoreError> {
    let now = tx.now().await?;
    let rows = sql(select!(
        "WHERE id IN (SELECT id FROM tenants WHERE lease_until <= $1 UNION SELECT id FROM tenants WHERE lease_until > $4) \
         AND status = 'moving' AND id > $2 ORDER BY id LIMIT $3"
    ))
    .bind(now)
    .bind(after)
    .bind(limit)
    .bind(now.saturating_add(longest))
    .fetch_all(tx)
    .await?;
    rows.iter().map(Tenant::try_from).collect()
}

/// How many tenants each realm has, of those not gone.
pub async fn count_by_realm(tx: &mut Tx) -> Result<Vec<(String, u64)>, StoreError> {
    let rows = sql("SELECT realm, tenants FROM realm_sizes WHERE tenants > 0 ORDER BY realm").fetch_all(tx).await?;
    rows.iter().map(|row| Ok((row.text("realm")?, row.int("tenants")?.unsigned_abs()))).collect()
}

fn one(row: Option<&Row>) -> Result<Option<Tenant>, StoreError> {
    row.map(Tenant::try_from).transpose()
}

impl TryFrom<&Row> for Tenant {
    type Error = StoreError;

    fn try_from(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.text("id")?,
            host: row.opt_text("host")?,
            realm: row.text("realm")?,
            created_in: row.text("created_in")?,
            status: TenantStatus::try_from(row.text("status")?)?,
            epoch: row.int("epoch")?,
            active_move: row.opt_text("active_move")?,
            lease_until: row.opt_int("lease_until")?,
            created_at: row.int("created_at")?,
        })
    }
}
