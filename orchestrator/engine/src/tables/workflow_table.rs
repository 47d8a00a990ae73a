//! SQL of the `workflows` table.

use store::{Millis, Row, Rows, Sql, StoreError, Tx, sql};
use tracing::error;

use crate::priority::Priority;
use crate::record::{FailedAttempt, Failing, StoredError, WorkflowRecord};
use crate::step_error::StepError;
use crate::tables::due_sql::{Claim, any_due, offline_due, with_due};
use crate::tables::pause_table::workflow_may_run;

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
    /// Which due work goes first.
    pub priority: Priority,
}

/// What a [`WorkflowRecord`] is read from.
macro_rules! columns {
    () => {
        "id, kind, subject, request, state, data, steps, attempt, error, wake_at, fence, lease_owner, priority, keeps_offline, \
         paused, created_at, updated_at, finished_at"
    };
}

macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT ", columns!(), " FROM workflows ", $rest)
    };
}

/// Inserts a workflow.
pub async fn insert(tx: &mut Tx, new: NewWorkflow<'_>, now: Millis) -> Result<(), StoreError> {
    insert_all(tx, &[new], now).await
}

/// Inserts workflows by one statement.
pub async fn insert_all(tx: &mut Tx, new: &[NewWorkflow<'_>], now: Millis) -> Result<(), StoreError> {
    let given = Rows::default()
        .texts("id", new.iter().map(|new| new.id.to_owned()))
        .texts("kind", new.iter().map(|new| new.kind.to_owned()))
        .texts("subject", new.iter().map(|new| new.subject.to_owned()))
        .texts("start_key", new.iter().map(|new| new.start_key.map(str::to_owned)))
        .texts("request", new.iter().map(|new| new.request.to_owned()))
        .texts("state", new.iter().map(|new| new.state.to_owned()))
        .texts("data", new.iter().map(|new| new.data.clone()))
        .ints("wake_at", new.iter().map(|new| new.wake_at))
        .ints("priority", new.iter().map(|new| new.priority.stored()));
    sql("INSERT INTO workflows (id, kind, subject, start_key, request, state, data, wake_at, priority, created_at, \
         updated_at) SELECT id, kind, subject, start_key, request, state, data, wake_at, priority, $1, $1 FROM {rows}")
    .bind(now)
    .rows(given)
    .execute(tx)
    .await?;
    if new.iter().any(|new| new.wake_at <= now) {
        tx.announce();
    }
    Ok(())
}

/// The workflow, if there is one.
pub async fn get(tx: &mut Tx, id: &str) -> Result<Option<WorkflowRecord>, StoreError> {
    one(sql(select!("WHERE id = $1")).bind(id).fetch_optional(tx).await?.as_ref())
}

/// The workflow with its row locked until the transaction ends. Take this lock before that of any task, tenant or ledger entry.
pub async fn lock(tx: &mut Tx, id: &str) -> Result<Option<WorkflowRecord>, StoreError> {
    Ok(lock_with_time(tx, id).await?.map(|(record, _)| record))
}

/// The same, with the time at which it was locked.
pub async fn lock_with_time(tx: &mut Tx, id: &str) -> Result<Option<(WorkflowRecord, Millis)>, StoreError> {
    let (rows, now) = sql(select!("WHERE id = $1")).bind(id).fetch_locked(tx).await?;
    Ok(one(rows.first())?.map(|record| (record, now)))
}

/// The workflow that was started with this key, or was found running by a request with it.
pub async fn by_start_key(tx: &mut Tx, key: &str) -> Result<Option<WorkflowRecord>, StoreError> {
    let found = select!("WHERE start_key = $1 OR id = (SELECT workflow_id FROM start_keys WHERE start_key = $1)");
    one(sql(found).bind(key).fetch_optional(tx).await?.as_ref())
}

/// From now on the key, which no workflow has, leads to this one.
pub async fn keep_start_key(tx: &mut Tx, key: &str, id: &str) -> Result<(), StoreError> {
    let keep = sql("INSERT INTO start_keys (start_key, workflow_id) VALUES ($1, $2)").bind(key).bind(id);
    keep.execute(tx).await.map(drop)
}

/// Few are of one tenant, and so its state is looked at in each of them.
const LIST: &str = select!(
    "WHERE kind = $1 {given AND subject = $2} {given AND state = $3} {given AND id < $4} ORDER BY id DESC LIMIT $5"
);

/// Those that have ended and those that run are looked up apart: only an end's name is indexed, because it changes once.
const LIST_IN_STATE: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM (SELECT * FROM (SELECT * FROM workflows WHERE kind = $1 AND ended_as = $2 {given AND id < $3} ORDER BY id DESC LIMIT $4) \
     AS ended UNION ALL SELECT * FROM (SELECT * FROM workflows WHERE kind = $1 AND ended_as IS NULL AND state = $2 \
     {given AND id < $3} ORDER BY id DESC LIMIT $4) AS running) AS found ORDER BY id DESC LIMIT $4"
);

