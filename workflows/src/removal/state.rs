//! What is stored of a removal. Stored forms are read by later versions: names never change, fields are only added.

use catalogue::location::Location;
use engine::StoredError;
use serde::{Deserialize, Serialize};
use store::Millis;
use workers::late_writes::LateWrites;
use workers::progress::Tally;

use crate::amount::Amount;

/// Codes of a table that holds items of the tenant under index values that no part has.
pub(super) const OF_STRAYS: [&str; 2] = ["shard_count_too_small", "index_value_invalid"];

/// A removal as stored. `Place` is what is read of the place: a location, or whatever another version has stored there.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RemovalState<Place = Location> {
    /// Of which service.
    pub service: String,
    /// From where.
    pub location: Place,
    /// The entry's generation that is to be emptied. A later generation is not this removal's business.
    pub generation: i64,
    /// What queued it.
    pub cause: Cause,
    /// What the move verified here, or the last comparison found that let the removal go on, part by part; a part that is not in it was
    /// empty. `None` when the move did not read it: then nothing is compared before deleting. The items of it are in `fingerprints`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified: Option<Vec<VerifiedPart>>,
    /// What the move found here, part by part, while the tenant was online, when it compared this replica
    /// with a copy that stays: only what was written since is compared again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compared: Option<Vec<VerifiedPart>>,
    /// Nobody had read it before a comparison found that the live copy lacks something. What is `verified` is the rest.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unread: bool,
    /// Key of the location that is emptied first, and whose store brings its deletes here. What a move has
    /// left is not deleted from then: it is only proved that the deletes have arrived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follows: Option<String>,
    /// That location has been emptied.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub first_is_empty: bool,
    /// An older version was told that whatever was written since may be deleted. It is read, and accepts nothing any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub accept_late_writes: bool,
    /// What the comparison found that stopped it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub late: Option<LateWrites>,
    /// A person has looked at exactly what this stands for: it is deleted with the rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<String>,
    /// A person has seen that the deletes of the location that is emptied first do not arrive: what is still here is compared, and
    /// deleted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub left_behind: bool,
    /// Whether it has begun to delete.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub begun: bool,
    /// How often it has compared again because its deletes met something that was not there before.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub compared_again: u32,
    /// What it waits for where it stands, when that is out of the ordinary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
    /// Where it stands.
    pub stage: RemovalStage,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(count: &u32) -> bool {
    *count == 0
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
    /// The entry is absent.
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

    /// Whether it leaves the deleting to another one; until somebody has seen that something is left behind.
    pub(super) fn only_proves(&self) -> bool {
        let was_left = matches!(self.cause, Cause::Moved { .. });
        was_left && self.follows.is_some() && !self.left_behind
    }

    /// Whether what differs is what the live copy lacks of a location that nobody had read.
    pub(super) fn is_unread(&self) -> bool {
        self.unread || self.verified.is_none()
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
