//! Tokens on the wire.

use catalogue::tokens::StoredToken;
use serde::{Deserialize, Serialize};
use workflows::access::{Role, Scope};
use workflows::timestamps::rfc3339;

use super::text_schemas;

/// `POST /v1/tokens`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewToken {
    /// Who is to use it: 1 to 64 letters, digits, `-`, `_`, `.` and `@`. The audit trail calls its bearer so.
    #[schema(schema_with = text_schemas::token_name)]
    pub name: String,
    /// What its bearer may do.
    pub role: Role,
    /// With which tenants: `"all"`, `{"realm": "us"}` or `{"tenants": ["acme"]}`; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = text_schemas::scope)]
    pub scope: Option<Scope>,
    /// Until when it is good: a time in RFC 3339, or `never`; 90 days when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = text_schemas::expiry)]
    pub expires_at: Option<String>,
    /// Why; kept in the audit trail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = text_schemas::reason)]
    pub reason: Option<String>,
}

/// A token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenView {
    /// Its id, which stands in the token itself.
    pub id: String,
    /// Whose it is.
    pub name: String,
    /// What its bearer may do.
    pub role: String,
    /// With which tenants.
    pub scope: Scope,
    /// When it was made.
    pub created_at: String,
    /// By whom.
    pub created_by: String,
    /// Until when it is good; null: until it is revoked.
    pub expires_at: Option<String>,
    /// Since when it is refused.
    pub revoked_at: Option<String>,
    /// By whom it was revoked.
    pub revoked_by: Option<String>,
    /// When it was last used, to within a minute.
    pub last_used_at: Option<String>,
}

impl TokenView {
    /// A token as it is kept, for the outside.
    #[must_use]
    pub fn of(token: StoredToken, scope: Scope) -> Self {
        Self {
            id: token.id,
            name: token.name,
            role: token.role,
            scope,
            created_at: rfc3339(token.created_at),
            created_by: token.created_by,
            expires_at: token.expires_at.map(rfc3339),
            revoked_at: token.revoked_at.map(rfc3339),
            revoked_by: token.revoked_by,
            last_used_at: token.last_used_at.map(rfc3339),
        }
    }
}

/// A token that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreatedToken {
    /// What its bearer shows. Not kept: it is shown here, and never again.
    pub secret: String,
    /// The rest of it.
    #[serde(flatten)]
    pub token: TokenView,
}
