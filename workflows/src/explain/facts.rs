//! What an explanation is made of.

use catalogue::tenants::Tenant;
use engine::tables::pause_table::Pause;
use engine::tables::runner_table::LiveRunner;
use engine::tables::status_queries::{TaskLease, WorkflowLease};
use engine::{StoredError, TaskRecord, WorkflowRecord};
use store::Millis;

use crate::capacity::Blocked;
use crate::realm_move::OfflinePeriod;

/// Everything that an explanation depends on.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub(super) record: WorkflowRecord,
    pub(super) standing: WorkflowLease,
    pub(super) pause: Option<Pause>,
    pub(super) tenant: Option<Tenant>,
    pub(super) stage: StageFacts,
    pub(super) tasks: Vec<(TaskRecord, TaskLease)>,
    pub(super) now: Millis,
    /// How long something may be due before it looks as if nobody were there.
    pub(super) patience: Millis,
    /// Whether unfit processes leave its next step to others.
    pub(super) reaches_out: bool,
    /// The processes that are there.
    pub(super) runners: Vec<LiveRunner>,
}

/// What the state itself says.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum StageFacts {
    Move {
        to: String,
        /// When its window ends, if it has one.
        window_ends: Option<Millis>,
        offline: Option<OfflinePeriod>,
        waits: Option<Waits>,
        error: Option<StoredError>,
    },
    Removal {
        place: String,
        waits: Option<Waits>,
        error: Option<StoredError>,
        /// What stands for the late writes that it found.
        late: Option<String>,
    },
    Recheck {
        place: String,
    },
    /// Another version's.
    Unreadable(String),
    /// A kind of which no more is known here.
    Other,
}

/// What a state waits for by itself.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Waits {
    /// Room within a limit.
    Capacity(Blocked),
    /// A target that something else still works on, and that it waits for, in words; what that one waits for.
    Target { what: String, by: Option<String>, which: Option<String> },
    /// Requests from before, until then.
    Drain(Millis),
    /// Requests of a process that was lost, which a store might still accept.
    InDoubt(String),
    /// Somebody who would run its tasks.
    Worker(String),
    /// As the state tells it.
    Reason(String),
}
