//! Removes one part of a tenant's data from a location whose cell is `removing`, and proves it gone.

use std::sync::Arc;

use async_trait::async_trait;
use catalogue::location::Location;
use engine::task::{TaskContext, TaskHandler};
use engine::{StepError, TaskRecord};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::Tx;
use workers::PartAt;
use workers::permit::Permits;

use super::checkpoints::TaskCheckpoints;
use super::ledger_permits::TaskLedger;
use super::places::place_of;
use super::removal_permits::RemovalLedger;
use super::{MAX_ATTEMPTS, read_input, step_error, to_value};
use crate::deployment::Deployment;
use crate::unit_limits::limited_movers;

/// What to remove.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RemoveInput {
    /// Whose data.
    pub tenant: String,
    /// Of which service.
    pub service: String,
    /// From where.
    pub at: Location,
    /// Which part.
    pub part: u32,
    /// The cell's generation.
    pub generation: i64,
    /// Whether it was being added to by a move that went back: a service with hooks is told so first.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rolled_back: bool,
}

/// Runs remove tasks.
pub struct RemoveTask(Deployment);

impl RemoveTask {
    /// The kind, as stored.
    pub const KIND: &'static str = "remove";

    /// A handler on this deployment.
    pub fn new(deployment: Deployment) -> Self {
        Self(deployment)
    }
}

#[async_trait]
impl TaskHandler for RemoveTask {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    async fn run(&self, cx: &TaskContext) -> Result<Value, StepError> {
        let input: RemoveInput = read_input(&cx.task.input)?;
        let ledger = TaskLedger {
            store: cx.store(),
            task: Arc::clone(&cx.task),
            tenant: input.tenant.clone(),
            service: input.service.clone(),
            key: input.at.key(),
            generation: input.generation,
            epoch: None,
        };
        let movers = limited_movers(&self.0).await?;
        let at = place_of(&input.at);
        let ledger = RemovalLedger::new(ledger, movers, at.clone());
        let permits = Permits::new(&ledger, movers.settings().permit_fresh_for).counting(cx.unsettled());
        let permits = permits.of_generation(input.generation);
        if input.rolled_back {
            movers.roll_back(&at, &input.tenant, &permits).await.map_err(step_error)?;
        }
        let resume = cx.task.checkpoint.clone();
        let checkpoints = TaskCheckpoints(cx);
        let at = PartAt::new(&at, &input.tenant, input.part);
        let removed = movers.remove(at, &permits, &checkpoints, resume).await;
        Ok(to_value(&removed.map_err(step_error)?))
    }

    async fn on_checkpoint(&self, _: &mut Tx, _: &TaskRecord) -> Result<(), StepError> {
        Ok(())
    }

    fn readable(&self, input: &Value) -> Result<(), String> {
        RemoveInput::deserialize(input).map(drop).map_err(|error| error.to_string())
    }

    fn max_attempts(&self) -> u32 {
        MAX_ATTEMPTS
    }
}
