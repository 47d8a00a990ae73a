//! Which of what is due is claimed first.

use serde::{Deserialize, Serialize};

/// Of what is due, the higher priority goes first; within one, what has been due longest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// After everything else.
    Low,
    /// When nobody says otherwise.
    #[default]
    Normal,
    /// Before everything else.
    High,
}

impl Priority {
    /// As the rows hold it: 0, 1, 2.
    pub(crate) fn stored(self) -> i64 {
        match self {
            Self::Low => 0,
            Self::Normal => 1,
            Self::High => 2,
        }
    }

    /// Whether it is what nobody needs to say.
    pub fn is_normal(&self) -> bool {
        *self == Self::Normal
    }
}
