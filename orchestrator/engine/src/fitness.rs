//! Whether this process can do what its work asks of it. The engine does not know what that is: it asks, at the start, with each heartbeat
//! and when work has failed for such a cause, and stands aside while something is lacking (`runner/standing_aside.rs`).

use async_trait::async_trait;

use crate::step_error::StepError;

/// Tells what a process lacks.
#[async_trait]
pub trait Fitness: Send + Sync + 'static {
    /// Looks, after work has failed with `met` if it has. What the process lacks and what to do about it; `None`: nothing, as far as can be
    /// told. Returns within some seconds.
    async fn look(&self, met: Option<&StepError>) -> Option<String>;

    /// Whether a failure comes from what a process lacks, and not from the work or from what it is about.
    fn is_own(&self, failure: &StepError) -> bool;
}
