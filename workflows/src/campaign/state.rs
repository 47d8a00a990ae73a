//! What is stored of a campaign. Stored forms are read by later versions: names never change, fields are only added.

use std::fmt;
use std::str::FromStr;

use catalogue::campaigns::{Counts, MemberState};
use engine::{Priority, StoredError};
use serde::{Deserialize, Serialize};
use store::Millis;

use super::daily::DailyWindow;
use crate::actor::Actor;

/// A campaign as stored. Its tenants are rows of their own: it stays small however many they are.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CampaignState {
    /// The realm that its tenants are moved to.
    pub to: String,
    /// How they are moved.
    pub options: CampaignOptions,
    /// Who asked, and why.
    pub actor: Actor,
    /// The current wave: 1, 2, 3 …
    pub wave: u64,
    /// Moves started in it.
    pub in_wave: u64,
    /// Retreats and failures that do not count any more: those from before it was resumed after a halt.
    pub forgiven: u64,
    /// Where it stands.
    pub stage: CampaignStage,
}

/// How the tenants of a campaign are moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CampaignOptions {
    /// Moves in a wave.
    pub wave_size: u64,
    /// How long to rest between two waves, in milliseconds.
    pub wave_pause_ms: i64,
    /// Moves that run at the same time, at most.
    pub at_once: u64,
    /// How many moves may roll back or fail before it halts.
    pub max_failures: Allowance,
    /// When moves may be started, every day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<DailyWindow>,
    /// The offline budget of each move, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget_ms: Option<i64>,
    /// The priority of each move.
    #[serde(default)]
    pub priority: Priority,
}

/// Where a campaign stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
pub enum CampaignStage {
    /// Starts moves, and waits for those of the wave to end.
    Running,
    /// Between two waves.
    Resting {
        /// Until when.
        until: Millis,
    },
    /// Starts no moves until somebody resumes it.
    Paused {
        /// Who paused it, and why.
        by: Actor,
    },
    /// Starts no moves: too many have rolled back or failed. Somebody must look, then resume or cancel it.
    Halted {
        /// Why.
        error: StoredError,
    },
    /// Starts no moves any more; waits for those that run to end.
    Cancelling {
        /// Who cancelled it, and why.
        by: Actor,
    },
    /// Every tenant has had its turn.
    Completed,
    /// Cancelled, and none of its moves runs any more.
    Cancelled {
        /// Who cancelled it, and why.
        by: Actor,
    },
}

impl CampaignStage {
    /// The stored and shown name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Resting { .. } => "resting",
            Self::Paused { .. } => "paused",
            Self::Halted { .. } => "halted",
            Self::Cancelling { .. } => "cancelling",
            Self::Completed => "completed",
            Self::Cancelled { .. } => "cancelled",
        }
    }
}

impl CampaignState {
    /// The same campaign at another stage.
    #[must_use]
    pub fn at_stage(self, stage: CampaignStage) -> Self {
        Self { stage, ..self }
    }

    /// Moves that rolled back or failed, and count.
    pub fn failures(&self, counts: &Counts) -> u64 {
        all_failures(counts).saturating_sub(self.forgiven)
    }
}

/// Moves that rolled back or failed.
pub(super) fn all_failures(counts: &Counts) -> u64 {
    counts.of(MemberState::RolledBack) + counts.of(MemberState::Failed)
}

/// How many failures halt a campaign: a number, or a share of its tenants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Allowance {
    /// So many.
    Count(u64),
    /// So many of a hundred, rounded down, but at least one.
    Percent(u64),
}

/// Text that is no allowance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an allowance is a number of moves such as 3, or a share of them such as 5%; at least 1, at most 100%")]
pub struct InvalidAllowance;

impl Allowance {
    /// The failures that halt a campaign of so many tenants.
    pub fn of(self, tenants: u64) -> u64 {
        match self {
            Self::Count(count) => count,
            Self::Percent(percent) => (tenants * percent / 100).max(1),
        }
    }
}

impl FromStr for Allowance {
    type Err = InvalidAllowance;

    fn from_str(text: &str) -> Result<Self, InvalidAllowance> {
        let (digits, percent) = match text.trim().strip_suffix('%') {
            Some(digits) => (digits, true),
            None => (text.trim(), false),
        };
        let number: u64 = digits.parse().map_err(|_| InvalidAllowance)?;
        match (number, percent) {
            (0, _) | (101.., true) => Err(InvalidAllowance),
            (_, true) => Ok(Self::Percent(number)),
            (_, false) => Ok(Self::Count(number)),
        }
    }
}

impl fmt::Display for Allowance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl TryFrom<String> for Allowance {
    type Error = InvalidAllowance;

    fn try_from(text: String) -> Result<Self, InvalidAllowance> {
        text.parse()
    }
}

impl From<Allowance> for String {
    fn from(allowance: Allowance) -> Self {
        allowance.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allowances_are_numbers_or_shares() {
        for (text, of_200) in [("3", 3), ("5%", 10), ("1%", 2), ("100%", 200)] {
            let allowance: Allowance = text.parse().expect("an allowance");
            assert_eq!((allowance.of(200), allowance.to_string().as_str()), (of_200, text));
        }
        assert_eq!("5%".parse::<Allowance>().expect("an allowance").of(3), 1, "never none at all");
        for bad in ["", "0", "0%", "101%", "-1", "many", "5 %%"] {
            assert_eq!(bad.parse::<Allowance>(), Err(InvalidAllowance), "{bad:?}");
        }
    }
}
