//! How a workflow's stored row stands to what its holder knows of it. When the reply of a commit was lost and the row could not
//! be read back, the holder knows an older one: it may not step that.

use crate::record::WorkflowRecord;
use crate::step_table::Locked;

/// What the holder of a lease finds in the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holding {
    /// The row as it knows it.
    AsKnown,
    /// Its own, but further: a step of its own was committed, and it has not heard of that.
    Further,
    /// Not its own any more: claimed by somebody else, changed from outside, ended, or given back by a step that it has not
    /// heard of.
    Lost,
}

/// The columns that tell. Whatever is written to a workflow under a lease adds a step, gives the lease back, or both.
struct Row {
    fence: i64,
    steps: i64,
    leased: bool,
    finished: bool,
}

impl Holding {
    /// What the holder that knows `known` finds in `stored`.
    pub(crate) fn of(known: &WorkflowRecord, stored: &WorkflowRecord) -> Self {
        let WorkflowRecord { fence, steps, .. } = *stored;
        let row = Row { fence, steps, leased: stored.owner.is_some(), finished: stored.wake_at.is_none() };
        Self::judge(known, &row)
    }

    /// The same of a row that was locked for a group of steps.
    pub(crate) fn of_locked(known: &WorkflowRecord, locked: &Locked) -> Self {
        let Locked { fence, steps, leased, .. } = *locked;
        Self::judge(known, &Row { fence, steps, leased, finished: locked.wake_at.is_none() })
    }

    fn judge(known: &WorkflowRecord, row: &Row) -> Self {
        if row.fence != known.fence || !row.leased || row.finished {
            Self::Lost
        } else if row.steps != known.steps {
            Self::Further
        } else {
            Self::AsKnown
        }
    }
}
