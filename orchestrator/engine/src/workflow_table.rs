//! SQL of the `workflows` table.

use store::{Millis, Row, StoreError, Tx, sql};
use tracing::error;

use crate::claim::{self, Claimable};
use crate::history::{self, HistoryRow};
use crate::priority::Priority;
use crate::record::{StoredError, WorkflowRecord};
use crate::step_error::StepError;

/// A workflow to be started.
#[derive(Debug)]
pub struct NewWorkflow<'a> {
    /// Its id.
    pub id: &'a str,
    /// Which state machine.
    pub kind: &'static str,
    /// The tenant.
    pub subject: &'a str,
    /// A second start with the same key is refused by the database; look it up first with [`by_start_key`].
    pub start_key: Option<&'a str>,
    /// Digest of what was asked.
    pub request: &'a str,
    /// The first state's name.
    pub state: &'static str,
    /// The first state as JSON.
    pub data: String,
    /// When it is due.
    pub wake_at: Millis,
    /// Which of what is due goes first.
    pub priority: Priority,
}

const CLAIMABLE: Claimable = Claimable {
    due: "SELECT id, fence FROM workflows WHERE wake_at <= $1 AND lease_until <= $1 ORDER BY wake_at LIMIT 1",
    take: "UPDATE workflows SET lease_owner = $2, lease_until = $3, fence = $4, updated_at = $5 WHERE id = $1",
};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, kind, subject, request, state, data, steps, attempt, error, wake_at, fence, created_at, \
             finished_at FROM workflows ",
            $rest
        )
    };
}

/// Inserts a workflow.
pub async fn insert(tx: &mut Tx, new: NewWorkflow<'_>, now: Millis) -> Result<(), StoreError> {
    sql("INSERT INTO workflows (id, kind, subject, start_key, request, state, data, wake_at, created_at, updated_at, \
         priority) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $10)")
    .bind(new.id)
    .bind(new.kind)
    .bind(new.subject)
    .bind(new.start_key)
    .bind(new.request)
    .bind(new.state)
    .bind(new.data)
    .bind(new.wake_at)
    .bind(now)
    .bind(new.priority.stored())
    .execute(tx)
    .await
    .map(drop)
}

/// The workflow, if there is one.
pub async fn get(tx: &mut Tx, id: &str) -> Result<Option<WorkflowRecord>, StoreError> {
    one(sql(select!("WHERE id = $1")).bind(id).fetch_optional(tx).await?.as_ref())
}

/// The workflow with its row locked until the transaction ends. Take this lock before that of any task, tenant or cell.
pub async fn lock(tx: &mut Tx, id: &str) -> Result<Option<WorkflowRecord>, StoreError> {
    one(sql(select!("WHERE id = $1")).for_update().bind(id).fetch_optional(tx).await?.as_ref())
}

/// The workflow that was started with this key.
pub async fn by_start_key(tx: &mut Tx, key: &str) -> Result<Option<WorkflowRecord>, StoreError> {
    one(sql(select!("WHERE start_key = $1")).bind(key).fetch_optional(tx).await?.as_ref())
}

/// Workflows of a kind, newest first, older than the id `before`; optionally of one tenant or in one state.
pub async fn list(
    tx: &mut Tx,
    kind: &str,
    subject: Option<&str>,
    state: Option<&str>,
    before: Option<&str>,
    limit: i64,
) -> Result<Vec<WorkflowRecord>, StoreError> {
    let rows = sql(select!(
        "WHERE kind = $1 AND ($2 IS NULL OR subject = $2) AND ($3 IS NULL OR state = $3) AND ($4 IS NULL OR id < $4) \
         ORDER BY id DESC LIMIT $5"
    ))
    .bind(kind)
    .bind(subject)
    .bind(state)
    .bind(before)
    .bind(limit)
    .fetch_all(tx)
    .await?;
    rows.iter().map(WorkflowRecord::try_from).collect()
}

/// Claims the workflow that has been due longest: lease, new fence. `None` when nothing is due.
pub(crate) async fn claim(tx: &mut Tx, owner: &str, lease: Millis) -> Result<Option<WorkflowRecord>, StoreError> {
    let Some(id) = claim::claim(tx, &CLAIMABLE, owner, lease).await? else { return Ok(None) };
    // A row that can't be read stays leased for a while, so that it does not stand in the way of all others.
    match get(tx, &id).await {
        Err(StoreError::Corrupt(what)) => {
            error!(workflow = id, what, "a stored workflow can't be read; it is left alone");
            Ok(None)
        }
        claimed => claimed,
    }
}

