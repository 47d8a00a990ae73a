//! Looks, before a location is emptied, whether it still holds what the move verified there. Writes nothing.

use std::time::Duration;

use async_trait::async_trait;
use catalogue::location::Location;
use engine::task::{TaskContext, TaskHandler, driven};
use engine::{StepError, TaskRecord};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{Millis, Tx};
use workers::PartAt;
use workers::fingerprint::Fingerprint;
use workers::late_writes::Known;
use workers::progress::Tally;

use super::checkpoints::TaskCheckpoints;
use super::evidence::{DELETED, DOOMED, Evidence, MOST_DELETED, MOST_SEEN, NOT_ACCEPTED, SEEN, VERIFIED};
use crate::data_tasks::store_identity::{check_apart, check_is_itself};
use crate::data_tasks::{max_attempts, read_input, to_value};
use crate::deployment::Deployment;
use crate::mover_errors::step_error;
use crate::places::place_of;
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
    /// Whether that is known to be nothing: the part came later, or the location was proved empty.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub was_empty: bool,
    /// Set where the move left the location without having read it: what the live copy lacks is late then, at two looks so many
    /// milliseconds apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread: Option<Millis>,
    /// Whether the removal has begun to delete.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub begun: bool,
}

impl CompareInput {
    /// Which part of what the removal has deleted: a prefix is emptied as a whole.
    fn deleted_as(&self) -> u32 {
        if self.bounds.is_empty() { self.part } else { 0 }
    }
}

async fn known(cx: &TaskContext, input: &CompareInput, seen: Evidence) -> Result<Known, StepError> {
    let (store, deleted_as, was_empty) = (cx.store(), input.deleted_as(), input.was_empty);
    let (items, deleted, doomed) = driven(async move {
        let mut tx = store.read().await?;
        let mut items = seen.named(VERIFIED).read(&mut tx, MOST_SEEN).await?;
        if let (Some(items), Some(except)) = (&mut items, seen.named(NOT_ACCEPTED).read(&mut tx, u64::MAX).await?) {
            items.take(&except);
        }
        let whole = Evidence { part: deleted_as, ..seen };
        let deleted = whole.named(DELETED).read(&mut tx, MOST_DELETED).await?;
        let doomed = whole.named(DOOMED).read(&mut tx, MOST_DELETED).await?;
        tx.rollback().await?;
        Ok((items, deleted.unwrap_or_default(), doomed.unwrap_or_default()))
    })
    .await?;
    let items = items.or_else(|| was_empty.then(Fingerprint::default));
    let unread = input.unread.map(|after| Duration::from_millis(after.unsigned_abs()));
    Ok(Known { tally: input.verified, items, deleted, doomed, unread, begun: input.begun })
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
        let seen = Evidence::new(&cx.task.workflow_id, SEEN, input.part);
        let known = known(cx, &input, seen.clone()).await?;
        let checkpoints = TaskCheckpoints::noting(cx, seen);
        let movers = limited_movers(&self.0).await?;
        // Compared with itself, nothing would be missing anywhere.
        let of = (input.service.as_str(), input.tenant.as_str());
        check_apart(movers, of, &input.at, input.live.iter()).await.map_err(step_error)?;
        check_is_itself(movers, of, &input.at, &cx.task.workflow_id).await.map_err(step_error)?;
        let at = PartAt::new(&at, &input.tenant, input.part);
        let seen = movers.compare(at, live.as_ref(), &known, &checkpoints, resume).await;
        Ok(to_value(&seen.map_err(step_error)?))
    }

    async fn on_checkpoint(&self, _: &mut Tx, _: &TaskRecord) -> Result<(), StepError> {
        Ok(())
    }

    fn readable(&self, input: &Value) -> Result<(), String> {
        CompareInput::deserialize(input).map(drop).map_err(|error| error.to_string())
    }

    fn max_attempts(&self, task: &TaskRecord) -> Option<u32> {
        max_attempts(task)
    }
}
