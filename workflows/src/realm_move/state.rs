//! What is stored of a move. Stored forms are read by later versions: names never change, fields are only added.

use engine::{Priority, StoredError};
use serde::{Deserialize, Serialize};
use store::Millis;
use workers::Verification;

use super::parts::{ComparedPart, CopiedPart, PartReport};
use crate::actor::Actor;
use crate::amount::Amount;
use crate::partitioning::Partitioning;
use crate::plan::Plan;
use crate::realm_move::forecast::budget_check::Pace;
use crate::realm_move::forecast::eta::Forecast;
use crate::realm_move::window::Window;
use crate::removal::RemovalRef;
use crate::replica_sets::ReplicaSets;
use crate::timestamps::utc;

/// A move as stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MoveState {
    /// What was approved.
    pub plan: Plan,
    /// Its hash when it was approved.
    pub plan_hash: String,
    /// Who asked, and why.
    pub actor: Actor,
    /// When it may begin.
    pub at: Option<Millis>,
    /// The longest time offline that was asked for, in milliseconds.
    pub budget_ms: Option<i64>,
    /// How much there is to copy, as counted before going offline.
    pub expected: Option<Amount>,
    /// Where a service's objects are divided into parts, if they are: decided with the count.
    #[serde(default, skip_serializing_if = "Partitioning::is_empty")]
    pub partitioning: Partitioning,
    /// What is left to the stores' own replication, as their settings were then.
    #[serde(default, skip_serializing_if = "ReplicaSets::is_empty")]
    pub sets: ReplicaSets,
    /// Within which it may keep its tenant offline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// Which due work goes first.
    #[serde(default, skip_serializing_if = "Priority::is_normal")]
    pub priority: Priority,
    /// The campaign that started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub campaign: Option<String>,
    /// How much of what is copied is looked at again.
    #[serde(default, skip_serializing_if = "Verification::is_full")]
    pub verification: Verification,
    /// What it waits for where it stands, when that is out of the ordinary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
    /// Where it stands.
    pub stage: Stage,
}

/// Where a move stands, with what is known there.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
pub enum Stage {
    /// Waits for its time.
    Scheduled,
    /// Checks everything that can be checked while the tenant is online.
    Preflight,
    /// Waits, online and bounded, for a target to become free.
    Waiting {
        /// Since when.
        since: Millis,
        /// What for.
        reason: String,
        /// When it last looked; time in which nobody did, such as a pause, does not count as waiting.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        looked_at: Option<Millis>,
    },
    /// Compares replicas that are left with copies that stay; for a move that stays online.
    Comparing,
    /// About to take the tenant offline.
    Offline,
    /// Offline; waits until nobody acts on the old context any more.
    Drain {
        /// The offline period.
        offline: OfflinePeriod,
        /// Until when; set by the first step after the offline mark was committed, for only then can readers see it.
        until: Option<Millis>,
    },
    /// Copies.
    AddData {
        /// The offline period.
        offline: OfflinePeriod,
        /// How fast it copies.
        #[serde(default, skip_serializing_if = "Pace::is_unknown")]
        pace: Pace,
    },
    /// Reads back what was added.
    Verify {
        /// The offline period.
        offline: OfflinePeriod,
        /// What was copied.
        copied: Vec<CopiedPart>,
        /// How fast it reads.
        #[serde(default, skip_serializing_if = "Pace::is_unknown")]
        pace: Pace,
    },
    /// About to switch.
    Commit {
        /// The offline period; `None` for a move that adds nothing and stays online.
        offline: Option<OfflinePeriod>,
        /// What was copied and verified.
        copied: Vec<CopiedPart>,
        /// What the verification found, part by part.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        report: Vec<PartReport>,
        /// What was found at locations that are left, and that no copy read.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        compared: Vec<ComparedPart>,
    },
    /// Switched; tells the world.
    Notify {
        /// What was committed.
        committed: Committed,
    },
    /// About to bring the tenant back online where it was.
    ReOnline {
        /// The offline period.
        offline: OfflinePeriod,
        /// Why.
        error: StoredError,
    },
    /// The tenant is online where it was.
    RolledBack {
        /// Why.
        error: StoredError,
        /// How long it was offline, in milliseconds.
        offline_ms: i64,
        /// What empties the locations that were being added to.
        removals: Vec<RemovalRef>,
    },
    /// The tenant is online in its new realm.
    Completed {
        /// What was committed.
        committed: Committed,
        /// What could not be told to whom.
        warnings: Vec<String>,
    },
    /// The tenant was never offline.
    Failed {
        /// Why.
        error: StoredError,
    },
}

/// An offline period: begun in one transaction, and bounded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfflinePeriod {
    /// The tenant's epoch while it is offline for this move. Everything later is guarded by it.
    pub epoch: i64,
    /// Since when.
    pub since: Millis,
    /// When the move must have committed, or roll back.
    pub deadline: Millis,
}

