//! Limits on data work, and who has reserved how much of them. Of units a second nothing is reserved.
//!
//! A scope is `overall`, `region:NAME` or `table:KEY`. A workflow asks once, in every scope that its data work falls under,
//! and keeps its place; it is granted all of it together, by whoever holds [`lock`], or waits. Reservations are made also
//! where no limit is set, so that one set later counts what is running.

use store::{Millis, Row, Rows, StoreError, Tx, sql};

/// A limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// What it limits.
    pub scope: String,
    /// Data tasks at a time; 0 admits nothing new; `None`: not limited.
    pub slots: Option<i64>,
    /// Write units a second, by all processes together.
    pub write_units: Option<i64>,
    /// Read units a second, likewise.
    pub read_units: Option<i64>,
    /// When it was set.
    pub at: Millis,
    /// By whom.
    pub who: String,
    /// Why.
    pub why: String,
}

/// What a workflow's data work needs in one scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demand {
    /// The scope.
    pub scope: String,
    /// How many data tasks.
    pub weight: i64,
}

/// How a scope is used, from the view of one workflow that wants some of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usage {
    /// Granted to others.
    pub used: i64,
    /// Wanted by others whose turn comes first.
    pub ahead: i64,
    /// Others that it is granted to.
    pub holders: i64,
    /// One of those.
    pub holder: Option<String>,
    /// One of those whose turn comes first.
    pub first_ahead: Option<String>,
}

/// Takes the lock under which capacity is granted and limits are changed. After workflow, tenant and topology, before entries.
pub async fn lock(tx: &mut Tx) -> Result<(), StoreError> {
    sql("SELECT value FROM counters WHERE name = 'capacity'").for_update().fetch_one(tx).await.map(drop)
}

/// All limits.
pub async fn limits(tx: &mut Tx) -> Result<Vec<Limit>, StoreError> {
    let rows = sql("SELECT scope, slots, write_units, read_units, at, who, why FROM limits ORDER BY scope");
    let rows = rows.fetch_all(tx).await?;
    rows.iter().map(Limit::try_from).collect()
}

/// Sets a limit, whatever it was.
pub async fn set_limit(tx: &mut Tx, limit: &Limit) -> Result<(), StoreError> {
    sql("INSERT INTO limits (scope, slots, write_units, read_units, at, who, why) VALUES ($1, $2, $3, $4, $5, $6, $7) \
         ON CONFLICT (scope) DO UPDATE SET slots = excluded.slots, write_units = excluded.write_units, \
         read_units = excluded.read_units, at = excluded.at, who = excluded.who, why = excluded.why")
    .bind(&limit.scope)
    .bind(limit.slots)
    .bind(limit.write_units)
    .bind(limit.read_units)
    .bind(limit.at)
    .bind(&limit.who)
    .bind(&limit.why)
    .execute(tx)
    .await
    .map(drop)
}

/// Takes a limit away; `None`: there was none.
pub async fn unset_limit(tx: &mut Tx, scope: &str) -> Result<Option<Limit>, StoreError> {
    let row = sql("DELETE FROM limits WHERE scope = $1 RETURNING scope, slots, write_units, read_units, at, who, why");
    row.bind(scope).fetch_optional(tx).await?.as_ref().map(Limit::try_from).transpose()
}

/// Asks for capacity; what was asked for before keeps its place. Returns since when it waits.
pub async fn ask(tx: &mut Tx, workflow: &str, wants: &[Demand], now: Millis) -> Result<Millis, StoreError> {
    for want in wants {
        sql("INSERT INTO reservations (workflow_id, scope, weight, asked_at) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (workflow_id, scope) DO NOTHING")
        .bind(workflow)
        .bind(&want.scope)
        .bind(want.weight)
        .bind(now)
        .execute(tx)
        .await?;
    }
    let row = sql("SELECT MIN(asked_at) AS since FROM reservations WHERE workflow_id = $1").bind(workflow);
    Ok(row.fetch_one(tx).await?.opt_int("since")?.unwrap_or(now))
}

/// What the workflow waits for or has been granted: its wants, and since when it waits; `None`: nothing, or all granted.
pub async fn waiting(tx: &mut Tx, workflow: &str) -> Result<Option<(Vec<Demand>, Millis)>, StoreError> {
    let rows = sql("SELECT scope, weight, asked_at FROM reservations WHERE workflow_id = $1 AND granted_at IS NULL \
                    ORDER BY scope")
    .bind(workflow)
    .fetch_all(tx)
    .await?;
    let Some(first) = rows.first() else { return Ok(None) };
    let since = first.int("asked_at")?;
    let want = |row: &Row| Ok(Demand { scope: row.text("scope")?, weight: row.int("weight")? });
    Ok(Some((rows.iter().map(want).collect::<Result<_, StoreError>>()?, since)))
}

