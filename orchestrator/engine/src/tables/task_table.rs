//! SQL of the `tasks` table.

use serde_json::Value;
use store::{Millis, Row, Rows, StoreError, Tx, sql};
use tracing::error;

use crate::record::{FailedAttempt, Failing, StoredError, TaskRecord, TaskStatus, WorkflowRecord};
use crate::step_error::StepError;
use crate::tables::due_sql::{Claim, any_due, offline_due, with_due};
use crate::tables::pause_table::task_may_run;
use crate::tables::workflow_table::to_json;
use crate::tables::{in_doubt_table, workflow_table};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, workflow_id, kind, target, input, status, checkpoint, progress, result, attempt, error, fence, lease_owner, keeps_offline \
             FROM tasks ",
            $rest
        )
    };
}

/// A task to be fanned out.
#[derive(Debug)]
pub struct NewTask {
    /// Which handler runs it.
    pub kind: &'static str,
    /// The location it works on.
    pub target: String,
    /// What to do.
    pub input: Value,
}

/// Inserts a task of `workflow`, due now, with its priority; it keeps a tenant offline as the state that fans it out does.
pub(crate) async fn insert(
    tx: &mut Tx,
    id: &str,
    workflow: &WorkflowRecord,
    new: &NewTask,
    now: Millis,
) -> Result<(), StoreError> {
    tx.announce();
    sql("INSERT INTO tasks \
         (id, workflow_id, kind, target, input, status, progress, wake_at, created_at, updated_at, priority, keeps_offline) \
         VALUES ($1, $2, $3, $4, $5, $6, '{}', $7, $7, $7, $8, $9)")
    .bind(id)
    .bind(&workflow.id)
    .bind(new.kind)
    .bind(&new.target)
    .bind(new.input.to_string())
    .bind(TaskStatus::OPEN)
    .bind(now)
    .bind(workflow.priority)
    .bind(i64::from(workflow.keeps_offline))
    .execute(tx)
    .await
    .map(drop)
}

async fn get(tx: &mut Tx, id: &str) -> Result<Option<TaskRecord>, StoreError> {
    let row = sql(select!("WHERE id = $1")).bind(id).fetch_optional(tx).await?;
    row.as_ref().map(TaskRecord::try_from).transpose()
}

/// All tasks of a workflow, in the order in which they were fanned out.
pub async fn of_workflow(tx: &mut Tx, workflow_id: &str) -> Result<Vec<TaskRecord>, StoreError> {
    rows_of_workflow(tx, workflow_id).await?.iter().map(TaskRecord::try_from).collect()
}

/// Those of them that this version can read, for whoever only tells of them: what another version has stored must keep nobody from the
/// rest, and no tenant offline.
pub async fn readable_of_workflow(tx: &mut Tx, workflow_id: &str) -> Result<Vec<TaskRecord>, StoreError> {
    let rows = rows_of_workflow(tx, workflow_id).await?;
    Ok(rows.iter().filter_map(|row| TaskRecord::try_from(row).ok()).collect())
}

async fn rows_of_workflow(tx: &mut Tx, workflow_id: &str) -> Result<Vec<Row>, StoreError> {
    sql(select!("WHERE workflow_id = $1 ORDER BY id")).bind(workflow_id).fetch_all(tx).await
}

/// Erases every task of a workflow, and with them what they knew of the tenant's data. Whoever still runs one finds it gone
/// at its next checkpoint, heartbeat or permit, and is remembered with its requests in doubt until then.
pub(crate) async fn erase_all(tx: &mut Tx, workflow_id: &str) -> Result<(), StoreError> {
    in_doubt_table::erased(tx, workflow_id).await?;
    sql("DELETE FROM tasks WHERE workflow_id = $1").bind(workflow_id).execute(tx).await.map(drop)
}

pub(crate) async fn any_due(tx: &mut Tx) -> Result<bool, StoreError> {
    let now = tx.now().await?;
    Ok(sql(any_due!("tasks", task_may_run!())).bind(now).fetch_optional(tx).await?.is_some())
}

/// How many tasks that keep a tenant offline are due, up to `most`: a look without a lock.
pub(crate) async fn offline_due(tx: &mut Tx, most: usize) -> Result<usize, StoreError> {
    let now = tx.now().await?;
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let row = sql(offline_due!("tasks", task_may_run!())).bind(now).bind(most).fetch_one(tx).await?;
    Ok(usize::try_from(row.int("due")?).unwrap_or_default())
}

