//! The parts of a deterministic simulator: chance from a seed, time that moves only when told to, lanes of which one runs
//! at a time, tables with an index that lags, messages that are lost or late, a matrix of what was hit, and a trace.
//!
//! Nothing here knows what is simulated. `tests/simulator` puts the real engine, workflows and movers on top.

mod chance;
mod coverage;
mod simulated_tasks;
mod mailbox;
mod event_queue;
mod table;
mod trace;

pub use chance::Chance;
pub use coverage::Coverage;
pub use event_queue::EventQueue;
pub use mailbox::{Mailbox, PendingRequest};
pub use simulated_tasks::{Open, SimulatedTasks, Wakeups};
pub use table::{Attributes, Page, SimulatedTable, TableShape, number, text};
pub use trace::Trace;

/// Simulated milliseconds.
pub type Millis = i64;
