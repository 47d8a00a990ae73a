//! SQL of holding work back, and of hurrying it. The `pauses` table decides; the column `paused` of workflows and tasks keeps
//! rows that are held out of the index that claiming uses.
//!
//! Every claim asks `pauses` in its own statement, so a pause of a tenant or of everything holds from the moment it is
//! committed, also for what is inserted at that moment. Marking the rows, and stopping what is being worked on, comes after
//! that; [`crate::PauseSweep`] finishes what a process left undone.

use store::{Millis, Row, StoreError, Tx, sql};

use crate::record::TaskStatus;
use crate::tables::in_doubt_table;

/// True while no pause of the tenant or of everything holds the workflow of the row. Costs one look at an empty table as
/// long as nothing is paused.
macro_rules! workflow_may_run {
    () => {
        "(NOT EXISTS (SELECT 1 FROM pauses) OR keeps_offline = 1 OR NOT EXISTS \
         (SELECT 1 FROM pauses WHERE scope = 'all' OR scope = 'tenant:' || workflows.subject))"
    };
}

/// The same for the workflow of a task.
macro_rules! task_may_run {
    () => {
        "(NOT EXISTS (SELECT 1 FROM pauses) OR EXISTS (SELECT 1 FROM workflows WHERE workflows.id = tasks.workflow_id AND \
         (keeps_offline = 1 OR NOT EXISTS \
         (SELECT 1 FROM pauses WHERE scope = 'all' OR scope = 'tenant:' || workflows.subject))))"
    };
}

/// The bits of `paused` that a pause in force stands for.
macro_rules! in_force {
    () => {
        "(CASE WHEN EXISTS (SELECT 1 FROM pauses WHERE scope = 'all') THEN 4 ELSE 0 END \
         + CASE WHEN EXISTS (SELECT 1 FROM pauses WHERE scope = 'tenant:' || workflows.subject) THEN 2 ELSE 0 END \
         + CASE WHEN EXISTS (SELECT 1 FROM pauses WHERE scope = 'workflow:' || workflows.id) THEN 1 ELSE 0 END)"
    };
}

/// Open workflows that carry a mark without a pause.
macro_rules! let_go_of {
    () => {
        concat!("paused <> 0 AND wake_at IS NOT NULL AND paused <> paused & ", in_force!())
    };
}

/// Open workflows that a pause holds and that carry no mark yet.
macro_rules! to_be_held {
    () => {
        "wake_at IS NOT NULL AND paused = 0 AND keeps_offline = 0 AND \
         EXISTS (SELECT 1 FROM pauses WHERE scope = 'all' OR scope = 'tenant:' || workflows.subject)"
    };
}

pub(crate) use {task_may_run, workflow_may_run};

/// What a pause holds back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PauseScope {
    /// Everything.
    All,
    /// Everything about one tenant.
    Tenant(String),
    /// One workflow.
    Workflow(String),
}

const ALL: &str = "all";
const TENANT: &str = "tenant:";
const WORKFLOW: &str = "workflow:";

impl PauseScope {
    /// The stored form: `all`, `tenant:ID` or `workflow:ID`.
    pub fn text(&self) -> String {
        match self {
            Self::All => ALL.to_owned(),
            Self::Tenant(id) => format!("{TENANT}{id}"),
            Self::Workflow(id) => format!("{WORKFLOW}{id}"),
        }
    }

    fn parse(text: &str) -> Result<Self, StoreError> {
        if text == ALL {
            return Ok(Self::All);
        }
        let tenant = text.strip_prefix(TENANT).map(|id| Self::Tenant(id.to_owned()));
        let workflow = || text.strip_prefix(WORKFLOW).map(|id| Self::Workflow(id.to_owned()));
        tenant.or_else(workflow).ok_or_else(|| StoreError::Corrupt(format!("pause of {text}")))
    }
}

/// A pause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// What it holds back.
    pub scope: PauseScope,
    /// Since when.
    pub at: Millis,
    /// Who paused it.
    pub who: String,
    /// Why.
    pub why: String,
}

/// Stores the pause; `false`: that scope is paused already, and stays paused as it was.
pub async fn insert(tx: &mut Tx, pause: &Pause) -> Result<bool, StoreError> {
    let changed =
        sql("INSERT INTO pauses (scope, at, who, why) VALUES ($1, $2, $3, $4) ON CONFLICT (scope) DO NOTHING")
            .bind(pause.scope.text())
            .bind(pause.at)
            .bind(&pause.who)
            .bind(&pause.why)
            .execute(tx)
            .await?;
    Ok(changed == 1)
}

