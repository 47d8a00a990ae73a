//! Bodies of requests. Unknown fields are refused, so that a typing error is never taken for a wish.

use catalogue::topology::EndpointKind;
use engine::Priority;
use serde::{Deserialize, Serialize};
use workflows::realm_move::Verification;

use super::{text_schemas, whole_numbers};

/// `POST /v1/tenants`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewTenant {
    /// Its id: 1 to 63 of `a-z`, `0-9` and `-`, never used before.
    #[schema(schema_with = text_schemas::tenant_id)]
    pub id: String,
    /// Its host, unique.
    #[schema(schema_with = text_schemas::host)]
    pub host: String,
    /// The realm in which its data shall rest.
    #[schema(example = "eu")]
    pub realm: String,
    /// Why; kept in the audit trail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = text_schemas::reason)]
    pub reason: Option<String>,
}

/// `POST /v1/tenants/{id}/moves`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewMove {
    /// The realm to move to.
    pub to: String,
    /// Show what the move would do, and start nothing.
    #[serde(default, skip_serializing_if = "is_false")]
    pub dry_run: bool,
    /// Start it paused: it begins when somebody resumes it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub paused: bool,
    /// When to begin, in RFC 3339; at once when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = text_schemas::optional_time)]
    pub at: Option<String>,
    /// Within which the tenant may be offline; instead of `at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<NewWindow>,
    /// Which due work goes first: `low`, `normal` or `high`.
    #[serde(default, skip_serializing_if = "Priority::is_normal")]
    pub priority: Priority,
    /// The longest time offline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = text_schemas::budget)]
    pub budget: Option<Budget>,
    /// How much of what is copied is looked at again: `full`, `sampled` or `off`.
    #[serde(default, skip_serializing_if = "Verification::is_full")]
    #[schema(value_type = String, pattern = "^(full|sampled|off)$")]
    pub verification: Verification,
    /// Why; kept with the move and in the audit trail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = text_schemas::reason)]
    pub reason: Option<String>,
}

/// A span of time, its end excluded; both in RFC 3339.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewWindow {
    /// From when on the move may begin.
    #[schema(schema_with = text_schemas::time)]
    pub from: String,
    /// When the tenant must be online again.
    #[schema(schema_with = text_schemas::time)]
    pub to: String,
}

/// `POST /v1/moves/{id}/reschedule`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Reschedule {
    /// When to begin, in RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = text_schemas::optional_time)]
    pub at: Option<String>,
    /// Within which the tenant may be offline; instead of `at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<NewWindow>,
    /// Why; kept in the audit trail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = text_schemas::reason)]
    pub reason: Option<String>,
}

/// The longest time that a move may keep its tenant offline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(
    untagged,
    expecting = "a budget is a duration such as \"90s\", \"10m\" or \"1h\", or a whole number of seconds"
)]
pub enum Budget {
    /// In seconds.
    Seconds(#[serde(deserialize_with = "whole_numbers::u64")] u64),
    /// As people write it: `90s`, `10m`, `1h30m`; without a unit, seconds.
    Text(String),
}

/// A change that needs nothing but a reason: `POST /v1/moves/{id}/cancel`, `POST /v1/pause` and the like.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Change {
    /// Why; kept in the audit trail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = text_schemas::reason)]
    pub reason: Option<String>,
}

/// `POST /v1/removals/{id}/replay`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Replay {
    /// Somebody has looked at what was written to the location after the move, and exactly what this hash stands for may be deleted with
    /// the rest (`lateWritesFound.hash` of the removal). Anything else stops it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = text_schemas::hash)]
    pub accept_late_writes: Option<String>,
    /// Somebody has looked at the table of this id (DynamoDB's TableId), which was found in the place of the one that the move worked
    /// with (`another_table`): what it holds of the tenant may be deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept_table: Option<String>,
    /// Why; kept in the audit trail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = text_schemas::reason)]
    pub reason: Option<String>,
}

/// `POST /v1/removals/replay`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReplayAll {
    /// Only this tenant's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = text_schemas::optional_tenant_id)]
    pub tenant: Option<String>,
    /// Why; kept in the audit trail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = text_schemas::reason)]
    pub reason: Option<String>,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

/// `POST /v1/topology/rename-endpoint`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RenameEndpoint {
    /// The region.
    pub region: String,
    /// `dynamodb` or `s3`.
    #[schema(value_type = String, pattern = "^(dynamodb|s3)$")]
    pub kind: EndpointKind,
    /// Where the store is reached from now on.
    pub address: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = text_schemas::reason)]
    pub reason: Option<String>,
}
