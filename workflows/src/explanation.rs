//! The answer, as it goes over the wire. Times are RFC 3339 in UTC.

use engine::StoredError;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What was asked about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "about", rename_all = "camelCase")]
pub enum Explained {
    /// A move, a removal, or another workflow.
    Workflow(Box<Explanation>),
    /// A tenant.
    Tenant(Box<TenantExplanation>),
}

/// What a workflow waits for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// Its id.
    pub id: String,
    /// Its kind: `move`, `removal`.
    pub kind: String,
    /// The tenant.
    pub tenant: String,
    /// Of a removal or a recheck: the service and the location, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// Where it stands.
    pub state: String,
    /// Since when it stands there.
    pub since: String,
    /// What it waits for.
    pub waits_for: WaitsFor,
    /// Who is at work on it, or was last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<Holder>,
    /// Failed attempts at this state.
    pub attempt: u32,
    /// What the last of them ran into, or why it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<StoredError>,
    /// Its data tasks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<TaskExplanation>,
    /// What a person can do, as commands.
    pub can_do: Vec<String>,
}

/// What something waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WaitsFor {
    /// A stable name. Never renamed.
    pub code: String,
    /// In words.
    pub text: String,
    /// Until when, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

/// Who is at work, or was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Holder {
    /// Host and process.
    pub owner: String,
    /// When the claim ends unless it is renewed.
    pub until: String,
    /// Whether it still holds.
    pub alive: bool,
}

/// What a data task waits for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskExplanation {
    /// Its id.
    pub id: String,
    /// What it does: `copy`, `verify`, `remove`.
    pub kind: String,
    /// The location it works on.
    pub target: String,
    /// `open`, `done` or `failed`.
    pub status: String,
    /// What it waits for; `None` once it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<WaitsFor>,
    /// Who is at work on it, or was last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<Holder>,
    /// Failed attempts since its last progress.
    pub attempt: u32,
    /// What the last of them ran into.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<StoredError>,
    /// What it has done so far.
    pub progress: Value,
    /// When it last saved anything.
    pub saved_at: String,
}

/// What a tenant waits for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TenantExplanation {
    /// Its id.
    pub id: String,
    /// `provisioning`, `online`, `moving`, `closed` or `gone`.
    pub status: String,
    /// Its realm.
    pub realm: String,
    /// Its epoch.
    pub epoch: i64,
    /// The move that may change its placement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_move: Option<String>,
    /// While moving: when it is brought back online unless the move gets on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_until: Option<String>,
    /// What it waits for.
    pub waits_for: WaitsFor,
    /// Its open workflows, failed removals that need a person, and its newest move if that failed or rolled back.
    pub workflows: Vec<Explanation>,
    /// What a person can do, as commands.
    pub can_do: Vec<String>,
}

impl WaitsFor {
    pub(super) fn new(code: &str, text: impl Into<String>) -> Self {
        Self { code: code.to_owned(), text: text.into(), until: None }
    }

    pub(super) fn until(self, until: store::Millis) -> Self {
        Self { until: Some(crate::timestamps::rfc3339(until)), ..self }
    }
}
