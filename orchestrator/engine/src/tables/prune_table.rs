//! SQL that finds and forgets what ended long ago.

use store::{Millis, Rows, StoreError, Tx, sql};

use crate::record::WorkflowRecord;
use crate::tables::workflow_table;

/// A place in the list of what has ended: when, and the id.
pub(crate) type Place = (Millis, String);

/// What ended before `before`, the oldest first, after the given place.
pub(crate) async fn ended_before(
    tx: &mut Tx,
    before: Millis,
    after: &Place,
    limit: i64,
) -> Result<Vec<WorkflowRecord>, StoreError> {
    let rows =
        sql(workflow_table::ENDED_BEFORE).bind(before).bind(after.0).bind(&after.1).bind(limit).fetch_all(tx).await?;
    rows.iter().map(WorkflowRecord::try_from).collect()
}

/// The kinds and states of all workflows about `subject`, and whether they have ended.
pub(crate) async fn of_subject(tx: &mut Tx, subject: &str) -> Result<Vec<(String, String, bool)>, StoreError> {
    let rows =
        sql("SELECT DISTINCT kind, state, CAST(CASE WHEN wake_at IS NULL THEN 1 ELSE 0 END AS BIGINT) AS ended \
                    FROM workflows WHERE subject = $1")
        .bind(subject)
        .fetch_all(tx)
        .await?;
    rows.iter().map(|row| Ok((row.text("kind")?, row.text("state")?, row.int("ended")? == 1))).collect()
}

/// Which of these have ended. Their rows are locked until the transaction ends, in the order of their ids, so that no two wait for
/// each other.
pub(crate) async fn lock_ended(tx: &mut Tx, ids: &[String]) -> Result<Vec<String>, StoreError> {
    let rows = sql("SELECT id FROM workflows WHERE id IN (SELECT id FROM {rows}) AND wake_at IS NULL ORDER BY id")
        .rows(Rows::default().texts("id", ids.iter().cloned()))
        .for_update()
        .fetch_all(tx)
        .await?;
    rows.iter().map(|row| row.text("id")).collect()
}

/// Forgets workflows that have ended and are locked, with their history and whatever is left of their tasks. Returns how many.
pub(crate) async fn forget(tx: &mut Tx, ids: &[String]) -> Result<u64, StoreError> {
    let given = || Rows::default().texts("id", ids.iter().cloned());
    sql("DELETE FROM history WHERE workflow_id IN (SELECT id FROM {rows})").rows(given()).execute(tx).await?;
    sql("DELETE FROM tasks WHERE workflow_id IN (SELECT id FROM {rows})").rows(given()).execute(tx).await?;
    sql("DELETE FROM start_keys WHERE workflow_id IN (SELECT id FROM {rows})").rows(given()).execute(tx).await?;
    sql("DELETE FROM workflows WHERE id IN (SELECT id FROM {rows})").rows(given()).execute(tx).await
}