/// Ends the pause; `None`: there was none.
pub async fn remove(tx: &mut Tx, scope: &PauseScope) -> Result<Option<Pause>, StoreError> {
    let row = sql("DELETE FROM pauses WHERE scope = $1 RETURNING scope, at, who, why").bind(scope.text());
    row.fetch_optional(tx).await?.as_ref().map(Pause::try_from).transpose()
}

/// All pauses: of everything, of tenants, of single workflows.
pub async fn list(tx: &mut Tx) -> Result<Vec<Pause>, StoreError> {
    let rows = sql("SELECT scope, at, who, why FROM pauses ORDER BY scope").fetch_all(tx).await?;
    rows.iter().map(Pause::try_from).collect()
}

/// The pause that holds the workflow just now; `None`: it is not held, or must go on.
pub async fn holding(tx: &mut Tx, workflow: &str) -> Result<Option<Pause>, StoreError> {
    let row = sql(
        "SELECT pauses.scope, pauses.at, pauses.who, pauses.why FROM workflows JOIN pauses ON pauses.scope = 'all' \
                   OR pauses.scope = 'tenant:' || workflows.subject OR pauses.scope = 'workflow:' || workflows.id \
                   WHERE workflows.id = $1 AND wake_at IS NOT NULL AND keeps_offline = 0 ORDER BY pauses.scope LIMIT 1",
    );
    row.bind(workflow).fetch_optional(tx).await?.as_ref().map(Pause::try_from).transpose()
}

/// The pause of everything, or else of this tenant.
pub(crate) async fn over(tx: &mut Tx, tenant: &str) -> Result<Option<Pause>, StoreError> {
    let row = sql("SELECT scope, at, who, why FROM pauses WHERE scope = 'all' OR scope = $1 ORDER BY scope LIMIT 1")
        .bind(PauseScope::Tenant(tenant.to_owned()).text());
    row.fetch_optional(tx).await?.as_ref().map(Pause::try_from).transpose()
}

/// The pause of exactly this scope, whose row is locked until the transaction ends.
pub async fn lock(tx: &mut Tx, scope: &PauseScope) -> Result<Option<Pause>, StoreError> {
    let row = sql("SELECT scope, at, who, why FROM pauses WHERE scope = $1").for_update().bind(scope.text());
    row.fetch_optional(tx).await?.as_ref().map(Pause::try_from).transpose()
}

/// The pause of exactly this scope.
pub async fn get(tx: &mut Tx, scope: &PauseScope) -> Result<Option<Pause>, StoreError> {
    let row = sql("SELECT scope, at, who, why FROM pauses WHERE scope = $1").bind(scope.text());
    row.fetch_optional(tx).await?.as_ref().map(Pause::try_from).transpose()
}

/// Gives a pause in force another reason; since when it is and who began it stays.
pub async fn explain(tx: &mut Tx, scope: &PauseScope, why: &str) -> Result<(), StoreError> {
    let change = sql("UPDATE pauses SET why = $2 WHERE scope = $1").bind(scope.text()).bind(why);
    change.execute(tx).await.map(drop)
}

/// Workflows marked at a time: their rows are locked together, for a moment.
const BATCH: i64 = 200;

/// How far marking has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Workflows marked by this batch.
    pub marked: u64,
    /// The last id looked at; `None` once there are no more.
    pub last: Option<String>,
}

/// Marks the next open workflows that a pause of everything or of `tenant` holds, after the id `after`, and stops whoever works on
/// them. Those that must go on are passed by.
pub async fn hold_next(tx: &mut Tx, tenant: Option<&str>, after: &str) -> Result<Held, StoreError> {
    // Also those that must go on are locked, and looked at once they are: one may be about to stop having to.
    let open = sql("SELECT id FROM workflows WHERE wake_at IS NOT NULL AND paused = 0 AND id > $1 \
                    {given AND subject = $2} ORDER BY id LIMIT $3");
    let open = open.for_update().bind(after).bind(tenant).bind(BATCH).fetch_all(tx).await?;
    let Some(last) = open.last().map(|row| row.text("id")).transpose()? else {
        return Ok(Held { marked: 0, last: None });
    };
    let marked = sql(concat!(
        "UPDATE workflows SET paused = ",
        in_force!(),
        ", fence = fence + 1, lease_until = 0 WHERE id > $1 AND id <= $2 {given AND subject = $3} AND ",
        to_be_held!()
    ))
    .bind(after)
    .bind(&last)
    .bind(tenant)
    .execute(tx)
    .await?;
    hold_tasks(tx, after, &last).await?;
    Ok(Held { marked, last: Some(last) })
}

