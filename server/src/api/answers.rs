//! Bodies of answers. Times are RFC 3339 in UTC.

use catalogue::ledger::LedgerEntry;
use catalogue::tenants::Tenant;
use catalogue::topology::Topology;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use workflows::campaign::{CampaignPlan, CampaignView};
use workflows::dry_run::InTheWay;
use workflows::realm_move::{Estimate, MoveView, PlanView};
use workflows::removal::RemovalDetail;
use workflows::timestamps::rfc3339;
use workflows::topology_change::Consequence;

use super::ApprovalNeeded;

/// An error (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// `urn:realmctl:problem:` and the code.
    #[serde(rename = "type")]
    #[schema(schema_with = super::problem_types::problem_types)]
    pub kind: String,
    /// The code in words; the same for every occurrence.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened this time, and what to do about it.
    pub detail: String,
    /// A stable name for programs. Never renamed.
    pub code: String,
    /// This occurrence as the server's log names it, when the cause is there and not here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// What to do about this kind of problem, as the reference has it.
    #[serde(default, rename = "nextStep", skip_serializing_if = "Option::is_none")]
    pub next_step: Option<String>,
    /// Every mistake in a refused topology.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<TopologyProblem>,
}

/// One mistake in a topology file, or one reason why an edit is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TopologyProblem {
    /// Line in the file, from 1; `None` when it is about something that the file does not have.
    pub line: Option<u64>,
    /// The part of the topology; empty for the file as a whole.
    pub path: String,
    /// What is wrong.
    pub reason: String,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Ask with this `cursor` for the next page; `None` on the last one.
    pub next_cursor: Option<String>,
}

/// `PUT /v1/topology`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TopologyApplied {
    /// The version in force; `None` when the file was only checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<i64>,
    /// Names the content of the file.
    pub hash: String,
    /// Whether this request put a new version in force.
    pub changed: bool,
    /// What it does to tenants and moves besides: to be accepted before it is put in force.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub consequences: Vec<Consequence>,
    /// The file as understood.
    #[schema(value_type = Object)]
    pub topology: Topology,
}

/// `GET /v1/topology`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TopologyView {
    /// 1, 2, 3 …
    pub version: i64,
    /// Names its content.
    pub hash: String,
    /// When it was applied.
    pub applied_at: String,
    /// Who applied it.
    pub applied_by: String,
    /// What it says.
    #[schema(value_type = Object)]
    pub topology: Topology,
}

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TenantView {
    /// Its id.
    pub id: String,
    /// Its host; `None` once gone.
    pub host: Option<String>,
    /// The realm whose regions hold its data.
    pub realm: String,
    /// `provisioning`, `online`, `moving`, `closed` or `gone`.
    pub status: String,
    /// Grows exactly when placement or status changes.
    pub epoch: i64,
    /// The move that is going on or scheduled.
    pub active_move: Option<String>,
    /// When it was created.
    pub created_at: String,
    /// While moving: when the offline mark lapses unless the move goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_until: Option<String>,
    /// Where it is placed; only when one tenant is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placements: Option<Vec<PlacementView>>,
    /// Where its data may be; only when one tenant is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger: Option<Vec<LedgerEntryView>>,
}

/// The shard of one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlacementView {
    /// The service.
    pub service: String,
    /// Its shard.
    pub shard: String,
}

/// What the ledger says of one location: recorded, not observed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LedgerEntryView {
    /// The service.
    pub service: String,
    /// The location's name.
    pub location: String,
    /// Its physical identity.
    pub location_key: String,
    /// `absent`, `adding`, `live` or `removing`.
    pub state: String,
    /// Grows each time the entry goes from absent to adding.
    pub generation: i64,
    /// Who is adding or removing.
    pub workflow: Option<String>,
}

/// What a move would do now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DryRun {
    /// The tenant.
    pub tenant: String,
    /// The realm it would leave.
    pub from: String,
    /// The realm it would go to.
    pub to: String,
    /// What it would do, service by service.
    pub plan: Vec<PlanView>,
    /// Names what is shown here.
    pub plan_hash: String,
    /// Whether the tenant would be offline for a while.
    pub needs_offline: bool,
    /// How long that would be at least, in milliseconds, even if there were nothing to copy.
    pub least_offline_ms: i64,
    /// How long it may be at most, in milliseconds.
    #[serde(default)]
    pub offline_allowed_ms: i64,
    /// When it would begin.
    #[serde(default)]
    pub begins: String,
    /// What would keep it from starting, or from going offline once it has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub obstacles: Vec<InTheWay>,
    /// What of the request has no effect.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// What it would come to, from what the sources hold.
    #[serde(default)]
    pub estimate: Option<Estimate>,
    /// Why there is no estimate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_estimate: Option<String>,
    /// Optional services without a shard in the new realm, whose data would stay where it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stays_out_of_realm: Vec<String>,
    /// Optional services in which the tenant is not placed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_adopted: Vec<String>,
}

