//! Bodies of requests about campaigns.

use engine::Priority;
use serde::{Deserialize, Serialize};

use super::{Budget, text_schemas, whole_numbers};

/// `POST /v1/campaigns`. Its tenants are either listed, or those of a realm.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewCampaign {
    /// The realm to move to.
    pub to: String,
    /// The tenants to move.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = text_schemas::tenants)]
    pub tenants: Option<Vec<String>>,
    /// Move the tenants that are in this realm now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_realm: Option<String>,
    /// With `fromRealm`: up to this many of them, in the order of their ids.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "whole_numbers::optional_u64")]
    #[schema(schema_with = text_schemas::moves)]
    pub limit: Option<u64>,
    /// Moves in a wave; 10 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "whole_numbers::optional_u64")]
    #[schema(schema_with = text_schemas::moves)]
    pub wave_size: Option<u64>,
    /// The rest between two waves; none when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = text_schemas::pause)]
    pub wave_pause: Option<Budget>,
    /// Moves that run at the same time, at most; 5 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "whole_numbers::optional_u64")]
    #[schema(schema_with = text_schemas::moves)]
    pub at_once: Option<u64>,
    /// Halt once this many moves have rolled back or failed; 1 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = text_schemas::max_failures)]
    pub max_failures: Option<MaxFailures>,
    /// When moves may be started and tenants be offline, every day in UTC: `22:00-04:00`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = text_schemas::daily_window)]
    pub window: Option<String>,
    /// The longest time offline of each tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = text_schemas::budget)]
    pub budget: Option<Budget>,
    /// Which due work goes first: `low`, `normal` or `high`.
    #[serde(default, skip_serializing_if = "Priority::is_normal")]
    pub priority: Priority,
    /// Show what the campaign would do, and create nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// Why; kept with the campaign and in the audit trail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = text_schemas::reason)]
    pub reason: Option<String>,
}

/// How many failures halt a campaign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(untagged, expecting = "maxFailures is a number of moves, or a share of them such as \"5%\"")]
pub enum MaxFailures {
    /// So many.
    Count(#[serde(deserialize_with = "whole_numbers::u64")] u64),
    /// So many, or a share: `3`, `5%`.
    Text(String),
}

/// `POST /v1/campaigns/{id}/cancel`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CancelCampaign {
    /// Also cancel running moves, as far as they have not committed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub running: bool,
    /// Why; kept in the audit trail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = text_schemas::reason)]
    pub reason: Option<String>,
}
