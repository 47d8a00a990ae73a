//! Looks, before a location is emptied, whether it still holds what the move verified there. Writes nothing.

use async_trait::async_trait;
use catalogue::location::Location;
use engine::task::{TaskContext, TaskHandler};
use engine::{StepError, TaskRecord};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::Tx;
use workers::PartAt;
use workers::progress::Tally;

use super::checkpoints::TaskCheckpoints;
use super::places::place_of;
use super::{MAX_ATTEMPTS, read_input, step_error, to_value};
use crate::deployment::Deployment;
use crate::unit_limits::limited_movers;

/// What to compare.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CompareInput {
    /// Whose data.
    pub tenant: String,
    /// Of which service.
    pub service: String,
    /// What is about to be emptied.
    pub at: Location,
    /// Where the data lives now, if it does.
    pub live: Option<Location>,
    /// Which part.
    pub part: u32,
    /// Where a bucket's objects are divided into parts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bounds: Vec<String>,
    /// What the move verified there.
    pub verified: Tally,
}

/// Runs compare tasks.
pub struct CompareTask(Deployment);

impl CompareTask {
    /// The kind, as stored.
    pub const KIND: &'static str = "compare";

    /// A handler on this deployment.
    pub fn new(deployment: Deployment) -> Self {
        Self(deployment)
    }
}

#[async_trait]
impl TaskHandler for CompareTask {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    async fn run(&self, cx: &TaskContext) -> Result<Value, StepError> {
        let input: CompareInput = read_input(&cx.task.input)?;
        let place = |location| place_of(location).divided_at(&input.bounds);
        let (at, live) = (place(&input.at), input.live.as_ref().map(place));
        let resume = cx.task.checkpoint.clone();
        let checkpoints = TaskCheckpoints(cx);
        let movers = limited_movers(&self.0).await?;
        let at = PartAt::new(&at, &input.tenant, input.part);
        let seen = movers.compare(at, live.as_ref(), &input.verified, &checkpoints, resume).await;
        Ok(to_value(&seen.map_err(step_error)?))
    }

    async fn on_checkpoint(&self, _: &mut Tx, _: &TaskRecord) -> Result<(), StepError> {
        Ok(())
    }

    fn readable(&self, input: &Value) -> Result<(), String> {
        CompareInput::deserialize(input).map(drop).map_err(|error| error.to_string())
    }

    fn max_attempts(&self) -> u32 {
        MAX_ATTEMPTS
    }
}
