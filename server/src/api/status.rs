//! What goes over the wire about the deployment as a whole.

use serde::{Deserialize, Serialize};

/// `GET /v1/status`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatusView {
    /// The version of the server that answers.
    pub version: String,
    /// What needs a person, most urgent first.
    pub attention: Vec<Attention>,
    /// The tenants that are offline for a move now, at most ten; those whose lease ends first.
    #[serde(default)]
    pub offline: Vec<OfflineView>,
    /// What is under way, by kind and state.
    pub work: Vec<WorkView>,
    /// The processes that are there.
    pub workers: Vec<WorkerView>,
}

/// A tenant that is offline for a move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OfflineView {
    /// The tenant.
    pub tenant: String,
    /// The move.
    #[serde(rename = "move")]
    pub by: Option<String>,
    /// When any process brings it back online unless the move gets on.
    pub lease_until: Option<String>,
}

/// Something that needs a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Attention {
    /// A stable name. Never renamed.
    pub code: String,
    /// In words.
    pub text: String,
    /// What a person can do, as a command.
    pub can_do: String,
}

/// Workflows under way of one kind in one state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkView {
    /// `move`, `removal`, `recheck`, `provision` or `campaign`.
    pub kind: String,
    /// Where they stand.
    pub state: String,
    /// How many.
    pub count: i64,
    /// Of those, how many are tried again after a failed attempt.
    pub failing: i64,
}

/// A process that carries out moves and removals: a worker, or a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkerView {
    /// The name under which it claims work: host and process.
    pub name: String,
    /// The kinds of data tasks that it runs; none: it leaves them to others.
    pub tasks: Vec<String>,
    /// How many data tasks it has in hand.
    pub in_hand: u64,
    /// What it lacks for data work, and what to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unfit: Option<String>,
}

/// `GET /v1/workers`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkersView {
    /// In the order of their names.
    pub items: Vec<WorkerView>,
}

/// `GET /v1/ids/{beginning}`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct IdsView {
    /// At most ten.
    pub items: Vec<NamedView>,
    /// Whether there are more than these.
    #[serde(default)]
    pub more: bool,
}

/// A move, a removal, a campaign or another workflow, in a few words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NamedView {
    /// Its id.
    pub id: String,
    /// `move`, `removal`, `campaign` and so on.
    pub kind: String,
    /// The tenant it is about.
    pub tenant: String,
    /// Where it stands.
    pub state: String,
}
