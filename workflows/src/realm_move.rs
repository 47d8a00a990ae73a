//! The move of a tenant to another realm. One file a state, in the order in which a move passes them:
//! `preflight`, `waiting`, `offline`, `drain`, `add_data`, `verify`, `commit`, `notify`; `re_online` is the way back from
//! any of them. `transitions` is the only table of what may follow what.

mod add_data;
mod cancel;
mod cause;
mod commit;
mod divided;
mod drain;
mod dry_run;
mod estimate;
mod forecast;
mod lapse;
mod leaving;
mod machine;
mod notify;
mod offline;
mod on_course;
mod preflight;
mod projection;
mod re_online;
mod report;
mod reschedule;
mod schedule;
mod start;
mod state;
mod transitions;
mod unread;
mod verify;
mod view;
mod waiting;

pub(crate) use cancel::CANCELLED;
pub use cancel::{CancelOutcome, cancel_move};
pub use divided::{Divided, PartSize};
pub use dry_run::{InTheWay, Rehearsal, dry_run, estimate_move};
pub use estimate::{CostClass, Estimate};
pub use forecast::Forecast;
pub use lapse::LapseSweep;
pub use leaving::ComparedPart;
pub use machine::RealmMove;
pub(crate) use machine::max_attempts;
pub use projection::Pace;
pub use report::PartReport;
pub use reschedule::reschedule_move;
pub use schedule::{When, Window};
pub(crate) use start::start_in;
pub use start::{MoveRequest, Started, start_move, start_move_paused};
pub use state::{Committed, CopiedPart, MoveState, OfflinePeriod, RemovalRef, Stage};
pub use transitions::STATES;
pub use view::{
    MoveView, Passage, PlanView, ProgressView, RemovalView, TaskErrorView, VerificationView, WindowView, list_moves,
    view_move,
};
pub(crate) use waiting::busy_cell;
pub use workers::Verification;
