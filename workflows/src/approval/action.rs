//! The actions that can wait for approval.

use serde::{Deserialize, Serialize};

/// An action that can wait for approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The start of a move.
    Move,
    /// The creation of a campaign.
    Campaign,
    /// The replay of a removal that accepts late writes, or another table.
    AcceptingReplay,
    /// An edit of the topology.
    Topology,
    /// A limit of 0, which lets no work in.
    LimitZero,
    /// The creation of a token: its bearer could be the second person. Waits whenever anything does.
    Token,
    /// A policy that asks for less than the one in force. Waits whenever anything does.
    Policy,
}

impl Action {
    /// Those that a policy names.
    pub const NAMED: [Self; 5] = [Self::Move, Self::Campaign, Self::AcceptingReplay, Self::Topology, Self::LimitZero];

    /// Those that wait whenever a policy names any.
    const IMPLIED: [Self; 2] = [Self::Token, Self::Policy];

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Move => "move",
            Self::Campaign => "campaign",
            Self::AcceptingReplay => "accepting_replay",
            Self::Topology => "topology",
            Self::LimitZero => "limit_zero",
            Self::Token => "token",
            Self::Policy => "policy",
        }
    }

    /// The action that is written so.
    pub fn find(text: &str) -> Option<Self> {
        Self::NAMED.into_iter().chain(Self::IMPLIED).find(|action| action.as_str() == text)
    }

    pub(super) fn is_implied(self) -> bool {
        Self::IMPLIED.contains(&self)
    }
}
