//! Copies one part of a tenant's data from the source to one added location. Each checkpoint renews the offline lease.

use std::sync::Arc;

use async_trait::async_trait;
use catalogue::location::Location;
use catalogue::tenants;
use engine::task::{TaskContext, TaskHandler};
use engine::{StepError, TaskRecord};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{Millis, Tx};
use workers::ledger_permit::Permits;
use workers::{PartCopy, Verification};

use super::checkpoints::{TaskCheckpoints, requests_of};
use super::evidence::{self, Evidence};
use crate::data_tasks::task_ledger::TaskLedger;
use crate::data_tasks::{max_attempts, read_input, to_value};
use crate::database_clock::time_of;
use crate::deployment::Deployment;
use crate::mover_errors::step_error;
use crate::places::place_of;
use crate::timing::millis;
use crate::unit_limits::limited_movers;

/// What to copy.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CopyInput {
    /// Whose data.
    pub tenant: String,
    /// Of which service.
    pub service: String,
    /// From where.
    pub from: Location,
    /// To where.
    pub to: Location,
    /// Which part.
    pub part: u32,
    /// Where a bucket's objects are divided into parts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bounds: Vec<String>,
    /// The target entry's generation.
    pub generation: i64,
    /// The epoch of the offline period.
    pub epoch: i64,
    /// Its end at the latest: no renewal of the offline lease reaches beyond it.
    pub deadline: Millis,
    /// How much of it is looked at again.
    #[serde(default, skip_serializing_if = "Verification::is_full")]
    pub verification: Verification,
    /// What the tenant's partition keys begin with, if the service's owner states it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_prefix: Option<String>,
}

/// Runs copy tasks.
pub struct CopyTask(Deployment);

impl CopyTask {
    /// The kind, as stored.
    pub const KIND: &'static str = "copy";

    /// A handler on this deployment.
    pub fn new(deployment: Deployment) -> Self {
        Self(deployment)
    }
}

#[async_trait]
impl TaskHandler for CopyTask {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    async fn run(&self, cx: &TaskContext) -> Result<Value, StepError> {
        let input: CopyInput = read_input(&cx.task.input)?;
        let ledger = TaskLedger {
            store: cx.store(),
            task: Arc::clone(&cx.task),
            tenant: input.tenant.clone(),
            service: input.service.clone(),
            key: input.to.key(),
            generation: input.generation,
            epoch: Some(input.epoch),
        };
        let movers = limited_movers(&self.0).await?;
        let permits = Permits::new(&ledger, movers.settings().permit_fresh_for).reporting(requests_of(cx));
        let (from, to) =
            (place_of(&input.from).divided_at(&input.bounds), place_of(&input.to).divided_at(&input.bounds));
        let permits =
            permits.watching(movers.clock_watch(&to, self.0.timing.max_clock_skew)).of_generation(input.generation);
        let copy = PartCopy {
            from: &from,
            to: &to,
            tenant: &input.tenant,
            part: input.part,
            verification: input.verification,
            key_prefix: input.key_prefix.as_deref(),
            ends: Some(time_of(input.deadline)),
        };
        let resume = cx.task.checkpoint.clone();
        let kept = evidence::copied(&input.service, &input.to);
        let checkpoints = TaskCheckpoints::noting(cx, Evidence::new(&cx.task.workflow_id, &kept, input.part));
        let copied = movers.copy(copy, &permits, &checkpoints, resume).await;
        Ok(to_value(&copied.map_err(step_error)?))
    }

    async fn on_checkpoint(&self, tx: &mut Tx, task: &TaskRecord) -> Result<(), StepError> {
        let input: CopyInput = read_input(&task.input)?;
        renew_offline_lease(&self.0, tx, task, &input.tenant, (input.epoch, input.deadline)).await
    }

    fn readable(&self, input: &Value) -> Result<(), String> {
        CopyInput::deserialize(input).map(drop).map_err(|error| error.to_string())
    }

    fn max_attempts(&self, task: &TaskRecord) -> Option<u32> {
        max_attempts(task)
    }
}

/// Progress renews the offline lease, while it has not lapsed; a lapsed one stops the work.
pub(super) async fn renew_offline_lease(
    deployment: &Deployment,
    tx: &mut Tx,
    task: &TaskRecord,
    tenant: &str,
    (epoch, deadline): (i64, Millis),
) -> Result<(), StepError> {
    let until = (tx.now().await? + millis(deployment.timing.offline_lease)).min(deadline);
    if tenants::renew(tx, tenant, &task.workflow_id, epoch, until).await? {
        return Ok(());
    }
    Err(StepError::lost_lease())
}