/// Workflows of a kind, newest first, older than the id `before`; optionally of one tenant or in one state.
pub async fn list(
    tx: &mut Tx,
    kind: &str,
    subject: Option<&str>,
    state: Option<&str>,
    before: Option<&str>,
    limit: i64,
) -> Result<Vec<WorkflowRecord>, StoreError> {
    let list = match (subject, state) {
        (None, Some(state)) => sql(LIST_IN_STATE).bind(kind).bind(state),
        _ => sql(LIST).bind(kind).bind(subject).bind(state),
    };
    let rows = list.bind(before).bind(limit).fetch_all(tx).await?;
    rows.iter().map(WorkflowRecord::try_from).collect()
}

/// What ended before `$1` and after the place (`$2`, `$3`), at most `$4`, the oldest first.
pub(crate) const ENDED_BEFORE: &str = select!(
    "WHERE finished_at IS NOT NULL AND finished_at < $1 AND (finished_at, id) > ($2, $3) ORDER BY finished_at, id LIMIT $4"
);

/// The claim of what is due.
macro_rules! claim_due {
    ($may_run:expr) => {
        with_due!(
            "workflows",
            $may_run,
            concat!(
                "UPDATE workflows SET lease_owner = $4, lease_until = $5, fence = fence + 1, updated_at = $1 \
                 WHERE id IN (SELECT id FROM due) RETURNING ",
                columns!()
            )
        )
    };
}

/// Claims at most `$2` workflows due at `$1`, of which at most `$3` keep no tenant offline, for the owner `$4` until `$5`.
pub const CLAIM: &str = claim_due!(workflow_may_run!());

/// Which of those that may run are in none of the states that are given.
macro_rules! in_no_given_state {
    () => {
        concat!(
            workflow_may_run!(),
            " AND NOT EXISTS (SELECT 1 FROM {rows} WHERE given.kind = workflows.kind AND given.state = workflows.state)"
        )
    };
}

/// Kinds with their states.
pub(crate) type States<'a> = &'a [(&'static str, &'static str)];

fn given(states: States<'_>) -> Rows {
    let (kinds, states): (Vec<_>, Vec<_>) =
        states.iter().map(|(kind, state)| ((*kind).to_owned(), (*state).to_owned())).unzip();
    Rows::default().texts("kind", kinds).texts("state", states)
}

/// Claims workflows due `now`: lease, new fence. Empty when nothing is due.
pub async fn claim(tx: &mut Tx, claim: &Claim<'_>, now: Millis) -> Result<Vec<WorkflowRecord>, StoreError> {
    claimed_by(sql(CLAIM), tx, claim, now).await
}

/// The same of those that are in none of these states.
pub(crate) async fn claim_except(
    tx: &mut Tx,
    claim: &Claim<'_>,
    states: States<'_>,
    now: Millis,
) -> Result<Vec<WorkflowRecord>, StoreError> {
    let statement = sql(claim_due!(in_no_given_state!()));
    claimed_by(statement.rows(given(states)), tx, claim, now).await
}

async fn claimed_by(
    statement: Sql,
    tx: &mut Tx,
    claim: &Claim<'_>,
    now: Millis,
) -> Result<Vec<WorkflowRecord>, StoreError> {
    let rows = statement
        .bind(now)
        .bind(claim.all)
        .bind(claim.any)
        .bind(claim.owner)
        .bind(now + claim.lease)
        .fetch_all(tx)
        .await?;
    let mut claimed: Vec<_> = rows.iter().filter_map(readable).collect();
    claimed.sort_by_key(|record| (!record.keeps_offline, -record.priority, record.wake_at));
    Ok(claimed)
}

