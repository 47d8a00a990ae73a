//! What goes over the wire, for the server and its clients alike. JSON names are in camelCase.
//!
//! Requests refuse unknown fields; answers may gain fields, so clients ignore those they don't know.

mod answers;
mod approvals;
mod campaigns;
mod controls;
mod requests;
mod sessions;
pub(crate) mod problem_types;
mod status;
pub(crate) mod text_schemas;
mod tokens;
mod webhooks;
mod whole_numbers;

pub use answers::{
    AuditHead, AuditLine, AuditView, CampaignAccepted, CampaignAnswer, DryRun, LedgerEntryView, MoveAccepted,
    MoveAnswer, Outcome, Page, PlacementView, Problem, Replayed, ReplayedAll, SealedView, StateEvent, StillFailed,
    TenantView, TopologyApplied, TopologyProblem, TopologyView,
};
pub use approvals::{
    ApprovalNeeded, ApprovalPolicyView, ApprovalView, Approve, SetApprovalPolicy, TokenAwaitsApproval,
};
pub use campaigns::{CancelCampaign, MaxFailures, NewCampaign};
pub use controls::{LimitSet, LimitUnset, LimitView, LimitsView, PauseAnswer, PauseView, PausesView};
pub use engine::Priority;
pub use requests::{Budget, Change, NewMove, NewTenant, NewWindow, RenameEndpoint, Replay, ReplayAll, Reschedule};
pub use sessions::{LogOut, LoggedOut, SessionView, SessionsEnded, WhoAmI};
pub use status::{Attention, IdsView, NamedView, OfflineView, StatusView, WorkView, WorkerView, WorkersView};
pub use tokens::{CreatedToken, NewToken, TokenView};
pub use webhooks::{ReplayedDelivery, WebhooksView};
pub use workflows::access::{Role, Scope};
pub use workflows::approval::{Action, ApprovalState, Outcome as ApprovalOutcome};
pub use workflows::campaign::{CampaignPlan, CampaignView, MemberView, SkippedView};
pub use workflows::controls::GoesOn;
pub use workflows::dry_run::InTheWay;
pub use workflows::explanation::{Explained, Explanation, Holder, TaskExplanation, TenantExplanation, WaitsFor};
pub use workflows::realm_move::{
    CostClass, Estimate, MoveView, PartReport, Passage, PlanView, ProgressView, RemovalView, TaskErrorView,
    Verification, VerificationView, WindowView,
};
pub use workflows::removal::{LateWriteLine, LateWritesDetail, RecheckView, RemovalDetail};
pub use workflows::topology_change::Consequence;
pub use workflows::webhooks::{DeliveryView, WebhookView};

/// The media type of an error (RFC 9457).
pub const PROBLEM_JSON: &str = "application/problem+json";

/// The request header that says who asks.
pub const USER_HEADER: &str = "X-Realmctl-User";

/// The header of every answer to a caller who was let in, in which the server tells its version.
pub const VERSION_HEADER: &str = "Realmctl-Version";

/// The request header with which a change may be repeated.
/// The request header that shows that a change by a session comes from a page of this server.
pub const CSRF_HEADER: &str = "X-CSRF-Token";

/// The request header with which the start of a move may be repeated.
pub const IDEMPOTENCY_HEADER: &str = "Idempotency-Key";

/// Most items on a page.
pub const LIMIT_MAX: i64 = 500;

/// Items on a page when the request does not say.
pub const LIMIT_DEFAULT: i64 = 100;
