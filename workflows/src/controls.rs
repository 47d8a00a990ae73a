//! What an operator does to work that is there already: hold it back, let it go on, hurry it, and limit how much of it runs
//! at a time. None of it touches data, and none of it keeps a tenant offline.

mod limits;
mod pause;
mod retry;

pub(crate) use limits::set_limit_in;
pub use limits::{
    LimitChange, LimitUse, limits_tag, list_limits, set_limit, set_limit_if, unset_limit, unset_limit_if,
};
pub use pause::{
    GoesOn, Paused, Pauses, list_pauses, pause_all, pause_tenant, pause_workflow, resume_all, resume_tenant,
    resume_workflow,
};
pub use retry::retry_now;

use engine::tables::workflow_table;
use engine::{Workflow, WorkflowRecord};
use store::Tx;

use crate::realm_move::RealmMove;
use crate::refusal::Refusal;
use crate::removal::Removal;

/// A kind of workflow as people name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A move.
    Move,
    /// A removal.
    Removal,
}

impl Kind {
    /// The stored kind, which is also the word for one.
    pub fn stored(self) -> &'static str {
        match self {
            Self::Move => RealmMove::KIND,
            Self::Removal => Removal::KIND,
        }
    }

    fn unknown(self, id: &str) -> Refusal {
        let (code, list) = match self {
            Self::Move => ("unknown_move", "`realmctl moves list`"),
            Self::Removal => ("unknown_removal", "`realmctl removals list`"),
        };
        Refusal::not_found(code, format!("there is no {} {id}: see {list}", self.stored()))
    }

    fn ended(self) -> &'static str {
        match self {
            Self::Move => "move_ended",
            Self::Removal => "removal_ended",
        }
    }
}

/// The workflow with its row locked, if it is of this kind and has not ended.
async fn lock_open(tx: &mut Tx, kind: Kind, id: &str) -> Result<WorkflowRecord, Refusal> {
    let record = workflow_table::lock(tx, id).await?.filter(|record| record.kind == kind.stored());
    let record = record.ok_or_else(|| kind.unknown(id))?;
    if record.wake_at.is_some() {
        return Ok(record);
    }
    let next = match (kind, record.state.as_str()) {
        (Kind::Removal, "failed") => format!("; run it again with `realmctl removals replay {id}`"),
        (Kind::Move, "failed" | "rolled_back") => {
            format!("; `realmctl moves show {id}` says why: put that right, then start another with `realmctl move`")
        }
        _ => String::new(),
    };
    Err(Refusal::conflict(kind.ended(), format!("{} {id} has ended: {}{next}", kind.stored(), record.state)))
}
