//! The removal: the workflow that empties one `removing` entry. Queued by a commit (what was left) or a rollback (what was
//! being added); waits until nobody acts on the old placement any more, looks whether anything was written since, deletes,
//! proves the place empty, and makes the entry absent. A failed one can be replayed at any time: it is bound to the entry's
//! generation. A recheck looks again after the longest queue retention.

mod compare;
mod late_writes;
mod state_machine;
mod queue;
mod recheck;
mod replay;
mod state;
mod view;

pub use late_writes::{LateKeys, LateWriteLine, LateWritesDetail, late_write_lines};
pub use queue::{Found, RemovalRef, queue_removal};
pub use recheck::{Recheck, RecheckStage, RecheckState, STATES as RECHECK_STATES};
pub(crate) use replay::replay_in;
pub use replay::{Accepted, ReplayOutcome, replay_removal};
pub use state::{Cause, RemovalStage, RemovalState, VerifiedPart};
pub use state_machine::{Removal, STATES};
pub use view::{RecheckView, RemovalDetail, Retrying, list_removals, view_removal};
