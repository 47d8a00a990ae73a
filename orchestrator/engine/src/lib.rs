//! Durable workflows as explicit state machines: one step is one transaction.
//!
//! A [`Workflow`] names its states and says, state by state, what to look at outside and what to change in the catalogue.
//! The [`Runner`] claims due workflows and tasks under a lease with a fence, steps them, and stores the new state, the
//! history row, the catalogue's effects and the tasks to fan out in the same transaction. No code is replayed.
//!
//! `runner/` claims and drives, `tables/` has all SQL, and the files beside them are what the author of a workflow needs.

// What the author of a workflow needs.
mod ids;
mod external_transition;
mod priority;
mod record;
mod registry;
mod step;
mod outcome;
mod step_error;
pub mod task;
mod workflow;

// What runs it.
mod fitness;
mod liveness;
mod outages;
pub mod pause;
mod retry;
mod runner;

pub mod failpoints;
pub mod tables;

pub use external_transition::{Ending, ExternalTransition};
pub use fitness::Fitness;
pub use ids::{Ids, RandomIds};
pub use liveness::{HostLocks, Liveness, NoProof, host_and_process, process_name};
pub use outages::Outages;
pub use pause::PauseSweep;
pub use priority::Priority;
pub use record::{Failing, StoredError, TaskRecord, TaskStatus, WorkflowRecord};
pub use registry::{Registry, Sweep};
pub use retry::RetryPolicy;
pub use runner::{Runner, RunnerSettings};
pub use step::StepTx;
pub use step_error::{CATALOGUE_UNAVAILABLE, StepError, Treatment};
pub use tables::due_sql::Claim;
pub use task::in_flight::InFlight;
pub use workflow::{Next, OnFailure, Workflow};
