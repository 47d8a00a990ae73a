//! What each route takes and answers. A test holds that each row of the table of permissions is here.

use axum::http::Method;

use super::operation::{Described, Describes};
use crate::api::{
    ApprovalPolicyView, ApprovalView, Approve, AuditHead, AuditLine, AuditView, CampaignAccepted, CampaignAnswer,
    CampaignView, CancelCampaign, Change, CreatedToken, DeliveryView, Explained, IdsView, LateWriteLine, LimitSet,
    LimitUnset, LimitView, LimitsView, LogOut, LoggedOut, MemberView, MoveAccepted, MoveAnswer, MoveView, NewCampaign,
    NewMove, NewTenant, NewToken, PauseAnswer, PausesView, RemovalDetail, RenameEndpoint, Replay, ReplayAll, Replayed,
    ReplayedAll, ReplayedDelivery, Reschedule, SessionView, SessionsEnded, SetApprovalPolicy, StateEvent, StatusView,
    TenantView, TokenAwaitsApproval, TokenView, TopologyApplied, TopologyView, WebhooksView, WhoAmI, WorkersView,
};
use crate::permissions::TABLE;
use crate::{approvals, audit, campaigns, moves, removals, sessions, status, tenants, tokens, topology, webhooks};

const YAML: [&str; 2] = ["application/yaml", "application/json"];
const JSON_LINES: &str = "application/x-ndjson";
const EVENTS: &str = "text/event-stream";

/// All of them.
pub(super) fn all() -> Vec<Described> {
    let all = [
        of_the_topology(),
        of_tenants(),
        of_moves(),
        of_campaigns(),
        of_removals(),
        of_controls(),
        of_sessions(),
        of_the_rest(),
    ];
    all.into_iter().flatten().map(Describes::done).collect()
}

fn get(path: &str, summary: &str) -> Describes {
    find(&Method::GET, path, summary)
}

fn post(path: &str, summary: &str) -> Describes {
    find(&Method::POST, path, summary)
}

/// The row of the table that this is about.
fn find(method: &Method, path: &str, summary: &str) -> Describes {
    let rule = TABLE.iter().find(|rule| rule.method == *method && rule.path == path);
    Describes::new(rule.unwrap_or_else(|| panic!("{method} {path} stands in the table of permissions")), summary)
}

fn of_the_topology() -> Vec<Describes> {
    vec![
        get("/v1/topology", "Show the topology in force").answers::<TopologyView>(200, "the topology"),
        find(&Method::PUT, "/v1/topology", "Check a topology, or put it in force")
            .query::<topology::Apply>()
            .file(&YAML)
            .conditional()
            .answers::<TopologyApplied>(200, "it is in force, or was checked")
            .may_wait(),
        post("/v1/topology/rename-endpoint", "Reach a store at another address, once it is proved to be the same")
            .body::<RenameEndpoint>()
            .conditional()
            .answers::<TopologyApplied>(200, "it is reached there from now on")
            .may_wait(),
    ]
}

fn of_tenants() -> Vec<Describes> {
    let control = |verb: &str, summary: &str| {
        let path = format!("/v1/tenants/{{id}}/{verb}");
        post(&path, summary).body::<Change>().answers::<PauseAnswer>(200, "it is as asked for")
    };
    vec![
        get("/v1/tenants", "List tenants").query::<tenants::Filter>().page::<TenantView>("a page of tenants"),
        post("/v1/tenants", "Create a tenant")
            .body::<NewTenant>()
            .answers::<TenantView>(201, "it was created")
            .answers::<TenantView>(200, "the same request had created it"),
        get("/v1/tenants/{id}", "Show a tenant, where it is placed, and where its data may be")
            .answers::<TenantView>(200, "the tenant"),
        post("/v1/tenants/{id}/moves", "Start a move, or show what it would do")
            .body::<NewMove>()
            .answers::<MoveAccepted>(202, "the move was started, or waits for the approval of another person")
            .answers::<MoveAnswer>(200, "the same move, open already; or what the move would do"),
        control("pause", "Pause all work on a tenant"),
        control("resume", "Resume all work on a tenant"),
    ]
}

