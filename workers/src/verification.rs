//! How much of a copy is looked at again, chosen for each move. `docs/verification.md` says what each mode can miss.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::progress::Tally;

/// The modes. Stored: names are never renamed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verification {
    /// The source's contents are read twice and the target's once; all digests must agree.
    #[default]
    Full,
    /// The source's keys are listed twice; some items are read again on both sides, and the target's keys are counted.
    Sampled,
    /// The source's keys are listed twice; the target is not read.
    Off,
}

impl Verification {
    /// Whether it is what is done unless something else is asked for.
    pub fn is_full(&self) -> bool {
        *self == Self::Full
    }

    /// The name, as stored and shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Sampled => "sampled",
            Self::Off => "off",
        }
    }
}

impl fmt::Display for Verification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text names no mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("verification is full, sampled or off")]
pub struct NotAMode;

impl FromStr for Verification {
    type Err = NotAMode;

    fn from_str(text: &str) -> Result<Self, NotAMode> {
        [Self::Full, Self::Sampled, Self::Off].into_iter().find(|mode| mode.name() == text).ok_or(NotAMode)
    }
}

/// What was found when a part was verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// How many items or objects were read back from the target.
    pub read_back: u64,
    /// The tally of the whole target, if all of it was read back.
    pub tally: Option<Tally>,
    /// How many times the target was looked at.
    pub passes: u32,
}