/// Whether anything is due: a look without a lock.
pub(crate) async fn any_due(tx: &mut Tx) -> Result<bool, StoreError> {
    let now = tx.now().await?;
    let row = sql("SELECT id FROM workflows WHERE wake_at <= $1 AND lease_until <= $1 LIMIT 1").bind(now);
    Ok(row.fetch_optional(tx).await?.is_some())
}

/// Extends the lease. `false`: it is no longer ours.
pub(crate) async fn heartbeat(tx: &mut Tx, id: &str, fence: i64, lease: Millis) -> Result<bool, StoreError> {
    let now = tx.now().await?;
    let changed = sql("UPDATE workflows SET lease_until = $3 WHERE id = $1 AND fence = $2 AND wake_at IS NOT NULL")
        .bind(id)
        .bind(fence)
        .bind(now + lease)
        .execute(tx)
        .await?;
    Ok(changed == 1)
}

/// Gives the lease back, so that another process need not wait for it to expire.
pub(crate) async fn release(tx: &mut Tx, id: &str, fence: i64) -> Result<(), StoreError> {
    sql("UPDATE workflows SET lease_until = 0, lease_owner = NULL WHERE id = $1 AND fence = $2")
        .bind(id)
        .bind(fence)
        .execute(tx)
        .await
        .map(drop)
}

/// What a step or an intervention writes.
pub(crate) struct Written<'a> {
    pub state: &'a str,
    pub data: &'a str,
    /// `None`: finished.
    pub wake_at: Option<Millis>,
    /// When the lease ends; 0 gives it back.
    pub lease_until: Millis,
    pub note: &'a str,
    /// The failure that led here: stored until the state changes again.
    pub error: Option<&'a StoredError>,
    pub attempt: u32,
}

/// Writes a step's outcome under its fence, and a history row when the state has changed.
pub(crate) async fn write(
    tx: &mut Tx,
    record: &WorkflowRecord,
    fence: i64,
    written: &Written<'_>,
) -> Result<(), StepError> {
    let now = tx.now().await?;
    let moved = written.state != record.state;
    let steps = record.steps + i64::from(moved);
    sql("UPDATE workflows SET state = $3, data = $4, steps = $5, attempt = $6, error = $7, wake_at = $8, \
         lease_until = $9, updated_at = $10, finished_at = $11, fence = $12 WHERE id = $1 AND fence = $2")
    .bind(&record.id)
    .bind(record.fence)
    .bind(written.state)
    .bind(written.data)
    .bind(steps)
    .bind(i64::from(written.attempt))
    .bind(written.error.map(to_json))
    .bind(written.wake_at)
    .bind(written.lease_until)
    .bind(now)
    .bind(if written.wake_at.is_none() { Some(now) } else { None })
    .bind(fence)
    .execute_one(tx, StepError::lost_lease)
    .await?;
    if moved {
        let row = HistoryRow {
            seq: steps,
            at: now,
            from_state: record.state.clone(),
            to_state: written.state.to_owned(),
            note: written.note.to_owned(),
        };
        history::append(tx, &record.id, &row, fence).await?;
    }
    Ok(())
}

/// Makes the workflow due now. Its row must be locked.
pub(crate) async fn wake(tx: &mut Tx, id: &str) -> Result<(), StoreError> {
    let now = tx.now().await?;
    sql("UPDATE workflows SET wake_at = $2 WHERE id = $1 AND wake_at > $2")
        .bind(id)
        .bind(now)
        .execute(tx)
        .await
        .map(drop)
}

fn one(row: Option<&Row>) -> Result<Option<WorkflowRecord>, StoreError> {
    row.map(WorkflowRecord::try_from).transpose()
}

pub(crate) fn to_json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("our stored types serialise: they have string keys and no failing impls")
}

/// Records a failed attempt at the same state and when to try again; gives the lease back.
pub(crate) async fn retry_at(
    tx: &mut Tx,
    record: &WorkflowRecord,
    attempt: u32,
    error: &StoredError,
    wake_at: Millis,
) -> Result<(), StepError> {
    let now = tx.now().await?;
    sql("UPDATE workflows SET attempt = $3, error = $4, wake_at = $5, lease_until = 0, lease_owner = NULL, \
         updated_at = $6 WHERE id = $1 AND fence = $2")
    .bind(&record.id)
    .bind(record.fence)
    .bind(i64::from(attempt))
    .bind(to_json(error))
    .bind(wake_at)
    .bind(now)
    .execute_one(tx, StepError::lost_lease)
    .await
}
