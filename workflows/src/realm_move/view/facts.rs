//! What a move's stage knows of how it went.

use engine::StoredError;
use workers::Verification;

use crate::amount::Amount;
use crate::realm_move::parts::PartReport;
use crate::realm_move::state::{Stage, copied_amount};
use crate::removal::RemovalRef;

/// What the stage knows, in one shape for all stages.
#[derive(Default)]
pub(super) struct Facts {
    pub(super) offline_ms: i64,
    pub(super) copied: Amount,
    pub(super) verified: bool,
    pub(super) report: Vec<PartReport>,
    pub(super) removals: Vec<RemovalRef>,
    pub(super) error: Option<StoredError>,
    pub(super) warnings: Vec<String>,
}

impl Facts {
    pub(super) fn of(stage: &Stage, now: i64) -> Self {
        let mut facts = Self::default();
        if let Some(offline) = stage.offline() {
            facts.offline_ms = (now - offline.since).max(0);
        }
        match stage {
            Stage::Verify { copied, .. } => facts.copied = copied_amount(copied),
            Stage::Commit { copied, report, .. } => {
                facts.copied = copied_amount(copied);
                facts.report.clone_from(report);
                facts.verified = report.iter().all(|part| part.mode != Verification::Off);
            }
            Stage::Notify { committed } | Stage::Completed { committed, .. } => {
                facts.offline_ms = committed.offline_ms;
                facts.copied = committed.copied;
                facts.verified = committed.verified;
                facts.report.clone_from(&committed.report);
                facts.removals.clone_from(&committed.removals);
            }
            Stage::RolledBack { error, offline_ms, removals } => {
                facts.offline_ms = *offline_ms;
                facts.removals.clone_from(removals);
                facts.error = Some(error.clone());
            }
            Stage::ReOnline { error, .. } | Stage::Failed { error } => facts.error = Some(error.clone()),
            _ => {}
        }
        if let Stage::Completed { warnings, .. } = stage {
            facts.warnings.clone_from(warnings);
        }
        facts
    }
}
