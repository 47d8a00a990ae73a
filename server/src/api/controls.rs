//! What goes over the wire about pauses and limits.

use serde::{Deserialize, Serialize};
use workflows::controls::GoesOn;

use super::{text_schemas, whole_numbers};

/// What a request to pause or resume came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PauseAnswer {
    /// `all` or `tenant:ID`.
    pub scope: String,
    /// Whether it is paused now.
    pub paused: bool,
    /// Whether this request changed that.
    pub changed: bool,
    /// Moves that go on in spite of it until their tenants are online.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub goes_on: Vec<GoesOn>,
}

/// A pause in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PauseView {
    /// `all`, `tenant:ID` or `workflow:ID`.
    pub scope: String,
    /// Since when.
    pub at: String,
    /// Who paused it.
    pub who: String,
    /// Why; may be empty.
    pub why: String,
}

/// `GET /v1/pauses`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PausesView {
    /// The pauses in force.
    pub items: Vec<PauseView>,
    /// How many moves, removals and other workflows they hold.
    pub held: i64,
    /// Moves that go on in spite of them until their tenants are online.
    pub goes_on: Vec<GoesOn>,
}

/// `PUT /v1/limits`: at least one of the three; what is not named stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LimitSet {
    /// `overall`, `region:NAME` or `table:KEY`.
    pub scope: String,
    /// Data tasks at a time; 0 admits nothing new.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "whole_numbers::optional_i64")]
    #[schema(schema_with = text_schemas::slots)]
    pub slots: Option<i64>,
    /// Write units a second that all processes together ask of tables, 1 to 10,000,000.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "whole_numbers::optional_i64")]
    #[schema(schema_with = text_schemas::units)]
    pub write_units: Option<i64>,
    /// Read units, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "whole_numbers::optional_i64")]
    #[schema(schema_with = text_schemas::units)]
    pub read_units: Option<i64>,
    /// Why; kept with the limit and in the audit trail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = text_schemas::reason)]
    pub reason: Option<String>,
}

/// `DELETE /v1/limits`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LimitUnset {
    /// `overall`, `region:NAME` or `table:KEY`.
    pub scope: String,
    /// Why; kept in the audit trail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = text_schemas::reason)]
    pub reason: Option<String>,
}

/// A limit, and how it is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LimitView {
    /// What it limits.
    pub scope: String,
    /// Data tasks at a time, if that is limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slots: Option<i64>,
    /// Write units a second, if they are limited. A lower limit of the topology counts instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write_units: Option<i64>,
    /// Read units, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_units: Option<i64>,
    /// Data tasks that admitted work may have there now. More than `slots` after the limit was lowered, or while work larger
    /// than the limit runs alone.
    pub used: i64,
    /// Data tasks that wait for room.
    pub waiting: i64,
    /// When it was set.
    pub set_at: String,
    /// By whom.
    pub set_by: String,
    /// Why; may be empty.
    pub reason: String,
}

/// `GET /v1/limits`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LimitsView {
    /// The limits in force; without one, a scope is not limited.
    pub items: Vec<LimitView>,
}
