//! What somebody may do.

use serde::{Deserialize, Serialize};

/// What the bearer of a token may do. The routes of each are a table of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Looks, and changes nothing.
    Viewer,
    /// Starts and steers moves and campaigns.
    Support,
    /// Creates tenants, and sees what became of them.
    Provisioner,
    /// Does what support does; replays removals, pauses everything, sets limits.
    Oncall,
    /// May do everything.
    Admin,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Viewer, Self::Support, Self::Provisioner, Self::Oncall, Self::Admin];

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Support => "support",
            Self::Provisioner => "provisioner",
            Self::Oncall => "oncall",
            Self::Admin => "admin",
        }
    }

    /// The role that is written so.
    pub fn find(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }
}
