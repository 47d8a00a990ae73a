//! Removes one part of a tenant's data from a location whose entry is `removing`, and proves it gone.

use std::sync::Arc;

use async_trait::async_trait;
use catalogue::location::Location;
use engine::task::{TaskContext, TaskHandler, driven};
use engine::{StepError, TaskRecord};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::Tx;
use workers::PartAt;
use workers::fingerprint::Fingerprint;
use workers::ledger_permit::Permits;
use workers::place::Place;
use workers::progress::Tally;

use super::checkpoints::{TaskCheckpoints, requests_of};
use super::evidence::{DELETED, DOOMED, Evidence, MOST_DELETED, MOST_SEEN, STRAYS, VERIFIED};
use crate::data_tasks::reaches_live_data::RemovalGuard;
use crate::data_tasks::task_ledger::TaskLedger;
use crate::data_tasks::{max_attempts, read_input, to_value};
use crate::deployment::Deployment;
use crate::mover_errors::step_error;
use crate::places::place_of;
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
    /// The entry's generation.
    pub generation: i64,
    /// Whether it was being added to by a move that rolled back: a service with hooks is told so first.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rolled_back: bool,
    /// Whether what is deleted is noted, so that a replay can tell it from what others delete.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub noted: bool,
    /// The store itself brings the deletes of another location here: nothing is deleted, and their arrival is
    /// waited for and proved.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub only_prove: bool,
    /// What stands under index values that no part has goes first: somebody has seen its keys and accepted that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub strays: bool,
}

/// What the comparison before has seen at the location.
struct Seen {
    /// Without what was deleted since.
    left: Fingerprint,
    /// What stands under index values that no part has, and was accepted.
    strays: Fingerprint,
}

async fn seen(cx: &TaskContext, (evidence, place): (&Evidence, &Place), strays: bool) -> Result<Seen, StepError> {
    let [verified, deleted, accepted] = [VERIFIED, DELETED, STRAYS].map(|name| evidence.named(name));
    let store = cx.store();
    // A prefix is compared in parts and emptied as a whole.
    let whole = matches!(place, Place::S3 { .. });
    driven(async move {
        let mut tx = store.read().await?;
        let all =
            if whole { Some(verified.read_whole(&mut tx).await?) } else { verified.read(&mut tx, MOST_SEEN).await? };
        let deleted = deleted.read(&mut tx, MOST_DELETED).await?;
        let strays = if strays { accepted.read(&mut tx, u64::MAX).await? } else { None };
        tx.rollback().await?;
        let mut left = all.unwrap_or_default();
        left.forget_all(&deleted.unwrap_or_default());
        Ok(Seen { left, strays: strays.unwrap_or_default() })
    })
    .await
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
        let watch = movers.clock_watch(&at, self.0.timing.max_clock_skew);
        let ledger = RemovalGuard::new(ledger, movers, input.at.clone());
        let permits = Permits::new(&ledger, movers.settings().permit_fresh_for).reporting(requests_of(cx));
        let permits = permits.watching(watch).of_generation(input.generation);
        if input.rolled_back {
            movers.roll_back(&at, &input.tenant, &permits).await.map_err(step_error)?;
        }
        let resume = cx.task.checkpoint.clone();
        let evidence = Evidence::new(&cx.task.workflow_id, DOOMED, input.part);
        let seen = match &at {
            // A service with hooks names nothing that could be known again.
            Place::Hooks { .. } => None,
            place if input.noted => Some(seen(cx, (&evidence, place), input.strays).await?),
            _ => None,
        };
        let checkpoints = if input.noted { TaskCheckpoints::noting(cx, evidence) } else { TaskCheckpoints::new(cx) };
        let (strays, permits) = match seen {
            None => (Fingerprint::default(), permits),
            Some(seen) => (seen.strays, permits.of_seen(seen.left)),
        };
        let at = PartAt::new(&at, &input.tenant, input.part);
        if input.only_prove {
            let seen = movers.prove_emptied(at, &checkpoints).await;
            return Ok(to_value(&seen.map_err(step_error)?));
        }
        let mut removed = Tally::default();
        if input.strays {
            let strays = movers.remove_strays(at, &strays, &permits, &checkpoints).await;
            removed.merge(&strays.map_err(step_error)?);
        }
        let of_part = movers.remove(at, &permits, &checkpoints, resume).await;
        removed.merge(&of_part.map_err(step_error)?);
        Ok(to_value(&removed))
    }

    async fn on_checkpoint(&self, _: &mut Tx, _: &TaskRecord) -> Result<(), StepError> {
        Ok(())
    }

    fn readable(&self, input: &Value) -> Result<(), String> {
        RemoveInput::deserialize(input).map(drop).map_err(|error| error.to_string())
    }

    fn max_attempts(&self, task: &TaskRecord) -> Option<u32> {
        max_attempts(task)
    }
}