impl OfflinePeriod {
    /// The code and the words for a lease found lapsed at `now`. No renewal reaches beyond the deadline, so a lapse at or
    /// after it is the deadline's, whoever finds it.
    pub(super) fn why_it_lapsed(&self, now: Millis, window: Option<Window>) -> (&'static str, String) {
        if now < self.deadline {
            return ("offline_lease_lapsed", "no progress for too long: the offline lease lapsed".to_owned());
        }
        let why = match self.bounding(window) {
            Some(window) => format!("the window of the move ended at {}", utc(window.to)),
            None => "all the time offline that was allowed is spent".to_owned(),
        };
        ("offline_deadline", why)
    }

    /// The window of the move, where its end is what bounds the period.
    pub(super) fn bounding(&self, window: Option<Window>) -> Option<Window> {
        window.filter(|window| window.to == self.deadline)
    }
}

/// What a commit did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Committed {
    /// How long the tenant was offline, in milliseconds.
    pub offline_ms: i64,
    /// How much was copied.
    pub copied: Amount,
    /// What was read back and found equal.
    pub verified: bool,
    /// The removals it queued.
    pub removals: Vec<RemovalRef>,
    /// What the verification found, part by part.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub report: Vec<PartReport>,
}

impl Stage {
    /// The stored and shown name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Preflight => "preflight",
            Self::Waiting { .. } => "waiting",
            Self::Comparing => "comparing",
            Self::Offline => "offline",
            Self::Drain { .. } => "drain",
            Self::AddData { .. } => "add_data",
            Self::Verify { .. } => "verify",
            Self::Commit { .. } => "commit",
            Self::Notify { .. } => "notify",
            Self::ReOnline { .. } => "re_online",
            Self::RolledBack { .. } => "rolled_back",
            Self::Completed { .. } => "completed",
            Self::Failed { .. } => "failed",
        }
    }

    /// Whether the tenant has yet to go offline for this move.
    fn is_before_offline(&self) -> bool {
        matches!(self, Self::Scheduled | Self::Preflight | Self::Waiting { .. } | Self::Comparing | Self::Offline)
    }

    /// The offline period, while the tenant is offline for this move.
    pub fn offline(&self) -> Option<&OfflinePeriod> {
        match self {
            Self::Drain { offline, .. }
            | Self::AddData { offline, .. }
            | Self::Verify { offline, .. }
            | Self::Commit { offline: Some(offline), .. }
            | Self::ReOnline { offline, .. } => Some(offline),
            _ => None,
        }
    }

    /// When the offline period is likely to end, by the progress of its data work.
    pub fn forecast(&self) -> Option<Forecast> {
        match self {
            Self::AddData { pace, .. } | Self::Verify { pace, .. } => pace.forecast(),
            _ => None,
        }
    }
}

impl MoveState {
    /// The same move at another stage.
    #[must_use]
    pub fn at_stage(self, stage: Stage) -> Self {
        // It holds keys of the tenant's, and serves the copy only.
        let partitioning = if stage.offline().is_some() || stage.is_before_offline() {
            self.partitioning
        } else {
            Partitioning::default()
        };
        Self { stage, waits_for: None, partitioning, ..self }
    }

    /// When a move that goes offline now must have committed, or roll back: its budget, the deployment's `limit` or the end of
    /// its window, whichever comes first.
    pub(super) fn deadline(&self, now: Millis, limit: Millis) -> Millis {
        let allowed = now + self.budget_ms.map_or(limit, |budget| budget.min(limit));
        self.window.map_or(allowed, |window| allowed.min(window.to))
    }
}

/// The sum of all parts.
pub(super) fn copied_amount(parts: &[CopiedPart]) -> Amount {
    parts.iter().fold(Amount::default(), |sum, part| sum.plus(part.tally.into()))
}

#[cfg(test)]
mod tests {
    use crate::realm_move::state::*;

    #[test]
    fn a_window_that_bounds_the_time_offline_is_named_when_that_is_spent() {
        let window = |to| Some(Window { from: 0, to });
        let offline = OfflinePeriod { epoch: 2, since: 1_700_000_000_000, deadline: 1_700_000_003_000 };
        let lapsed = |now: Millis, window| offline.why_it_lapsed(1_700_000_000_000 + now, window);
        assert_eq!(lapsed(2_999, window(offline.deadline)).0, "offline_lease_lapsed");
        let ended = ("offline_deadline", "the window of the move ended at 2023-11-14 22:13:23 UTC".to_owned());
        assert_eq!(lapsed(3_000, window(offline.deadline)), ended);
        let spent = ("offline_deadline", "all the time offline that was allowed is spent".to_owned());
        assert_eq!(lapsed(3_000, window(offline.deadline + 1)), spent, "its end comes later");
        assert_eq!(lapsed(3_000, None), spent);
    }
}