/// Marks one workflow as paused itself and stops whoever works on it. Its row must be locked.
pub async fn hold_one(tx: &mut Tx, id: &str) -> Result<(), StoreError> {
    sql("UPDATE workflows SET paused = paused | 1, fence = fence + 1, lease_until = 0 WHERE id = $1")
        .bind(id)
        .execute(tx)
        .await?;
    hold_tasks(tx, id, id).await
}

/// Stops the tasks of the held workflows with ids in this range: at its next permit, checkpoint or heartbeat whoever runs one finds
/// that it has lost it. Until it says so it is noted in `in_doubt_requests`.
async fn hold_tasks(tx: &mut Tx, first: &str, last: &str) -> Result<(), StoreError> {
    in_doubt_table::stopped(tx, first, last).await?;
    sql("UPDATE tasks SET paused = 1, fence = fence + 1, lease_until = 0, lease_owner = NULL WHERE status = $3 AND paused = 0 AND workflow_id IN \
         (SELECT id FROM workflows WHERE id >= $1 AND id <= $2 AND wake_at IS NOT NULL AND paused <> 0)")
        .bind(first)
        .bind(last)
        .bind(TaskStatus::OPEN)
        .execute(tx)
        .await
        .map(drop)
}

/// Unmarks what no pause holds any more.
pub async fn let_go(tx: &mut Tx) -> Result<u64, StoreError> {
    let changed = sql(concat!("UPDATE workflows SET paused = paused & ", in_force!(), " WHERE ", let_go_of!()));
    let changed = changed.execute(tx).await?;
    sql("UPDATE tasks SET paused = 0 WHERE paused <> 0 AND EXISTS \
         (SELECT 1 FROM workflows WHERE workflows.id = tasks.workflow_id AND workflows.paused = 0)")
    .execute(tx)
    .await?;
    tx.announce();
    Ok(changed)
}

/// Whether marks and pauses do not agree: a look without a lock.
pub(crate) async fn disagree(tx: &mut Tx) -> Result<bool, StoreError> {
    let unmarked = sql(concat!("SELECT id FROM workflows WHERE ", to_be_held!(), " LIMIT 1"));
    if unmarked.fetch_optional(tx).await?.is_some() {
        return Ok(true);
    }
    let marked = sql(concat!("SELECT id FROM workflows WHERE ", let_go_of!(), " LIMIT 1"));
    Ok(marked.fetch_optional(tx).await?.is_some())
}

/// Pauses of single workflows that have ended.
macro_rules! ended {
    () => {
        "scope LIKE 'workflow:%' AND NOT EXISTS (SELECT 1 FROM workflows \
         WHERE workflows.id = substr(pauses.scope, 10) AND workflows.wake_at IS NOT NULL)"
    };
}

/// Whether a pause of a single workflow has outlived it.
pub(crate) async fn any_ended(tx: &mut Tx) -> Result<bool, StoreError> {
    let row = sql(concat!("SELECT scope FROM pauses WHERE ", ended!(), " LIMIT 1"));
    Ok(row.fetch_optional(tx).await?.is_some())
}

/// Forgets the pauses of single workflows that have ended.
pub(crate) async fn forget_ended(tx: &mut Tx) -> Result<u64, StoreError> {
    sql(concat!("DELETE FROM pauses WHERE ", ended!())).execute(tx).await
}

/// Makes a workflow and its open tasks due now; returns how many of them were not. The workflow's row must be locked.
pub async fn hurry(tx: &mut Tx, id: &str) -> Result<u64, StoreError> {
    let now = tx.now().await?;
    let workflow = sql("UPDATE workflows SET wake_at = $2 WHERE id = $1 AND wake_at > $2");
    let tasks = sql("UPDATE tasks SET wake_at = $2 WHERE workflow_id = $1 AND wake_at > $2");
    let woken = workflow.bind(id).bind(now).execute(tx).await? + tasks.bind(id).bind(now).execute(tx).await?;
    tx.announce();
    Ok(woken)
}

impl TryFrom<&Row> for Pause {
    type Error = StoreError;

    fn try_from(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            scope: PauseScope::parse(&row.text("scope")?)?,
            at: row.int("at")?,
            who: row.text("who")?,
            why: row.text("why")?,
        })
    }
}
