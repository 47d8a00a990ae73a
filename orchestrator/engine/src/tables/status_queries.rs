//! SQL that looks at workflows and tasks from the side, for people: who holds a lease, what is due, what is open. Changes nothing.

use store::{Millis, Row, StoreError, Tx, sql};

/// How a workflow stands with those who claim, apart from its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkflowLease {
    /// Why it is not claimed: 0, or the sum of 1 (itself paused), 2 (its tenant), 4 (everything).
    pub paused: i64,
    /// Its state keeps the tenant offline: a pause passes it by.
    pub keeps_offline: bool,
    /// Who claimed it last.
    pub lease_owner: Option<String>,
    /// Until when that claim holds; in the past: it has run out or was given back.
    pub lease_until: Millis,
    /// When it entered its state.
    pub entered_at: Millis,
}

/// How a task stands with those who claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskLease {
    /// The task.
    pub id: String,
    /// When it is due; `None` once ended.
    pub wake_at: Option<Millis>,
    /// Whether it is held back.
    pub paused: bool,
    /// Who claimed it last.
    pub lease_owner: Option<String>,
    /// Until when that claim holds.
    pub lease_until: Millis,
    /// When it last saved anything.
    pub updated_at: Millis,
}

/// A stored state or task input, by the columns that every version of the schema has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Id of the workflow or task.
    pub id: String,
    /// Its kind.
    pub kind: String,
    /// The tenant of a workflow; the workflow of a task.
    pub of: String,
    /// The state's name, or the task's status.
    pub state: String,
    /// The state or the input as JSON.
    pub data: String,
}

/// Rows looked at together.
const BATCH: i64 = 200;

/// How the workflow stands.
pub async fn standing(tx: &mut Tx, id: &str) -> Result<Option<WorkflowLease>, StoreError> {
    let row = sql("SELECT paused, keeps_offline, lease_owner, lease_until, COALESCE((SELECT MAX(at) FROM history \
                   WHERE workflow_id = workflows.id), created_at) AS entered_at FROM workflows WHERE id = $1")
    .bind(id)
    .fetch_optional(tx)
    .await?;
    row.map(|row| {
        Ok(WorkflowLease {
            paused: row.int("paused")?,
            keeps_offline: row.int("keeps_offline")? != 0,
            lease_owner: row.opt_text("lease_owner")?,
            lease_until: row.int("lease_until")?,
            entered_at: row.int("entered_at")?,
        })
    })
    .transpose()
}

/// How the workflow's tasks stand, in the order in which they were fanned out.
pub async fn task_standings(tx: &mut Tx, workflow_id: &str) -> Result<Vec<TaskLease>, StoreError> {
    let rows =
        sql("SELECT id, wake_at, paused, lease_owner, lease_until, updated_at FROM tasks WHERE workflow_id = $1 \
                    ORDER BY id")
        .bind(workflow_id)
        .fetch_all(tx)
        .await?;
    rows.iter()
        .map(|row| {
            Ok(TaskLease {
                id: row.text("id")?,
                wake_at: row.opt_int("wake_at")?,
                paused: row.int("paused")? != 0,
                lease_owner: row.opt_text("lease_owner")?,
                lease_until: row.int("lease_until")?,
                updated_at: row.int("updated_at")?,
            })
        })
        .collect()
}

/// Ids of a tenant's open workflows, oldest first, at most `limit`.
pub async fn open_of_tenant(tx: &mut Tx, tenant: &str, limit: i64) -> Result<Vec<String>, StoreError> {
    let rows = sql("SELECT id FROM workflows WHERE subject = $1 AND wake_at IS NOT NULL ORDER BY id LIMIT $2")
        .bind(tenant)
        .bind(limit)
        .fetch_all(tx)
        .await?;
    rows.iter().map(|row| row.text("id")).collect()
}

/// Open workflows of a kind in a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    /// Their kind.
    pub kind: String,
    /// Their state.
    pub state: String,
    /// How many there are.
    pub count: i64,
    /// Of those, how many are tried again after a failed attempt, of their own or of a task.
    pub failing: i64,
}

/// Columns of the open workflows: of those that may run and of those that are held, each by its own index. Asked for together they would
/// have the database read all workflows that there ever were.
macro_rules! open {
    ($columns:literal) => {
        concat!(
            "SELECT ",
            $columns,
            " FROM workflows WHERE wake_at IS NOT NULL AND paused = 0 UNION ALL SELECT ",
            $columns,
            " FROM workflows WHERE wake_at IS NOT NULL AND paused <> 0"
        )
    };
}

