//! The removal: the workflow that empties one `removing` cell. Queued by a commit (what was left) or a rollback (what was
//! being added); waits until nobody acts on the old placement any more, deletes, proves the place empty, and makes the
//! cell absent. A failed one can be replayed at any time: it is bound to the cell's generation.

mod machine;
mod queue;
mod replay;
mod state;
mod view;

pub(crate) use machine::MAX_ATTEMPTS;
pub use machine::{Removal, STATES};
pub use queue::queue_removal;
pub use replay::{ReplayOutcome, replay_removal};
pub use state::{Cause, RemovalStage, RemovalState};
pub use view::{RemovalDetail, list_removals, view_removal};
