//! Verifies one part at one location: reads it back and compares count and digest with the source's.

use std::time::Duration;

use async_trait::async_trait;
use catalogue::location::Location;
use engine::task::{TaskContext, TaskHandler};
use engine::{StepError, TaskRecord};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{Millis, Tx};
use tokio::time::Instant;
use workers::digest::Digest;
use workers::progress::Tally;
use workers::{Differs, Leaving, PartAt, PartCopy, Verification};

use super::checkpoints::TaskCheckpoints;
use super::copy::renew_offline_lease;
use crate::amount::Amount;
use crate::data_tasks::{max_attempts, read_input, to_value};
use crate::database_clock::time_of;
use crate::deployment::Deployment;
use crate::mover_errors::step_error;
use crate::places::place_of;
use crate::unit_limits::limited_movers;

/// What to verify.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct VerifyInput {
    /// Whose data.
    pub tenant: String,
    /// Of which service.
    pub service: String,
    /// What it must equal.
    pub source: Location,
    /// What is read back.
    pub at: Location,
    /// Which part.
    pub part: u32,
    /// Where a bucket's objects are divided into parts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bounds: Vec<String>,
    /// What the copy found at the source once it had settled; `None` for a kept location, which nothing was copied to:
    /// then the source is read first.
    pub expected: Option<Tally>,
    /// The epoch of the offline period.
    pub epoch: i64,
    /// Its end at the latest: no renewal of the offline lease reaches beyond it.
    pub deadline: Millis,
    /// How much of it is looked at again.
    #[serde(default, skip_serializing_if = "Verification::is_full")]
    pub verification: Verification,
    /// Set for a replica that is about to be left: everything in it must be at `source`, which stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<LeftReplica>,
    /// Nothing was copied there: the store itself brings it from where it was, and that is waited for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replicated: bool,
}

/// How a replica that is left is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftReplica {
    /// How long after a first difference it is looked again, in milliseconds.
    pub again_after_ms: Millis,
    /// Whether the tenant is offline meanwhile, so that progress renews its lease.
    pub offline: bool,
    /// Whether the switch has been made: then other contents at the copy that stays are newer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub switched: bool,
    /// What it held when all of it was found to be in the copy that stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known: Option<Tally>,
}

/// What was found, as stored with the task.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VerifyResult {
    /// Items or objects, as displays count them.
    #[serde(flatten)]
    pub(crate) amount: Amount,
    /// The digest of all that the target holds, if all of it was read back.
    #[serde(default)]
    pub(crate) digest: Option<Digest>,
    /// How many items or objects were read back.
    #[serde(default)]
    pub(crate) read_back: u64,
    /// How many times the target was looked at.
    #[serde(default)]
    pub(crate) passes: u32,
    /// How long it took, in milliseconds.
    #[serde(default)]
    pub(crate) took_ms: u64,
    /// What the replica that is left, or the source that a kept location was compared with, held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) compared: Option<Tally>,
}

impl VerifyResult {
    fn of_replica(compared: Tally, began: Instant) -> Self {
        Self {
            amount: Amount::from(compared),
            digest: Some(compared.digest),
            read_back: compared.items + compared.objects,
            passes: 1,
            took_ms: took_ms(began),
            compared: Some(compared),
        }
    }
}

impl LeftReplica {
    fn asked(self) -> Leaving {
        let differs = if self.switched { Differs::WhenLacking } else { Differs::InAnyWay };
        let again_after = Duration::from_millis(self.again_after_ms.unsigned_abs());
        // Of a tenant that is offline the copies beside it have settled: nothing was written for as long.
        let first_after = if self.offline { Duration::ZERO } else { again_after };
        Leaving { differs, first_after, again_after, known: self.known }
    }
}

fn took_ms(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// Runs verify tasks.
pub struct VerifyTask(Deployment);

impl VerifyTask {
    /// The kind, as stored.
    pub const KIND: &'static str = "verify";

    /// A handler on this deployment.
    pub fn new(deployment: Deployment) -> Self {
        Self(deployment)
    }
}

#[async_trait]
impl TaskHandler for VerifyTask {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    async fn run(&self, cx: &TaskContext) -> Result<Value, StepError> {
        let input: VerifyInput = read_input(&cx.task.input)?;
        let movers = limited_movers(&self.0).await?;
        let (source, at) =
            (place_of(&input.source).divided_at(&input.bounds), place_of(&input.at).divided_at(&input.bounds));
        let ends = Some(time_of(input.deadline));
        let copy = PartCopy {
            verification: input.verification,
            ends,
            ..PartCopy::new(&source, &at, &input.tenant, input.part)
        };
        let checkpoints = TaskCheckpoints::new(cx);
        if let Some(left) = input.left {
            let at = PartAt::new(&at, &input.tenant, input.part);
            let began = Instant::now();
            let resume = cx.task.checkpoint.clone();
            let compared = movers.compare_replica(at, &source, left.asked(), &checkpoints, resume).await;
            return Ok(to_value(&VerifyResult::of_replica(compared.map_err(step_error)?, began)));
        }
        let expected = match input.expected {
            Some(expected) => expected,
            None => {
                let source = PartAt { ends, ..PartAt::new(&source, &input.tenant, input.part) };
                movers.digest(source, &checkpoints, None).await.map_err(step_error)?
            }
        };
        let began = Instant::now();
        let found = if input.replicated {
            movers.verify_replicated(copy, &expected, &checkpoints).await
        } else if input.expected.is_none() {
            movers.verify_kept(copy, &expected, &checkpoints).await
        } else {
            movers.verify(copy, &expected, &checkpoints).await
        };
        let found = found.map_err(step_error)?;
        Ok(to_value(&VerifyResult {
            amount: Amount::from(expected),
            digest: found.tally.map(|tally| tally.digest),
            read_back: found.read_back,
            passes: found.passes,
            took_ms: took_ms(began),
            compared: input.expected.is_none().then_some(expected),
        }))
    }

    async fn on_checkpoint(&self, tx: &mut Tx, task: &TaskRecord) -> Result<(), StepError> {
        let input: VerifyInput = read_input(&task.input)?;
        if input.left.is_some_and(|left| !left.offline) {
            return Ok(());
        }
        renew_offline_lease(&self.0, tx, task, &input.tenant, (input.epoch, input.deadline)).await
    }

    fn readable(&self, input: &Value) -> Result<(), String> {
        VerifyInput::deserialize(input).map(drop).map_err(|error| error.to_string())
    }

    fn max_attempts(&self, task: &TaskRecord) -> Option<u32> {
        max_attempts(task)
    }
}
