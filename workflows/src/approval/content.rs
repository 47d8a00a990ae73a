//! All that is carried out once it is approved. Stored: names never change, fields are only added.

use catalogue::tokens::StoredToken;
use serde::{Deserialize, Serialize};
use store::{Millis, StoreError};

use super::action::Action;
use super::policy::Policy;
use crate::campaign::CampaignRequest;
use crate::controls::LimitChange;
use crate::precondition::Precondition;
use crate::realm_move::MoveRequest;
use crate::topology_change::{Edit, Rename};

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Content {
    /// A move.
    Move {
        /// The move.
        request: MoveRequest,
        /// Whether it starts paused.
        paused: bool,
        /// The plan that was shown to whoever asked: another one is another content.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        plan_hash: Option<String>,
    },
    /// A campaign.
    Campaign {
        /// The campaign.
        request: CampaignRequest,
    },
    /// The replay of a removal.
    Replay {
        /// The removal.
        removal: String,
        /// The late writes that may be deleted.
        accept_late_writes: Option<String>,
        /// The table that may be emptied.
        accept_table: Option<String>,
    },
    /// A topology file.
    Topology(Edit),
    /// Another address of a store.
    RenameEndpoint(Rename),
    /// A limit.
    Limit {
        /// Of what.
        scope: String,
        /// The limit.
        change: LimitChange,
        /// In the place of which limits.
        on: Precondition,
    },
    /// A token.
    Token(NewTokenRow),
    /// A policy.
    Policy {
        /// The policy.
        policy: Policy,
        /// In the place of which one.
        on: Precondition,
    },
}

/// A token that waits: nothing of its secret, of which only a keyed hash is here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NewTokenRow {
    id: String,
    name: String,
    hash: String,
    hash_key: String,
    role: String,
    scope: String,
    created_at: Millis,
    created_by: String,
    expires_at: Option<Millis>,
}

impl Content {
    /// Which action it is.
    pub fn action(&self) -> Action {
        match self {
            Self::Move { .. } => Action::Move,
            Self::Campaign { .. } => Action::Campaign,
            Self::Replay { .. } => Action::AcceptingReplay,
            Self::Topology(_) | Self::RenameEndpoint(_) => Action::Topology,
            Self::Limit { .. } => Action::LimitZero,
            Self::Token(_) => Action::Token,
            Self::Policy { .. } => Action::Policy,
        }
    }

    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).expect("plain data with text keys")
    }

    pub(super) fn read(text: &str) -> Result<Self, StoreError> {
        serde_json::from_str(text).map_err(|error| StoreError::Corrupt(format!("content of an approval: {error}")))
    }
}

/// Stands for a content: whoever approves names it.
pub(super) fn hash(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex()[..32].to_owned()
}

impl From<&StoredToken> for NewTokenRow {
    fn from(token: &StoredToken) -> Self {
        Self {
            id: token.id.clone(),
            name: token.name.clone(),
            hash: token.hash.clone(),
            hash_key: token.hash_key.clone(),
            role: token.role.clone(),
            scope: token.scope.clone(),
            created_at: token.created_at,
            created_by: token.created_by.clone(),
            expires_at: token.expires_at,
        }
    }
}

impl NewTokenRow {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn role(&self) -> &str {
        &self.role
    }

    pub(super) fn token(&self) -> StoredToken {
        StoredToken {
            id: self.id.clone(),
            name: self.name.clone(),
            hash: self.hash.clone(),
            hash_key: self.hash_key.clone(),
            role: self.role.clone(),
            scope: self.scope.clone(),
            created_at: self.created_at,
            created_by: self.created_by.clone(),
            expires_at: self.expires_at,
            revoked_at: None,
            revoked_by: None,
            last_used_at: None,
        }
    }
}