fn of_moves() -> Vec<Describes> {
    let control = |verb: &str, summary: &str| {
        post(&format!("/v1/moves/{{id}}/{verb}"), summary).body::<Change>().answers::<MoveView>(200, "the move")
    };
    vec![
        get("/v1/moves", "List moves, newest first").query::<moves::Filter>().page::<MoveView>("a page of moves"),
        get("/v1/moves/{id}", "Show a move").answers::<MoveView>(200, "the move"),
        get("/v1/moves/{id}/events", "Follow a move: changes of its state, and the move whenever it has changed")
            .number_header("Last-Event-ID", "Only events after this one.")
            .streams::<StateEvent>(
                EVENTS,
                "server-sent events: `state`, each a `StateEvent`, and `move`, each a `MoveView`",
            ),
        control("cancel", "Cancel a move before it commits: its tenant is online where it was"),
        control("pause", "Pause a move whose tenant is online"),
        control("resume", "Resume a paused move"),
        control("retry", "Try again now instead of waiting"),
        post("/v1/moves/{id}/reschedule", "Give a scheduled move another time or window")
            .body::<Reschedule>()
            .answers::<MoveView>(200, "the move"),
    ]
}

fn of_campaigns() -> Vec<Describes> {
    let control = |verb: &str, summary: &str| {
        post(&format!("/v1/campaigns/{{id}}/{verb}"), summary)
            .body::<Change>()
            .answers::<CampaignView>(200, "the campaign")
    };
    vec![
        get("/v1/campaigns", "List campaigns, newest first")
            .query::<campaigns::Filter>()
            .page::<CampaignView>("a page of campaigns"),
        post("/v1/campaigns", "Move many tenants, or show what that would be")
            .body::<NewCampaign>()
            .answers::<CampaignAccepted>(202, "the campaign was created, or waits for the approval of another person")
            .answers::<CampaignAnswer>(200, "the same request had created it; or what it would do"),
        get("/v1/campaigns/{id}", "Show a campaign").answers::<CampaignView>(200, "the campaign"),
        get("/v1/campaigns/{id}/members", "List its tenants, and what became of each")
            .query::<campaigns::MemberFilter>()
            .page::<MemberView>("a page of members"),
        control("pause", "Start no more moves"),
        control("resume", "Start moves again, with a new allowance of failures"),
        post(
            "/v1/campaigns/{id}/cancel",
            "Cancel it for the tenants that wait, and for those that are moved if asked for",
        )
        .body::<CancelCampaign>()
        .answers::<CampaignView>(200, "the campaign"),
    ]
}

fn of_removals() -> Vec<Describes> {
    let control = |verb: &str, summary: &str| {
        post(&format!("/v1/removals/{{id}}/{verb}"), summary)
            .body::<Change>()
            .answers::<RemovalDetail>(200, "the removal")
    };
    vec![
        get("/v1/removals", "List removals, newest first")
            .query::<removals::Filter>()
            .page::<RemovalDetail>("a page of removals"),
        post("/v1/removals/replay", "Run every failed removal again")
            .body::<ReplayAll>()
            .answers::<ReplayedAll>(200, "those that run again, and those that could not"),
        get("/v1/removals/{id}", "Show a removal").answers::<RemovalDetail>(200, "the removal"),
        get("/v1/removals/{id}/late-writes", "List every key that was written late")
            .streams::<LateWriteLine>(JSON_LINES, "a `LateWriteLine` a line"),
        post("/v1/removals/{id}/replay", "Run a failed removal again")
            .body::<Replay>()
            .answers::<Replayed>(200, "the removal")
            .may_wait(),
        control("pause", "Pause a removal"),
        control("resume", "Resume a paused removal"),
        control("retry", "Try again now instead of waiting"),
    ]
}

fn of_controls() -> Vec<Describes> {
    vec![
        post("/v1/pause", "Pause everything").body::<Change>().answers::<PauseAnswer>(200, "everything is paused"),
        post("/v1/resume", "Resume everything").body::<Change>().answers::<PauseAnswer>(200, "everything goes on"),
        get("/v1/pauses", "List pauses").answers::<PausesView>(200, "what is paused, by whom and why"),
        get("/v1/limits", "List limits").answers::<LimitsView>(200, "the limits, and how they are used"),
        find(&Method::PUT, "/v1/limits", "Set a limit")
            .body::<LimitSet>()
            .conditional()
            .answers::<LimitView>(200, "the limit")
            .may_wait(),
        find(&Method::DELETE, "/v1/limits", "Take a limit away")
            .body::<LimitUnset>()
            .conditional()
            .answers::<LimitsView>(200, "those that are left"),
    ]
}