/// What `POST /v1/tenants/{id}/moves` answers with 200.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(untagged)]
pub enum MoveAnswer {
    /// The same move, which is open already.
    Move(Box<MoveView>),
    /// What the move would do, for `dryRun`.
    DryRun(Box<DryRun>),
}

/// What `POST /v1/campaigns` answers with 200.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(untagged)]
pub enum CampaignAnswer {
    /// The campaign that the same request had created.
    Campaign(Box<CampaignView>),
    /// What the campaign would do, for `dryRun`.
    Plan(Box<CampaignPlan>),
}

/// What `POST /v1/tenants/{id}/moves` answers with 202.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(untagged)]
pub enum MoveAccepted {
    /// The move, which was started.
    Move(Box<MoveView>),
    /// It waits for the approval of another person.
    Waits(Box<ApprovalNeeded>),
}

/// What `POST /v1/campaigns` answers with 202.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(untagged)]
pub enum CampaignAccepted {
    /// The campaign, which was created.
    Campaign(Box<CampaignView>),
    /// It waits for the approval of another person.
    Waits(Box<ApprovalNeeded>),
}

/// One change of a move's state, as `GET /v1/moves/{id}/events` tells it in `event: state`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StateEvent {
    /// 1, 2, 3 …; also the event's id.
    pub seq: i64,
    /// When it was recorded.
    pub at: String,
    /// The state left.
    pub from_state: String,
    /// The state entered.
    pub to_state: String,
    /// Why, in a few words; may be empty.
    pub note: String,
}

/// `POST /v1/removals/{id}/replay`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Replayed {
    /// What the replay came to.
    pub outcome: Outcome,
    /// The removal as it is now.
    #[serde(flatten)]
    pub removal: RemovalDetail,
}

/// What a replay came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It runs again.
    Replayed,
    /// It is running, or about to.
    StillRunning,
    /// It has done its work.
    AlreadyDone,
}

/// `POST /v1/removals/replay`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReplayedAll {
    /// The removals that run again.
    pub replayed: Vec<String>,
    /// Those that could not be replayed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<StillFailed>,
}

/// A removal that could not be replayed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StillFailed {
    /// Its id.
    pub id: String,
    /// Why, as a stable name.
    pub code: String,
    /// Why, in words.
    pub detail: String,
}

/// One entry of the audit trail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditView {
    /// Its id; later entries sort after earlier ones.
    pub id: String,
    /// When.
    pub at: String,
    /// Who asked: whose token, and whom the request named; `realmctl` for what it does by itself.
    pub who: String,
    /// From which address; empty for what realmctl does by itself.
    #[serde(default)]
    pub origin: String,
    /// What, such as `move.start`.
    pub action: String,
    /// About which tenant.
    pub tenant: Option<String>,
    /// The reason given; may be empty.
    pub why: String,
    /// What it was before.
    pub before: Value,
    /// What it is after.
    pub after: Value,
}

/// A sealed entry of the audit trail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SealedView {
    /// Its number in the chain, from 1.
    pub seq: i64,
    /// Its digest, over itself and the digest before it.
    pub digest: String,
    /// The entry.
    #[serde(flatten)]
    pub entry: AuditView,
}

/// The end of the chain of the audit trail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditHead {
    /// The number of the newest sealed entry; 0 if there is none.
    pub seq: i64,
    /// Its digest.
    pub digest: String,
    /// When it was sealed.
    pub sealed_at: Option<String>,
    /// Entries that are not sealed yet; counted up to 10,000.
    pub unsealed: i64,
    /// The age of the oldest of them.
    pub oldest_unsealed_ms: Option<i64>,
}

/// A line of an export of the audit trail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(untagged)]
pub enum AuditLine {
    /// The last one: the end of the chain.
    Head {
        /// The end.
        head: AuditHead,
    },
    /// An entry.
    Entry(SealedView),
}

impl From<Tenant> for TenantView {
    /// Without placements and ledger, which are read apart.
    fn from(tenant: Tenant) -> Self {
        Self {
            id: tenant.id,
            host: tenant.host,
            realm: tenant.realm,
            status: tenant.status.as_str().to_owned(),
            epoch: tenant.epoch,
            active_move: tenant.active_move,
            created_at: rfc3339(tenant.created_at),
            lease_until: tenant.lease_until.map(rfc3339),
            placements: None,
            ledger: None,
        }
    }
}

impl From<LedgerEntry> for LedgerEntryView {
    fn from(entry: LedgerEntry) -> Self {
        Self {
            service: entry.service,
            location_key: entry.location.key(),
            location: entry.location.name,
            state: entry.state.as_str().to_owned(),
            generation: entry.generation,
            workflow: entry.workflow,
        }
    }
}
