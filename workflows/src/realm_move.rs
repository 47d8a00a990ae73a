//! The move of a tenant to another realm: `states/` has one file a state, in the order in which a move passes them; `commands/` is what
//! people and processes do to a move from outside; `forecast/` says how long it takes; `view/` shows it. `transitions` is the only
//! table of what may follow what.

mod state;
mod transitions;
mod state_machine;

pub(crate) mod commands;
pub(crate) mod forecast;
pub(crate) mod states;
mod view;

mod cause;
mod parts;
mod report;
mod roll_back;
mod window;

pub use commands::cancel::cancel_move;
pub(crate) use commands::cancelled::CANCELLED;
pub use commands::cancelled::CancelOutcome;
pub use commands::lapse::LapseSweep;
pub use commands::reschedule::reschedule_move;
pub use commands::start::{MoveRequest, Started, start_move, start_move_paused};
pub(crate) use commands::start::{start_in, start_perhaps_paused_in};
pub use forecast::budget_check::Pace;
pub use forecast::dry_run_estimate::{CostClass, Estimate};
pub use forecast::eta::Forecast;
pub use parts::{ComparedPart, CopiedPart, PartReport};
pub use state::{Committed, MoveState, OfflinePeriod, Stage};
pub use state_machine::RealmMove;
pub(crate) use state_machine::max_attempts;
pub use states::scheduled::When;
pub(crate) use states::waiting::{busy_entry, to_be_empty};
pub use transitions::STATES;
pub use view::{
    MoveView, Passage, PlanView, ProgressView, RemovalView, TaskErrorView, VerificationView, WindowView, list_moves,
    view_move,
};
pub use window::Window;
pub use workers::Verification;