/// Claims tasks due `now`: lease, new fence. Empty when nothing is due.
pub(crate) async fn claim(tx: &mut Tx, claim: &Claim<'_>, now: Millis) -> Result<Vec<TaskRecord>, StoreError> {
    let rows = sql(with_due!(
        "tasks",
        task_may_run!(),
        select!("WHERE id IN (SELECT id FROM due) ORDER BY keeps_offline DESC, priority DESC, wake_at, id")
    ))
    .bind(now)
    .bind(claim.all)
    .bind(claim.any)
    .fetch_all(tx)
    .await?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let ids = rows.iter().map(|row| row.text("id")).collect::<Result<Vec<_>, _>>()?;
    sql("UPDATE tasks SET lease_owner = $1, lease_until = $2, fence = fence + 1, updated_at = $3 \
         WHERE id IN (SELECT id FROM {rows})")
    .bind(claim.owner)
    .bind(now + claim.lease)
    .bind(now)
    .rows(Rows::default().texts("id", ids))
    .execute(tx)
    .await?;
    let mut claimed = Vec::with_capacity(rows.len());
    for (row, task) in rows.iter().filter_map(|row| Some((row, readable(row)?))) {
        let task = TaskRecord { fence: task.fence + 1, ..task };
        if let Some(owner) = row.opt_text("lease_owner")? {
            in_doubt_table::taken_over(tx, &task, &owner).await?;
        }
        claimed.push(task);
    }
    Ok(claimed)
}

/// A row that can't be read stays leased for a while, so that it does not stand in the way of all others.
fn readable(row: &Row) -> Option<TaskRecord> {
    TaskRecord::try_from(row)
        .inspect_err(|what| error!(task = row.text("id").ok(), %what, "a stored task can't be read; it is left alone"))
        .ok()
}

pub(crate) async fn heartbeat(tx: &mut Tx, id: &str, fence: i64, lease: Millis) -> Result<bool, StoreError> {
    let now = tx.now().await?;
    let changed = sql("UPDATE tasks SET lease_until = $3 WHERE id = $1 AND fence = $2 AND status = $4")
        .bind(id)
        .bind(fence)
        .bind(now + lease)
        .bind(TaskStatus::OPEN)
        .execute(tx)
        .await?;
    Ok(changed == 1)
}

pub(crate) async fn release(tx: &mut Tx, id: &str, fence: i64) -> Result<(), StoreError> {
    tx.announce();
    sql("UPDATE tasks SET lease_until = 0, lease_owner = NULL WHERE id = $1 AND fence = $2")
        .bind(id)
        .bind(fence)
        .execute(tx)
        .await
        .map(drop)
}

/// The holder has stopped working, though it may have lost the task: whoever claims it next need not wait for it.
pub(crate) async fn let_go(tx: &mut Tx, id: &str, fence: i64) -> Result<(), StoreError> {
    sql("UPDATE tasks SET lease_owner = NULL WHERE id = $1 AND fence = $2").bind(id).bind(fence).execute(tx).await?;
    in_doubt_table::forget(tx, id, fence).await
}

/// Stores a checkpoint under the task's fence. Getting further than ever before clears the failed attempts and the last error;
/// going the same way once more does not.
pub(crate) async fn save(
    tx: &mut Tx,
    task: &TaskRecord,
    checkpoint: &Value,
    progress: &Value,
    done: i64,
    lease: Millis,
) -> Result<(), StepError> {
    let now = tx.now().await?;
    sql("UPDATE tasks SET checkpoint = $3, progress = $4, attempt = CASE WHEN $8 > furthest THEN 0 ELSE attempt END, \
         error = CASE WHEN $8 > furthest THEN NULL ELSE error END, \
         furthest = CASE WHEN $8 > furthest THEN $8 ELSE furthest END, lease_until = $5, updated_at = $6 \
         WHERE id = $1 AND fence = $2 AND status = $7")
    .bind(&task.id)
    .bind(task.fence)
    .bind(checkpoint.to_string())
    .bind(progress.to_string())
    .bind(now + lease)
    .bind(now)
    .bind(TaskStatus::OPEN)
    .bind(done)
    .execute_one(tx, StepError::lost_lease)
    .await
}