fn of_sessions() -> Vec<Describes> {
    let of = |path: &str, summary: &str| find(&Method::DELETE, path, summary);
    vec![
        get("/v1/session", "Show who asks").answers::<WhoAmI>(200, "whose token or session it is"),
        of("/v1/session", "Sign out, here or everywhere")
            .body::<LogOut>()
            .answers::<LoggedOut>(200, "how many sessions were ended"),
        get("/v1/sessions", "List the sessions of people who have signed in")
            .query::<sessions::Filter>()
            .page::<SessionView>("a page of sessions"),
        of("/v1/sessions/{id}", "End a session, or all sessions of a person")
            .body::<Change>()
            .answers::<SessionsEnded>(200, "what was ended"),
    ]
}

fn of_the_rest() -> Vec<Describes> {
    vec![
        get("/v1/explain/{id}", "Explain what something waits for, and what can be done")
            .answers::<Explained>(200, "the explanation"),
        get("/v1/audit", "List the audit trail, newest first")
            .query::<audit::Filter>()
            .page::<AuditView>("a page of entries"),
        get("/v1/audit/head", "Show the end of the audit trail's chain")
            .answers::<AuditHead>(200, "the end of the chain"),
        get("/v1/audit/export", "Export the audit trail, oldest first")
            .query::<audit::From>()
            .streams::<AuditLine>(JSON_LINES, "an `AuditLine` a line, the last one is the end of the chain"),
        get("/v1/status", "Show the deployment at a glance")
            .answers::<StatusView>(200, "what needs a person, and what is under way"),
        get("/v1/workers", "List the processes that do the work").answers::<WorkersView>(200, "the processes"),
        get("/v1/ids/{id}", "Find what has an id that begins like this")
            .query::<status::OfKind>()
            .answers::<IdsView>(200, "up to ten things"),
        get("/v1/approvals", "List requests for approval, newest first")
            .query::<approvals::Filter>()
            .page::<ApprovalView>("a page of requests"),
        get("/v1/approvals/{id}", "Show a request for approval").answers::<ApprovalView>(200, "the request"),
        post("/v1/approvals/{id}/approve", "Approve exactly what was asked for, which carries it out")
            .body::<Approve>()
            .answers::<ApprovalView>(200, "it was carried out"),
        post("/v1/approvals/{id}/decline", "Decline a request, or withdraw one's own")
            .body::<Change>()
            .answers::<ApprovalView>(200, "it is not carried out"),
        get("/v1/approval-policy", "Show which actions wait for another person")
            .answers::<ApprovalPolicyView>(200, "the policy"),
        find(&Method::PUT, "/v1/approval-policy", "Say which actions wait for another person")
            .body::<SetApprovalPolicy>()
            .conditional()
            .answers::<ApprovalPolicyView>(200, "it is in force")
            .may_wait(),
        get("/v1/webhooks", "List webhooks, and how far each has been told")
            .answers::<WebhooksView>(200, "the webhooks, by name"),
        get("/v1/webhooks/deliveries", "List deliveries to webhooks, newest first")
            .query::<webhooks::Filter>()
            .page::<DeliveryView>("a page of deliveries"),
        post("/v1/webhooks/deliveries/{id}/replay", "Send a delivery again, with the same id")
            .body::<Change>()
            .answers::<ReplayedDelivery>(200, "what it came to, and the delivery"),
        get("/v1/tokens", "List tokens, without their secrets")
            .query::<tokens::Filter>()
            .page::<TokenView>("a page of tokens"),
        post("/v1/tokens", "Make a token")
            .body::<NewToken>()
            .answers::<CreatedToken>(201, "the token, with its secret: the only time")
            .answers::<TokenAwaitsApproval>(202, "it is good once another person has approved it"),
        find(&Method::DELETE, "/v1/tokens/{id}", "Revoke a token")
            .body::<Change>()
            .answers::<TokenView>(200, "it is refused from now on"),
    ]
}
