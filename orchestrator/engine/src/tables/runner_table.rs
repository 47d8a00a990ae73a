//! SQL of the `runners` table: which processes are there to run work, as they say themselves.

use store::{Millis, Row, StoreError, Tx, sql};

/// Rows of processes that have not been heard of for so long are deleted.
const FORGOTTEN_AFTER_MS: Millis = 86_400_000;

/// A process that was heard of lately.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveRunner {
    /// The name under which it holds leases.
    pub owner: String,
    /// The kinds of tasks that it runs.
    pub task_kinds: Vec<String>,
    /// What it lacks, and what to do about it; meanwhile it runs none.
    pub unfit: Option<String>,
}

/// The process is there until `until`, unless it says so again. Takes the lock of its own row alone: say it last.
pub(crate) async fn say(
    tx: &mut Tx,
    owner: &str,
    (task_kinds, unfit): (&[&'static str], Option<&str>),
    until: Millis,
) -> Result<(), StoreError> {
    sql("INSERT INTO runners (owner, task_kinds, unfit, heard_until) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (owner) DO UPDATE SET task_kinds = excluded.task_kinds, unfit = excluded.unfit, \
         heard_until = excluded.heard_until")
    .bind(owner)
    .bind(serde_json::Value::from(task_kinds).to_string())
    .bind(unfit)
    .bind(until)
    .execute(tx)
    .await
    .map(drop)
}

/// The process claims nothing more. With it go those that were not heard of for long.
pub(crate) async fn forget(tx: &mut Tx, owner: &str) -> Result<(), StoreError> {
    let now = tx.now().await?;
    sql("DELETE FROM runners WHERE owner = $1 OR heard_until < $2")
        .bind(owner)
        .bind(now - FORGOTTEN_AFTER_MS)
        .execute(tx)
        .await
        .map(drop)
}

/// Processes that are there, by the database's clock, in the order of their names.
pub async fn live(tx: &mut Tx) -> Result<Vec<LiveRunner>, StoreError> {
    let now = tx.now().await?;
    let rows = sql("SELECT owner, task_kinds, unfit FROM runners WHERE heard_until > $1 ORDER BY owner");
    rows.bind(now).fetch_all(tx).await?.iter().map(LiveRunner::try_from).collect()
}

impl TryFrom<&Row> for LiveRunner {
    type Error = StoreError;

    fn try_from(row: &Row) -> Result<Self, StoreError> {
        // What another version says in another way is not understood here: then it counts as running nothing.
        let task_kinds = serde_json::from_str(&row.text("task_kinds")?).unwrap_or_default();
        Ok(Self { owner: row.text("owner")?, task_kinds, unfit: row.opt_text("unfit")? })
    }
}
