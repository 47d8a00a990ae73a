//! What a move waits for, in words.

use engine::WorkflowRecord;
use engine::tables::pause_table::Pause;
use serde::{Deserialize, Serialize};

use crate::pauses;
use crate::realm_move::state::{MoveState, Stage};
use crate::timestamps::utc;

/// A window, its end excluded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WindowView {
    /// From when on the move may begin.
    pub from: String,
    /// When the tenant must be online again.
    pub to: String,
}

/// `None` when it waits for nothing. `pause`: what holds it back.
pub(super) fn waiting_for(state: &MoveState, record: &WorkflowRecord, pause: Option<&Pause>) -> Option<String> {
    if record.paused {
        return Some(format!("a person: {}", pause.map_or_else(|| "it is paused".to_owned(), pauses::in_words)));
    }
    match &state.stage {
        _ if state.waits_for.is_some() => state.waits_for.clone(),
        Stage::Scheduled => record.wake_at.map(|at| match state.window {
            Some(window) => format!("its window, from {} to {}", utc(at.max(window.from)), utc(window.to)),
            None => format!("its start time, {}", utc(at)),
        }),
        Stage::Waiting { reason, .. } => Some(reason.clone()),
        Stage::Drain { until: Some(until), .. } => Some(format!("earlier requests to end, until {}", utc(*until))),
        _ => None,
    }
}
