//! Who asks, and the sessions of people who have signed in.

use catalogue::sessions::StoredSession;
use serde::{Deserialize, Serialize};
use workflows::access::{Role, Scope};
use workflows::timestamps::rfc3339;

use super::text_schemas;

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WhoAmI {
    /// What the audit trail calls the caller.
    pub who: String,
    /// What the caller may do.
    pub role: Role,
    /// With which tenants.
    pub scope: Scope,
    /// What has to stand in `X-CSRF-Token` of whatever changes something by this session; null for a token.
    pub csrf_token: Option<String>,
    /// The session; null for a token.
    pub session: Option<SessionView>,
}

/// A session, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionView {
    /// Its id.
    pub id: String,
    /// What the audit trail calls the person.
    pub name: String,
    /// As whom the provider knows the person.
    pub subject: String,
    /// The provider.
    pub issuer: String,
    /// What the person may do.
    pub role: String,
    /// The groups that give the role.
    pub groups: Vec<String>,
    /// When the person signed in.
    pub created_at: String,
    /// Until when it is good at most.
    pub expires_at: String,
    /// When its cookie was last replaced.
    pub rotated_at: String,
    /// When it was last used, to within a minute.
    pub last_used_at: String,
    /// Since when it is refused.
    pub ended_at: Option<String>,
    /// By whom it was ended.
    pub ended_by: Option<String>,
    /// Why it was ended: `log_out`, `log_out_everywhere`, `revoked`, `reused`.
    pub ended_why: Option<String>,
    /// The address from which the person signed in.
    pub origin: String,
    /// The browser, as it says.
    pub user_agent: String,
}

impl SessionView {
    /// A session as it is kept, for the outside.
    #[must_use]
    pub fn of(session: StoredSession) -> Self {
        Self {
            id: session.id,
            name: session.name,
            subject: session.subject,
            issuer: session.issuer,
            role: session.role,
            groups: serde_json::from_str(&session.member_of).unwrap_or_default(),
            created_at: rfc3339(session.created_at),
            expires_at: rfc3339(session.expires_at),
            rotated_at: rfc3339(session.rotated_at),
            last_used_at: rfc3339(session.last_used_at),
            ended_at: session.ended_at.map(rfc3339),
            ended_by: session.ended_by,
            ended_why: session.ended_why,
            origin: session.origin,
            user_agent: session.user_agent,
        }
    }
}

/// Signing out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LogOut {
    /// All sessions of the person, and not this one alone.
    #[serde(default)]
    pub everywhere: bool,
    /// Why; kept in the audit trail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = text_schemas::reason)]
    pub reason: Option<String>,
}

/// What signing out has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LoggedOut {
    /// How many sessions.
    pub ended: u64,
}

/// What an admin has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionsEnded {
    /// The sessions that were good until then; those that were ended before are not among them.
    pub ended: Vec<SessionView>,
}