/// Ends the task and wakes its workflow. The workflow's row is locked first: see the order of locks in ARCHITECTURE.md.
pub(crate) async fn finish(tx: &mut Tx, task: &TaskRecord, end: &TaskEnd<'_>) -> Result<(), StepError> {
    workflow_table::lock(tx, &task.workflow_id).await?;
    let now = tx.now().await?;
    let (status, result, error) = match end {
        TaskEnd::Done(result) => (TaskStatus::DONE, Some(result.to_string()), None),
        TaskEnd::Failed(error) => (TaskStatus::FAILED, None, Some(to_json(error))),
    };
    sql("UPDATE tasks SET status = $3, result = $4, error = $5, checkpoint = NULL, wake_at = NULL, lease_until = 0, \
         updated_at = $6 WHERE id = $1 AND fence = $2 AND status = $7")
    .bind(&task.id)
    .bind(task.fence)
    .bind(status)
    .bind(result)
    .bind(error)
    .bind(now)
    .bind(TaskStatus::OPEN)
    .execute_one(tx, StepError::lost_lease)
    .await?;
    Ok(workflow_table::wake(tx, &task.workflow_id).await?)
}

/// How a task ended.
pub(crate) enum TaskEnd<'a> {
    Done(&'a Value),
    Failed(&'a StoredError),
}

/// Records a failed attempt and when to try again.
pub(crate) async fn retry_at(
    tx: &mut Tx,
    task: &TaskRecord,
    attempt: u32,
    (error, failing): (&StoredError, Failing),
    wake_at: Millis,
) -> Result<(), StepError> {
    sql("UPDATE tasks SET attempt = $3, error = $4, wake_at = $5, lease_until = 0, lease_owner = NULL, \
         updated_at = $6 WHERE id = $1 AND fence = $2 AND status = $7")
    .bind(&task.id)
    .bind(task.fence)
    .bind(i64::from(attempt))
    .bind(to_json(&FailedAttempt { error, failing }))
    .bind(wake_at)
    .bind(tx.now().await?)
    .bind(TaskStatus::OPEN)
    .execute_one(tx, StepError::lost_lease)
    .await
}

/// Failed attempts since the last progress, and since when.
pub(crate) async fn attempts(tx: &mut Tx, id: &str) -> Result<(u32, Option<Failing>), StepError> {
    let current = get(tx, id).await?;
    // Called off and erased: not ours any more.
    current.map(|task| (task.attempt, task.failing)).ok_or_else(StepError::lost_lease)
}

/// The open tasks of these workflows whose last attempt failed.
pub async fn failing(tx: &mut Tx, workflows: Vec<String>) -> Result<Vec<TaskRecord>, StoreError> {
    if workflows.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sql(select!("WHERE workflow_id IN (SELECT id FROM {rows}) AND wake_at IS NOT NULL AND attempt > 0"))
        .rows(Rows::default().texts("id", workflows))
        .fetch_all(tx)
        .await?;
    rows.iter().map(TaskRecord::try_from).collect()
}

/// Who runs tasks now: the owner of each lease that has not run out, with the task's input; null if it can't be read.
pub async fn at_work(tx: &mut Tx) -> Result<Vec<(String, Value)>, StoreError> {
    let rows = sql("SELECT lease_owner, input FROM tasks \
                    WHERE wake_at IS NOT NULL AND lease_owner IS NOT NULL AND lease_until > $1")
    .bind(tx.now().await?)
    .fetch_all(tx)
    .await?;
    let input = |row: &Row| Ok::<_, StoreError>(serde_json::from_str(&row.text("input")?).unwrap_or_default());
    rows.iter().map(|row| Ok((row.text("lease_owner")?, input(row)?))).collect()
}

/// Whether the task is still open under this fence.
pub async fn is_held(tx: &mut Tx, id: &str, fence: i64) -> Result<bool, StoreError> {
    let row = sql("SELECT id FROM tasks WHERE id = $1 AND fence = $2 AND status = $3")
        .bind(id)
        .bind(fence)
        .bind(TaskStatus::OPEN);
    Ok(row.fetch_optional(tx).await?.is_some())
}