/// A row that can't be read stays leased for a while, so that it does not stand in the way of all others.
fn readable(row: &Row) -> Option<WorkflowRecord> {
    WorkflowRecord::try_from(row)
        .inspect_err(
            |what| error!(workflow = row.text("id").ok(), %what, "a stored workflow can't be read; it is left alone"),
        )
        .ok()
}

/// Whether anything is due: a look without a lock.
pub(crate) async fn any_due(tx: &mut Tx) -> Result<bool, StoreError> {
    let now = tx.now().await?;
    Ok(sql(any_due!("workflows", workflow_may_run!())).bind(now).fetch_optional(tx).await?.is_some())
}

/// The same of what is in none of these states.
pub(crate) async fn any_due_except(tx: &mut Tx, states: States<'_>) -> Result<bool, StoreError> {
    let now = tx.now().await?;
    let due = sql(any_due!("workflows", in_no_given_state!())).rows(given(states)).bind(now);
    Ok(due.fetch_optional(tx).await?.is_some())
}

/// Whether anything that keeps a tenant offline is due: a look without a lock.
pub(crate) async fn any_offline_due(tx: &mut Tx) -> Result<bool, StoreError> {
    let now = tx.now().await?;
    let row = sql(offline_due!("workflows", workflow_may_run!())).bind(now).bind(1).fetch_one(tx).await?;
    Ok(row.int("due")? > 0)
}

/// Extends the lease. `false`: it is no longer ours, or given back by a step whose outcome the holder does not know.
pub(crate) async fn heartbeat(tx: &mut Tx, id: &str, fence: i64, lease: Millis) -> Result<bool, StoreError> {
    let now = tx.now().await?;
    let changed = sql("UPDATE workflows SET lease_until = $3 WHERE id = $1 AND fence = $2 AND wake_at IS NOT NULL \
                       AND lease_owner IS NOT NULL")
    .bind(id)
    .bind(fence)
    .bind(now + lease)
    .execute(tx)
    .await?;
    Ok(changed == 1)
}

/// Gives the lease back, so that another process need not wait for it to expire.
pub(crate) async fn release(tx: &mut Tx, id: &str, fence: i64) -> Result<(), StoreError> {
    tx.announce();
    sql("UPDATE workflows SET lease_until = 0, lease_owner = NULL WHERE id = $1 AND fence = $2")
        .bind(id)
        .bind(fence)
        .execute(tx)
        .await
        .map(drop)
}

/// Makes the workflow due now. Its row must be locked.
pub(crate) async fn wake(tx: &mut Tx, id: &str) -> Result<(), StoreError> {
    let now = tx.now().await?;
    sql("UPDATE workflows SET wake_at = $2 WHERE id = $1 AND wake_at > $2").bind(id).bind(now).execute(tx).await?;
    tx.announce();
    Ok(())
}

/// Makes workflows due now that would look again later; returns how many. Those that somebody works on just now are passed over.
pub async fn wake_all(tx: &mut Tx, ids: &[String]) -> Result<u64, StoreError> {
    let now = tx.now().await?;
    let wake = sql("UPDATE workflows SET wake_at = $1 WHERE id IN (SELECT id FROM workflows WHERE wake_at > $1 \
                    AND id IN (SELECT id FROM {rows}) ORDER BY id {skip_locked})");
    let woken = wake.bind(now).rows(Rows::default().texts("id", ids.iter().cloned())).execute(tx).await?;
    tx.announce();
    Ok(woken)
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
    (error, failing): (&StoredError, Failing),
    wake_at: Millis,
) -> Result<(), StepError> {
    let now = tx.now().await?;
    sql("UPDATE workflows SET attempt = $3, error = $4, wake_at = $5, lease_until = 0, lease_owner = NULL, \
         updated_at = $6 WHERE id = $1 AND fence = $2")
    .bind(&record.id)
    .bind(record.fence)
    .bind(i64::from(attempt))
    .bind(to_json(&FailedAttempt { error, failing }))
    .bind(wake_at)
    .bind(now)
    .execute_one(tx, StepError::lost_lease)
    .await
}
