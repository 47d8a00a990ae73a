//! What is stored of a removal. Stored forms are read by later versions: names never change, fields are only added.

use catalogue::location::Location;
use engine::StoredError;
use serde::{Deserialize, Serialize};
use store::Millis;
use workers::progress::Tally;

use crate::data_tasks::Amount;

/// A removal as stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RemovalState {
    /// Of which service.
    pub service: String,
    /// From where.
    pub location: Location,
    /// The cell's generation that is to be emptied. A later generation is not this removal's business.
    pub generation: i64,
    /// What queued it.
    pub cause: Cause,
    /// What the move verified here, part by part; `None` when it did not: then nothing is compared before deleting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified: Option<Vec<VerifiedPart>>,
    /// A person has looked at what was written since: it is deleted with the rest.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub accept_late_writes: bool,
    /// What it waits for where it stands, when that is out of the ordinary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
    /// Where it stands.
    pub stage: RemovalStage,
}

/// What the move found in one part of the location that it left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifiedPart {
    /// Which part.
    pub part: u32,
    /// Where a bucket's objects were divided into parts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bounds: Vec<String>,
    /// What was in it once the source had settled.
    pub tally: Tally,
}

/// What queued a removal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Cause {
    /// A move committed and left the location.
    Moved {
        /// The move.
        move_id: String,
    },
    /// A service could not take part in the creation of the tenant.
    NotCreated {
        /// The workflow that was creating it.
        provision_id: String,
    },
    /// A move that was adding to the location was rolled back.
    RolledBack {
        /// The move.
        move_id: String,
    },
}

/// Where a removal stands.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
pub enum RemovalStage {
    /// Waits until every request from before the switch has ended.
    Waiting {
        /// Until when; set by the first step after the switch was committed.
        until: Option<Millis>,
    },
    /// Looks whether the location still holds what the move verified there.
    Comparing,
    /// Deletes, and proves each part empty.
    Removing,
    /// The cell is absent.
    Done {
        /// How much was deleted.
        removed: Amount,
    },
    /// Needs a person; can be replayed.
    Failed {
        /// Why.
        error: StoredError,
    },
}

impl RemovalStage {
    /// The stored and shown name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Waiting { .. } => "waiting",
            Self::Comparing => "comparing",
            Self::Removing => "removing",
            Self::Done { .. } => "done",
            Self::Failed { .. } => "failed",
        }
    }
}

impl RemovalState {
    /// The same removal at another stage.
    #[must_use]
    pub fn at_stage(self, stage: RemovalStage) -> Self {
        Self { stage, waits_for: None, ..self }
    }

    /// The move, or the creation of a tenant, that queued it.
    pub fn move_id(&self) -> &str {
        match &self.cause {
            Cause::Moved { move_id: id }
            | Cause::RolledBack { move_id: id }
            | Cause::NotCreated { provision_id: id } => id,
        }
    }
}