/// How many workflows are open, by kind and state. Reads each of them.
pub async fn open(tx: &mut Tx) -> Result<Vec<Open>, StoreError> {
    let rows = sql(concat!(
        "SELECT kind, state, COUNT(*) AS open, \
         COUNT(CASE WHEN attempt > 0 OR EXISTS (SELECT 1 FROM tasks WHERE workflow_id = open.id \
         AND wake_at IS NOT NULL AND attempt > 0) THEN 1 END) AS failing FROM (",
        open!("id, kind, state, attempt"),
        ") AS open GROUP BY kind, state ORDER BY kind, state"
    ));
    let open = |row: &Row| {
        Ok(Open {
            kind: row.text("kind")?,
            state: row.text("state")?,
            count: row.int("open")?,
            failing: row.int("failing")?,
        })
    };
    rows.fetch_all(tx).await?.iter().map(open).collect()
}

/// How many workflows of a kind have ended in a state.
pub async fn count_ended(tx: &mut Tx, kind: &str, state: &str) -> Result<i64, StoreError> {
    let rows = sql("SELECT COUNT(*) AS ended FROM workflows WHERE kind = $1 AND ended_as = $2");
    rows.bind(kind).bind(state).fetch_one(tx).await?.int("ended")
}

/// A workflow, in a few words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Its id.
    pub id: String,
    /// Its kind.
    pub kind: String,
    /// The tenant.
    pub subject: String,
    /// Its state.
    pub state: String,
}

/// Workflows whose ids begin like this, which is hexadecimal digits and hyphens, at most `limit`; optionally of one kind.
pub async fn beginning_with(
    tx: &mut Tx,
    beginning: &str,
    kind: Option<&str>,
    limit: i64,
) -> Result<Vec<Named>, StoreError> {
    // In every collation a letter beyond those of ids comes after all of them.
    let rows = sql(
        "SELECT id, kind, subject, state FROM workflows WHERE id >= $1 AND id < $2 {given AND kind = $3} ORDER BY id \
                    LIMIT $4",
    )
    .bind(beginning)
    .bind(format!("{beginning}z"))
    .bind(kind)
    .bind(limit)
    .fetch_all(tx)
    .await?;
    let named = |row: &Row| {
        Ok(Named {
            id: row.text("id")?,
            kind: row.text("kind")?,
            subject: row.text("subject")?,
            state: row.text("state")?,
        })
    };
    rows.iter().map(named).collect()
}

/// Workflows that are held: marked, or open under a pause of everything or of their tenant.
pub async fn count_held(tx: &mut Tx) -> Result<i64, StoreError> {
    sql(concat!(
        "SELECT COUNT(*) AS held FROM (",
        open!("subject, keeps_offline, paused"),
        ") AS open WHERE keeps_offline = 0 AND (paused <> 0 OR EXISTS \
         (SELECT 1 FROM pauses WHERE scope = 'all' OR scope = 'tenant:' || open.subject))"
    ))
    .fetch_one(tx)
    .await?
    .int("held")
}

/// Ids of the open workflows that pauses pass by, of one tenant or of all, oldest first, at most `limit`.
pub async fn going_on(tx: &mut Tx, tenant: Option<&str>, limit: i64) -> Result<Vec<String>, StoreError> {
    let rows =
        sql("SELECT id FROM workflows WHERE wake_at IS NOT NULL AND keeps_offline = 1 {given AND subject = $1} \
                    ORDER BY id LIMIT $2")
        .bind(tenant)
        .bind(limit)
        .fetch_all(tx)
        .await?;
    rows.iter().map(|row| row.text("id")).collect()
}

/// The next workflows after the id `after` that are open, or are failed ones of the kind `replayable`.
pub async fn to_be_continued(tx: &mut Tx, replayable: &str, after: &str) -> Result<Vec<Stored>, StoreError> {
    let rows =
        sql("SELECT id, kind, subject AS owner, state, data FROM workflows WHERE id > $1 AND (wake_at IS NOT NULL OR \
                    (kind = $2 AND state = 'failed')) ORDER BY id LIMIT $3")
        .bind(after)
        .bind(replayable)
        .bind(BATCH)
        .fetch_all(tx)
        .await?;
    rows.iter().map(Stored::try_from).collect()
}

impl TryFrom<&Row> for Stored {
    type Error = StoreError;

    fn try_from(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.text("id")?,
            kind: row.text("kind")?,
            of: row.text("owner")?,
            state: row.text("state")?,
            data: row.text("data")?,
        })
    }
}

/// The next tasks after the id `after`.
pub async fn tasks_after(tx: &mut Tx, after: &str) -> Result<Vec<Stored>, StoreError> {
    let rows = sql("SELECT id, kind, workflow_id AS owner, status AS state, input AS data FROM tasks WHERE id > $1 ORDER BY id LIMIT $2")
        .bind(after)
        .bind(BATCH)
        .fetch_all(tx)
        .await?;
    rows.iter().map(Stored::try_from).collect()
}
