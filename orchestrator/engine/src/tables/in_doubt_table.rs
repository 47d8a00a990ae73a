//! SQL of the `in_doubt_requests` table: tasks that were taken over, stopped or erased while somebody held them. That process gets no permit any
//! more, but may have sent requests with its last one, or be about to.

use store::{Millis, Row, StoreError, Tx, sql};

use crate::record::{TaskRecord, TaskStatus};

/// A process that lost a task without having let go of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InDoubtRequests {
    /// The task.
    pub task: String,
    /// The fence under which it was held.
    pub fence: i64,
    /// The kind of task.
    pub kind: String,
    /// The process, by its name.
    pub owner: String,
    /// When it lost the task; of a request without an answer, the time that the last was signed with.
    pub since: Millis,
}

/// `task` was claimed from `owner`, whose lease had run out.
pub(crate) async fn taken_over(tx: &mut Tx, task: &TaskRecord, owner: &str) -> Result<(), StoreError> {
    let now = tx.now().await?;
    sql("INSERT INTO in_doubt_requests (task, fence, kind, subject, target, owner, since) \
         SELECT $1, $2, $3, subject, $4, $5, $6 FROM workflows WHERE id = $7 ON CONFLICT DO NOTHING")
    .bind(&task.id)
    .bind(task.fence - 1)
    .bind(&task.kind)
    .bind(&task.target)
    .bind(owner)
    .bind(now)
    .bind(&task.workflow_id)
    .execute(tx)
    .await
    .map(drop)
}

/// Every task of the workflow is about to be erased.
pub(crate) async fn erased(tx: &mut Tx, workflow_id: &str) -> Result<(), StoreError> {
    let now = tx.now().await?;
    sql("INSERT INTO in_doubt_requests (task, fence, kind, subject, target, owner, since) \
         SELECT t.id, t.fence, t.kind, w.subject, t.target, t.lease_owner, $2 FROM tasks t, workflows w \
         WHERE w.id = t.workflow_id AND t.workflow_id = $1 AND t.status = $3 AND t.lease_owner IS NOT NULL \
         ON CONFLICT DO NOTHING")
    .bind(workflow_id)
    .bind(now)
    .bind(TaskStatus::OPEN)
    .execute(tx)
    .await
    .map(drop)
}

/// The open tasks of the held workflows with ids in this range are about to be stopped.
pub(crate) async fn stopped(tx: &mut Tx, first: &str, last: &str) -> Result<(), StoreError> {
    let now = tx.now().await?;
    sql("INSERT INTO in_doubt_requests (task, fence, kind, subject, target, owner, since) \
         SELECT t.id, t.fence, t.kind, w.subject, t.target, t.lease_owner, $3 FROM tasks t, workflows w \
         WHERE w.id = t.workflow_id AND t.workflow_id >= $1 AND t.workflow_id <= $2 AND w.wake_at IS NOT NULL \
         AND w.paused <> 0 AND t.status = $4 AND t.paused = 0 AND t.lease_owner IS NOT NULL ON CONFLICT DO NOTHING")
    .bind(first)
    .bind(last)
    .bind(now)
    .bind(TaskStatus::OPEN)
    .execute(tx)
    .await
    .map(drop)
}

/// The kind of a row that stands for no process: a request without an answer. No proof of death stops it.
pub const UNANSWERED: &str = "unanswered";

/// Requests of the task got no answer, the last of them signed with this time.
pub(crate) async fn unanswered(tx: &mut Tx, task: &TaskRecord, signed_at: Millis) -> Result<(), StoreError> {
    sql("INSERT INTO in_doubt_requests (task, fence, kind, subject, target, owner, since) \
         SELECT $1, $2, $3, subject, $4, $5, $6 FROM workflows WHERE id = $7 \
         ON CONFLICT (task, fence) DO UPDATE SET since = excluded.since WHERE excluded.since > in_doubt_requests.since")
    .bind(format!("{}/{UNANSWERED}", task.id))
    .bind(task.fence)
    .bind(UNANSWERED)
    .bind(&task.target)
    .bind(&task.id)
    .bind(signed_at)
    .bind(&task.workflow_id)
    .execute(tx)
    .await
    .map(drop)
}

/// The process that held the task under this fence has stopped working on it, or can't do anything any more.
pub async fn forget(tx: &mut Tx, task: &str, fence: i64) -> Result<(), StoreError> {
    sql("DELETE FROM in_doubt_requests WHERE task = $1 AND fence = $2")
        .bind(task)
        .bind(fence)
        .execute(tx)
        .await
        .map(drop)
}

/// Who may still have requests in flight about the subject at the target.
pub async fn of(tx: &mut Tx, subject: &str, target: &str) -> Result<Vec<InDoubtRequests>, StoreError> {
    let rows = sql("SELECT task, fence, kind, owner, since FROM in_doubt_requests WHERE subject = $1 AND target = $2 \
                    ORDER BY task, fence")
    .bind(subject)
    .bind(target)
    .fetch_all(tx)
    .await?;
    rows.iter().map(InDoubtRequests::try_from).collect()
}

impl TryFrom<&Row> for InDoubtRequests {
    type Error = StoreError;

    fn try_from(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            task: row.text("task")?,
            fence: row.int("fence")?,
            kind: row.text("kind")?,
            owner: row.text("owner")?,
            since: row.int("since")?,
        })
    }
}