/// How others use the scope. Those ahead: workflows of high priority first, then first come, first served; one that is
/// held back has no turn.
pub async fn usage(tx: &mut Tx, scope: &str, workflow: &str, since: Millis) -> Result<Usage, StoreError> {
    let row = sql("SELECT \
         CAST(COALESCE(SUM(CASE WHEN r.granted_at IS NOT NULL THEN r.weight ELSE 0 END), 0) AS BIGINT) AS used, \
         CAST(COALESCE(SUM(CASE WHEN r.granted_at IS NULL THEN r.weight ELSE 0 END), 0) AS BIGINT) AS ahead, \
         CAST(COALESCE(SUM(CASE WHEN r.granted_at IS NOT NULL THEN 1 ELSE 0 END), 0) AS BIGINT) AS holders, \
         MIN(CASE WHEN r.granted_at IS NOT NULL THEN r.workflow_id END) AS holder, \
         MIN(CASE WHEN r.granted_at IS NULL THEN r.workflow_id END) AS first_ahead \
         FROM reservations r JOIN workflows w ON w.id = r.workflow_id \
         WHERE r.scope = $1 AND r.workflow_id <> $2 AND (r.granted_at IS NOT NULL OR (w.paused = 0 AND \
         w.wake_at IS NOT NULL AND (CASE WHEN w.priority >= 2 THEN 0 ELSE 1 END, r.asked_at, r.workflow_id) < \
         (CASE WHEN (SELECT priority FROM workflows WHERE id = $2) >= 2 THEN 0 ELSE 1 END, $3, $2)))")
    .bind(scope)
    .bind(workflow)
    .bind(since)
    .fetch_one(tx)
    .await?;
    Ok(Usage {
        used: row.int("used")?,
        ahead: row.int("ahead")?,
        holders: row.int("holders")?,
        holder: row.opt_text("holder")?,
        first_ahead: row.opt_text("first_ahead")?,
    })
}

/// One that waits in a scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The workflow.
    pub workflow: String,
    /// How much it wants there.
    pub weight: i64,
    /// When it asks again by itself.
    pub wake_at: Millis,
}

/// How much is granted in a scope.
pub async fn granted(tx: &mut Tx, scope: &str) -> Result<i64, StoreError> {
    sql("SELECT CAST(COALESCE(SUM(weight), 0) AS BIGINT) AS used FROM reservations \
         WHERE scope = $1 AND granted_at IS NOT NULL")
    .bind(scope)
    .fetch_one(tx)
    .await?
    .int("used")
}

/// The first of those that wait in a scope, in their turn as [`usage`] has it.
pub async fn first_waiting(tx: &mut Tx, scope: &str, limit: i64) -> Result<Vec<Waiting>, StoreError> {
    let rows =
        sql("SELECT r.workflow_id, r.weight, w.wake_at FROM reservations r JOIN workflows w ON w.id = r.workflow_id \
         WHERE r.scope = $1 AND r.granted_at IS NULL AND w.paused = 0 AND w.wake_at IS NOT NULL \
         ORDER BY CASE WHEN w.priority >= 2 THEN 0 ELSE 1 END, r.asked_at, r.workflow_id LIMIT $2")
        .bind(scope)
        .bind(limit)
        .fetch_all(tx)
        .await?;
    let waiting = |row: &Row| {
        Ok(Waiting { workflow: row.text("workflow_id")?, weight: row.int("weight")?, wake_at: row.int("wake_at")? })
    };
    rows.iter().map(waiting).collect()
}

/// In which scopes these workflows wait.
pub async fn waiting_in(tx: &mut Tx, workflows: &[String]) -> Result<Vec<(String, String)>, StoreError> {
    let ids = Rows::default().texts("id", workflows.iter().cloned());
    let rows = sql("SELECT workflow_id, scope FROM reservations WHERE granted_at IS NULL AND workflow_id IN \
                    (SELECT id FROM {rows})");
    let rows = rows.rows(ids).fetch_all(tx).await?;
    rows.iter().map(|row| Ok((row.text("workflow_id")?, row.text("scope")?))).collect()
}

/// All that wait in a scope.
pub async fn all_waiting(tx: &mut Tx, scope: &str) -> Result<Vec<String>, StoreError> {
    let rows = sql("SELECT workflow_id FROM reservations WHERE scope = $1 AND granted_at IS NULL ORDER BY workflow_id");
    rows.bind(scope).fetch_all(tx).await?.iter().map(|row| row.text("workflow_id")).collect()
}

/// What is granted and what is waited for in a scope, over all workflows.
pub async fn totals(tx: &mut Tx, scope: &str) -> Result<(i64, i64), StoreError> {
    let row = sql(
        "SELECT CAST(COALESCE(SUM(CASE WHEN granted_at IS NOT NULL THEN weight ELSE 0 END), 0) AS BIGINT) AS used, \
                   CAST(COALESCE(SUM(CASE WHEN granted_at IS NULL THEN weight ELSE 0 END), 0) AS BIGINT) AS waiting \
                   FROM reservations WHERE scope = $1",
    )
    .bind(scope)
    .fetch_one(tx)
    .await?;
    Ok((row.int("used")?, row.int("waiting")?))
}

/// Grants the workflow all that it asked for. The caller holds [`lock`] if there is any limit.
pub async fn grant(tx: &mut Tx, workflow: &str, now: Millis) -> Result<(), StoreError> {
    sql("UPDATE reservations SET granted_at = $2 WHERE workflow_id = $1 AND granted_at IS NULL")
        .bind(workflow)
        .bind(now)
        .execute(tx)
        .await
        .map(drop)
}

/// Gives back what the workflow was granted, and its place in the queues.
pub async fn release(tx: &mut Tx, workflow: &str) -> Result<(), StoreError> {
    sql("DELETE FROM reservations WHERE workflow_id = $1").bind(workflow).execute(tx).await.map(drop)
}

/// Workflows that hold or want capacity.
pub async fn reserved_by(tx: &mut Tx) -> Result<Vec<String>, StoreError> {
    let rows = sql("SELECT DISTINCT workflow_id FROM reservations ORDER BY workflow_id").fetch_all(tx).await?;
    rows.iter().map(|row| row.text("workflow_id")).collect()
}

impl TryFrom<&Row> for Limit {
    type Error = StoreError;

    fn try_from(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            scope: row.text("scope")?,
            slots: row.opt_int("slots")?,
            write_units: row.opt_int("write_units")?,
            read_units: row.opt_int("read_units")?,
            at: row.int("at")?,
            who: row.text("who")?,
            why: row.text("why")?,
        })
    }
}
