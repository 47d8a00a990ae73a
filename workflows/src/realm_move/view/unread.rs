//! A move whose stored state another version wrote: what the columns beside it say, and who may go on with it.

use engine::{Priority, WorkflowRecord};
use serde_json::Value;

use super::{MoveView, VerificationView};
use crate::amount::Amount;
use crate::timestamps::rfc3339;

pub(super) fn view(record: &WorkflowRecord) -> MoveView {
    let data: Value = serde_json::from_str(&record.data).unwrap_or_default();
    let plan = |field: &str| data["plan"][field].as_str().unwrap_or("unknown").to_owned();
    let waits = "a process of the version that wrote its state: this one can't read it";
    MoveView {
        id: record.id.clone(),
        tenant: record.subject.clone(),
        from: plan("from"),
        to: plan("to"),
        state: record.state.clone(),
        plan: Vec::new(),
        plan_hash: String::new(),
        offline_ms: 0,
        offline_from: None,
        offline_until: None,
        timeline: Vec::new(),
        copied: Amount::default(),
        verified: false,
        verification: VerificationView::default(),
        removals: Vec::new(),
        started_at: rfc3339(record.created_at),
        begins_at: None,
        finished_at: record.finished_at.map(rfc3339),
        error: record.error.clone(),
        progress: None,
        task_errors: Vec::new(),
        offline_allowed_ms: None,
        projected_offline_ms: None,
        eta_ms: None,
        eta_low_ms: None,
        eta_high_ms: None,
        budget_ms: None,
        paused: record.paused,
        window: None,
        priority: Priority::default(),
        campaign: None,
        waiting_for: record.wake_at.map(|_| waits.to_owned()),
        warnings: vec!["its state was written by another version of realmctl and can't be shown in full".to_owned()],
        requested_by: "unknown".to_owned(),
        reason: String::new(),
        explain: None,
    }
}
