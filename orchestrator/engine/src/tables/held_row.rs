//! How a workflow's stored row stands to what its holder knows of it. When the reply of a commit was lost and the row could not
//! be read back, the holder knows an older one: it may not step that.

use crate::record::WorkflowRecord;

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

impl Holding {
    /// What the holder that knows `known` finds in `stored`. Whatever is written to a workflow under a lease adds a step, gives the
    /// lease back, or both.
    pub(crate) fn of(known: &WorkflowRecord, stored: &WorkflowRecord) -> Self {
        if stored.fence != known.fence || stored.owner.is_none() || stored.wake_at.is_none() {
            Self::Lost
        } else if stored.steps != known.steps {
            Self::Further
        } else {
            Self::AsKnown
        }
    }
}
