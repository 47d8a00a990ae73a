//! The append-only history of a workflow: one row for each change of state.

use serde::Serialize;
use store::{Millis, StoreError, Tx, sql};

/// One change of state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HistoryRow {
    /// 1, 2, 3 …
    pub seq: i64,
    /// When it was recorded.
    pub at: Millis,
    /// The state left.
    pub from_state: String,
    /// The state entered.
    pub to_state: String,
    /// Why, in a few words; may be empty.
    pub note: String,
}

/// The rows after `seq`, oldest first, at most `limit`.
pub async fn after(tx: &mut Tx, workflow_id: &str, seq: i64, limit: i64) -> Result<Vec<HistoryRow>, StoreError> {
    let rows = sql("SELECT seq, at, from_state, to_state, note FROM history WHERE workflow_id = $1 AND seq > $2 \
                    ORDER BY seq LIMIT $3")
    .bind(workflow_id)
    .bind(seq)
    .bind(limit)
    .fetch_all(tx)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(HistoryRow {
                seq: row.int("seq")?,
                at: row.int("at")?,
                from_state: row.text("from_state")?,
                to_state: row.text("to_state")?,
                note: row.text("note")?,
            })
        })
        .collect()
}
