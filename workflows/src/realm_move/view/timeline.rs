//! When a move was where, from its history: also from when until when its tenant was offline.

use engine::tables::history;
use engine::tables::history::HistoryRow;
use serde::{Deserialize, Serialize};
use store::{StoreError, Tx};

use crate::timestamps::rfc3339;

/// Rows that are read: a move waits many times at most.
const ROWS: i64 = 1_000;

/// A state that a move has entered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Passage {
    /// Which.
    pub state: String,
    /// When.
    pub at: String,
    /// Why, in a few words; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// What the history tells.
#[derive(Default)]
pub(super) struct Timeline {
    pub(super) passages: Vec<Passage>,
    pub(super) offline_from: Option<String>,
    pub(super) offline_until: Option<String>,
}

pub(super) async fn timeline(tx: &mut Tx, id: &str) -> Result<Timeline, StoreError> {
    Ok(Timeline::of(history::after(tx, id, 0, ROWS).await?))
}

impl Timeline {
    fn of(rows: Vec<HistoryRow>) -> Self {
        let mut timeline = Self::default();
        for row in rows {
            let at = rfc3339(row.at);
            match row.to_state.as_str() {
                // The transaction that leads to `drain` marks the tenant offline; those that lead on or back bring it online.
                "drain" if timeline.offline_from.is_none() => timeline.offline_from = Some(at.clone()),
                "notify" | "rolled_back" if timeline.offline_from.is_some() => {
                    timeline.offline_until.get_or_insert_with(|| at.clone());
                }
                _ => {}
            }
            timeline.passages.push(Passage { state: row.to_state, at, note: row.note });
        }
        timeline
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offline(states: &[&str]) -> (Option<String>, Option<String>) {
        let row = |(seq, to): (i64, &&str)| HistoryRow {
            seq,
            at: seq * 1_000,
            from_state: String::new(),
            to_state: (*to).to_owned(),
            note: String::new(),
        };
        let timeline = Timeline::of((1..).zip(states).map(row).collect());
        assert_eq!(timeline.passages.len(), states.len());
        (timeline.offline_from, timeline.offline_until)
    }

    #[test]
    fn a_tenant_is_offline_from_drain_until_the_switch_or_the_way_back() {
        let at = |second: i64| Some(rfc3339(second * 1_000));
        let done = ["preflight", "waiting", "offline", "drain", "add_data", "verify", "commit", "notify", "completed"];
        assert_eq!(offline(&done), (at(4), at(8)));
        assert_eq!(offline(&done[..5]), (at(4), None), "it still is");
        assert_eq!(offline(&["preflight", "waiting", "offline", "drain", "re_online", "rolled_back"]), (at(4), at(6)));
        assert_eq!(offline(&["preflight", "waiting", "commit", "notify", "completed"]), (None, None), "never");
        assert_eq!(offline(&["rolled_back"]), (None, None), "cancelled before");
    }
}
