//! Durable workflows as explicit state machines: one step is one transaction.
//!
//! A [`Workflow`] names its states and says, state by state, what to look at outside and what to change in the catalogue.
//! The [`Runner`] claims due workflows and tasks under a lease with a fence, steps them, and stores the new state, the
//! history row, the catalogue's effects and the tasks to fan out in the same transaction. No code is replayed.

mod claim;
mod commit_group;
mod fitness;
mod hands;
pub mod history;
mod holding;
mod ids;
mod in_flight;
mod intervention;
mod lease;
mod liveness;
mod outages;
pub mod pause;
pub mod pause_table;
mod presence;
mod priority;
pub mod probe;
mod prune;
mod prune_table;
mod record;
mod registry;
mod retry;
mod runner;
pub mod runner_table;
mod step;
mod step_error;
pub mod step_table;
pub mod straggler_table;
pub mod survey_table;
pub mod task;
mod task_run;
pub mod task_table;
mod workflow;
mod workflow_run;
pub mod workflow_table;
mod yielding;

pub use claim::Claim;
pub use fitness::Fitness;
pub use ids::{Ids, RandomIds};
pub use in_flight::InFlight;
pub use intervention::{Ending, Intervention};
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
pub use workflow::{Next, OnFailure, Workflow};
