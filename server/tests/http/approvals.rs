//! Two people for one action: what waits, who may approve it, and that it is carried out exactly once.

use std::sync::Arc;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use server::ServerSettings;
use server::api::{
    ApprovalNeeded, ApprovalState, ApprovalView, AuditView, CreatedToken, MoveView, Page, TenantView,
    TokenAwaitsApproval,
};
use workflows::access::TokenKeys;

use crate::harness::{Answer, Api, TOPOLOGY};

/// The server's own token, which several may share.
const SHARED: &str = "the-servers-own-token";

/// A server where everything waits, with tokens of four people.
struct House {
    api: Api,
    sam: String,
    ada: String,
    root: String,
    chief: String,
}

const ALL: [&str; 5] = ["move", "campaign", "accepting_replay", "topology", "limit_zero"];

impl House {
    async fn new(actions: &[&str]) -> Self {
        let keys = TokenKeys::parse("a-key-of-this-test\n").expect("a key");
        let token = Some(SHARED.parse().expect("a token"));
        let settings = ServerSettings { token, token_keys: Arc::new(keys), ..ServerSettings::default() };
        let api = Api::with(settings).await;
        let request = api.request(Method::PUT, "/v1/topology").bearer_auth(SHARED);
        Answer::of(request.header(CONTENT_TYPE, "application/yaml").body(TOPOLOGY)).await.expect(StatusCode::OK);
        let tenant = json!({ "id": "acme", "host": "acme.example.com", "realm": "us" });
        ask(&api, SHARED, "POST", "/v1/tenants", &tenant).await.expect(StatusCode::CREATED);
        let mut secrets = Vec::new();
        for (name, role) in [("sam", "support"), ("ada", "support"), ("root", "admin"), ("chief", "admin")] {
            let made = ask(&api, SHARED, "POST", "/v1/tokens", &json!({ "name": name, "role": role })).await;
            secrets.push(made.expect(StatusCode::CREATED).json::<CreatedToken>().secret);
        }
        let policy = json!({ "actions": actions, "reason": "two of us" });
        ask(&api, SHARED, "PUT", "/v1/approval-policy", &policy).await.expect(StatusCode::OK);
        let [sam, ada, root, chief] = secrets.try_into().expect("four");
        Self { api, sam, ada, root, chief }
    }

    async fn waits(&self, token: &str, (method, path): (&str, &str), body: &Value) -> ApprovalView {
        let answer = ask(&self.api, token, method, path, body).await.expect(StatusCode::ACCEPTED);
        let ApprovalNeeded { approval } = answer.json();
        assert_eq!(answer.header("location"), format!("/v1/approvals/{}", approval.id));
        assert_eq!(approval.state, ApprovalState::Pending);
        approval
    }

    async fn asks_for_a_move(&self) -> ApprovalView {
        let body = json!({ "to": "eu", "at": "2100-01-01T00:00:00Z", "reason": "contract" });
        self.waits(&self.sam, ("POST", "/v1/tenants/acme/moves"), &body).await
    }

    async fn approve(&self, token: &str, approval: &ApprovalView) -> Answer {
        let path = format!("/v1/approvals/{}/approve", approval.id);
        ask(&self.api, token, "POST", &path, &json!({ "hash": approval.hash, "reason": "looked at it" })).await
    }

    async fn moves(&self) -> Vec<MoveView> {
        ask(&self.api, SHARED, "GET", "/v1/moves", &Value::Null).await.json::<Page<MoveView>>().items
    }

    async fn trail(&self) -> Vec<AuditView> {
        ask(&self.api, SHARED, "GET", "/v1/audit?limit=500", &Value::Null).await.json::<Page<AuditView>>().items
    }
}

async fn ask(api: &Api, token: &str, method: &str, path: &str, body: &Value) -> Answer {
    let request = api.request(method.parse().expect("a method"), path).bearer_auth(token);
    Answer::of(if method == "GET" { request } else { request.json(body) }).await
}

#[tokio::test]
async fn another_person_approves_what_was_asked_for_and_it_is_carried_out_once() {
    let house = House::new(&["move"]).await;
    let approval = house.asks_for_a_move().await;
    assert!(house.moves().await.is_empty(), "nothing is started yet");
    let tenant: TenantView = ask(&house.api, SHARED, "GET", "/v1/tenants/acme", &Value::Null).await.json();
    assert_eq!(tenant.active_move, None);
    assert_eq!((approval.action.as_str(), approval.tenant.as_deref()), ("move", Some("acme")));
    assert_eq!((approval.requested_by.as_str(), approval.reason.as_str()), ("sam", "contract"));
    assert_eq!(approval.content["request"]["to"], "eu");
    assert_eq!(approval.content["request"]["at"], "2100-01-01T00:00:00.000Z");
    assert_eq!(approval.summary, "move tenant acme to eu at 2100-01-01 00:00:00 UTC");
    let status: Value = ask(&house.api, SHARED, "GET", "/v1/status", &Value::Null).await.json();
    assert!(status["attention"].to_string().contains("1 request waits for the approval"), "{status}");
    assert!(approval.content["planHash"].is_string(), "{}", approval.content);
    assert_eq!(house.asks_for_a_move().await.id, approval.id, "asked for again, it is the same request");

    let approved: ApprovalView = house.approve(&house.ada, &approval).await.expect(StatusCode::OK).json();
    assert_eq!((approved.state, approved.decided_by.as_deref()), (ApprovalState::Approved, Some("ada")));
    let started = approved.outcome.expect("it came to something").started_move.expect("a move");
    let moves = house.moves().await;
    assert_eq!(moves.iter().map(|found| &found.id).collect::<Vec<_>>(), [&started]);
    house.approve(&house.root, &approval).await.problem(StatusCode::CONFLICT, "approval_not_pending");
    assert_eq!(house.moves().await.len(), 1);

    let trail = house.trail().await;
    let who = |action: &str| trail.iter().find(|entry| entry.action == action).map(|entry| entry.who.as_str());
    assert_eq!(who("approval.request"), Some("sam"));
    assert_eq!(who("approval.approve"), Some("ada"));
    assert_eq!(who("move.start"), Some("sam (approved by ada)"));
    let entry = trail.iter().find(|entry| entry.action == "approval.approve").expect("it is there");
    assert_eq!((entry.after["hash"].as_str(), entry.tenant.as_deref()), (Some(approval.hash.as_str()), Some("acme")));
}

#[tokio::test]
async fn nobody_else_approves_and_nothing_else_is_approved() {
    let house = House::new(&["move"]).await;
    let approval = house.asks_for_a_move().await;
    house.approve(&house.sam, &approval).await.problem(StatusCode::CONFLICT, "approval_own");
    house.approve(SHARED, &approval).await.problem(StatusCode::CONFLICT, "approval_needs_a_name");
    let other = ApprovalView { hash: "0".repeat(32), ..approval.clone() };
    house.approve(&house.ada, &other).await.problem(StatusCode::CONFLICT, "approval_other_content");
    let other = ApprovalView { id: "0199f3a1-0000-7000-8000-000000000000".to_owned(), ..approval.clone() };
    house.approve(&house.ada, &other).await.problem(StatusCode::NOT_FOUND, "unknown_approval");
    // Too late.
    let mut tx = house.api.deployment.store.begin().await.expect("a transaction");
    store::sql("UPDATE approvals SET expires_at = 1").execute(&mut tx).await.expect("it is aged");
    tx.commit().await.expect("it is committed");
    house.approve(&house.ada, &approval).await.problem(StatusCode::CONFLICT, "approval_expired");
    let shown = ask(&house.api, &house.ada, "GET", &format!("/v1/approvals/{}", approval.id), &Value::Null).await;
    assert_eq!(shown.json::<ApprovalView>().state, ApprovalState::Expired);
    assert!(house.moves().await.is_empty());
    assert_ne!(house.asks_for_a_move().await.id, approval.id, "it is asked for anew");
}

#[tokio::test]
async fn who_asks_without_a_name_or_with_a_token_that_was_revoked_gets_nothing() {
    let house = House::new(&["move"]).await;
    let body = json!({ "to": "eu" });
    let nobody = ask(&house.api, SHARED, "POST", "/v1/tenants/acme/moves", &body).await;
    nobody.problem(StatusCode::CONFLICT, "approval_needs_a_name");
    let approval = house.asks_for_a_move().await;
    ask(&house.api, SHARED, "DELETE", "/v1/tokens/sam", &json!({})).await.expect(StatusCode::OK);
    house.approve(&house.ada, &approval).await.problem(StatusCode::CONFLICT, "approval_requester_gone");
    assert!(house.moves().await.is_empty());
}

#[tokio::test]
async fn what_would_be_refused_is_refused_when_it_is_asked_for() {
    let house = House::new(&ALL).await;
    let asked = async |body: Value| ask(&house.api, &house.sam, "POST", "/v1/tenants/acme/moves", &body).await;
    asked(json!({ "to": "mars" })).await.problem(StatusCode::NOT_FOUND, "unknown_realm");
    asked(json!({ "to": "us" })).await.problem(StatusCode::CONFLICT, "nothing_to_do");
    // A dry run changes nothing and waits for nobody.
    asked(json!({ "to": "eu", "dryRun": true })).await.expect(StatusCode::OK);
    let listed = ask(&house.api, &house.sam, "GET", "/v1/approvals", &Value::Null).await.expect(StatusCode::OK);
    assert!(listed.json::<Page<ApprovalView>>().items.is_empty());
}

#[tokio::test]
async fn an_approval_that_is_refused_goes_on_waiting() {
    let house = House::new(&["move"]).await;
    let approval = house.asks_for_a_move().await;
    let other = house.waits(&house.ada, ("POST", "/v1/tenants/acme/moves"), &json!({ "to": "global" })).await;
    house.approve(&house.ada, &approval).await.expect(StatusCode::OK);
    house.approve(&house.sam, &other).await.problem(StatusCode::CONFLICT, "move_in_progress");
    let shown = ask(&house.api, &house.ada, "GET", &format!("/v1/approvals/{}", other.id), &Value::Null).await;
    assert_eq!(shown.json::<ApprovalView>().state, ApprovalState::Pending);
    assert_eq!(house.moves().await.len(), 1);
}

#[tokio::test]
async fn a_request_is_declined_by_another_and_withdrawn_by_whoever_asked() {
    let house = House::new(&["move"]).await;
    for (token, state, action) in [
        (&house.ada, ApprovalState::Declined, "approval.decline"),
        (&house.sam, ApprovalState::Withdrawn, "approval.withdraw"),
    ] {
        let approval = house.asks_for_a_move().await;
        let path = format!("/v1/approvals/{}/decline", approval.id);
        let declined = ask(&house.api, token, "POST", &path, &json!({ "reason": "not today" })).await;
        let declined: ApprovalView = declined.expect(StatusCode::OK).json();
        assert_eq!((declined.state, declined.decision_reason.as_deref()), (state, Some("not today")));
        house.approve(&house.ada, &approval).await.problem(StatusCode::CONFLICT, "approval_not_pending");
        assert!(house.trail().await.iter().any(|entry| entry.action == action));
    }
    let pending = ask(&house.api, &house.ada, "GET", "/v1/approvals?state=pending", &Value::Null).await;
    assert!(pending.json::<Page<ApprovalView>>().items.is_empty());
    let all = ask(&house.api, &house.ada, "GET", "/v1/approvals?tenant=acme", &Value::Null).await;
    assert_eq!(all.json::<Page<ApprovalView>>().items.len(), 2);
    let wrong = ask(&house.api, &house.ada, "GET", "/v1/approvals?state=waiting", &Value::Null).await;
    wrong.problem(StatusCode::BAD_REQUEST, "unknown_state");
}

/// Each action that may wait: what is asked for, and what is seen before and after.
#[tokio::test]
async fn every_action_of_the_policy_waits_and_is_carried_out() {
    let house = House::new(&ALL).await;
    let yaml = TOPOLOGY.replacen("realms:", "realms:\n  apac: { dataRegions: [us-east-1] }", 1);
    let request = house.api.request(Method::PUT, "/v1/topology").bearer_auth(&house.root);
    let answer = Answer::of(request.header(CONTENT_TYPE, "application/yaml").body(yaml)).await;
    let topology: ApprovalNeeded = answer.expect(StatusCode::ACCEPTED).json();
    let campaign = json!({ "to": "eu", "tenants": ["acme"], "window": "01:00-02:00" });
    let campaign = house.waits(&house.sam, ("POST", "/v1/campaigns"), &campaign).await;
    let limit = house.waits(&house.root, ("PUT", "/v1/limits"), &json!({ "scope": "overall", "slots": 0 })).await;
    // Another limit does not wait.
    let slots = json!({ "scope": "region:us-east-1", "slots": 3 });
    ask(&house.api, &house.root, "PUT", "/v1/limits", &slots).await.expect(StatusCode::OK);
    let before = ask(&house.api, SHARED, "GET", "/v1/limits", &Value::Null).await.json::<Value>();
    assert_eq!(before["items"].as_array().map(Vec::len), Some(1));

    // Support may not decide about what admins do.
    house.approve(&house.sam, &topology.approval).await.problem(StatusCode::FORBIDDEN, "forbidden");
    let done: ApprovalView = house.approve(&house.chief, &topology.approval).await.expect(StatusCode::OK).json();
    assert_eq!(done.outcome.and_then(|outcome| outcome.topology_version), Some(2));
    let done: ApprovalView = house.approve(&house.ada, &campaign).await.expect(StatusCode::OK).json();
    let id = done.outcome.and_then(|outcome| outcome.campaign).expect("a campaign");
    ask(&house.api, SHARED, "GET", &format!("/v1/campaigns/{id}"), &Value::Null).await.expect(StatusCode::OK);
    house.approve(&house.chief, &limit).await.expect(StatusCode::OK);
    let after = ask(&house.api, SHARED, "GET", "/v1/limits", &Value::Null).await.json::<Value>();
    assert_eq!(after["items"][0]["slots"], json!(0));
}

#[tokio::test]
async fn a_move_whose_plan_is_another_one_by_now_is_not_started() {
    let house = House::new(&["move"]).await;
    let approval = house.asks_for_a_move().await;
    let yaml = TOPOLOGY.replacen("  eu:", "  eu2: { dataRegions: [us-east-1] }\n  eu:", 1);
    let yaml = yaml.replacen("shard: issues-eu-west-1", "shard: issues-eu-west-1-b", 1);
    let request = house.api.request(Method::PUT, "/v1/topology?accept=true").bearer_auth(SHARED);
    Answer::of(request.header(CONTENT_TYPE, "application/yaml").body(yaml)).await.expect(StatusCode::OK);
    house.approve(&house.ada, &approval).await.problem(StatusCode::CONFLICT, "plan_changed");
    assert!(house.moves().await.is_empty());
}

#[tokio::test]
async fn a_token_is_no_second_person_before_somebody_approves_it() {
    let house = House::new(&["move"]).await;
    let body = json!({ "name": "sam2", "role": "support" });
    let answer = ask(&house.api, &house.root, "POST", "/v1/tokens", &body).await.expect(StatusCode::ACCEPTED);
    let TokenAwaitsApproval { approval, secret } = answer.json();
    assert_eq!(answer.header("cache-control"), "no-store");
    assert!(approval.content.get("hash").is_none() && approval.content.get("hashKey").is_none());
    assert_eq!(approval.content["name"], "sam2");
    let waits = house.asks_for_a_move().await;
    house.approve(&secret, &waits).await.problem(StatusCode::UNAUTHORIZED, "unauthorized");
    let mut tx = house.api.deployment.store.read().await.expect("a transaction");
    let kept = store::sql("SELECT content FROM approvals ORDER BY id LIMIT 1").fetch_one(&mut tx).await.expect("a row");
    let random = secret.rsplit('_').next().expect("its secret").to_owned();
    assert!(!kept.text("content").expect("text").contains(&random));
    tx.rollback().await.expect("it ends");
    house.approve(&house.root, &approval).await.problem(StatusCode::CONFLICT, "approval_own");
    house.approve(&house.chief, &approval).await.expect(StatusCode::OK);
    house.approve(&secret, &waits).await.expect(StatusCode::OK);
}

#[tokio::test]
async fn a_policy_is_made_stronger_at_once_and_weaker_by_two() {
    let house = House::new(&["move"]).await;
    let set = async |token: &str, body: Value| ask(&house.api, token, "PUT", "/v1/approval-policy", &body).await;
    let more = json!({ "actions": ["move", "topology"], "validFor": "4h" });
    let policy: Value = set(&house.root, more.clone()).await.expect(StatusCode::OK).json();
    assert_eq!((&policy["validForMs"], &policy["setBy"]), (&json!(14_400_000), &json!("root")));
    for weaker in [json!({ "actions": ["move"], "validFor": "4h" }), json!({ "actions": ["move", "topology"] })] {
        let answer = set(&house.root, weaker.clone()).await.expect(StatusCode::ACCEPTED);
        set(SHARED, weaker).await.problem(StatusCode::CONFLICT, "approval_needs_a_name");
        let ApprovalNeeded { approval } = answer.json();
        house.approve(&house.root, &approval).await.problem(StatusCode::CONFLICT, "approval_own");
    }
    let none = set(&house.root, json!({ "actions": [], "validFor": "4h" })).await.expect(StatusCode::ACCEPTED);
    house.approve(&house.chief, &none.json::<ApprovalNeeded>().approval).await.expect(StatusCode::OK);
    let body = json!({ "to": "eu", "at": "2100-01-01T00:00:00Z" });
    let started = ask(&house.api, &house.sam, "POST", "/v1/tenants/acme/moves", &body).await;
    started.expect(StatusCode::ACCEPTED).json::<MoveView>();
    for bad in [
        json!({ "actions": ["token"] }),
        json!({ "actions": [], "validFor": "1m" }),
        json!({ "actions": [], "validFor": "soon" }),
    ] {
        set(&house.root, bad).await.problem(StatusCode::BAD_REQUEST, "invalid_policy");
    }
    set(&house.root, json!({ "actions": ["moves"] })).await.problem(StatusCode::BAD_REQUEST, "invalid_body");
}

#[tokio::test]
async fn a_token_for_some_tenants_sees_their_requests_only() {
    let house = House::new(&["move", "topology"]).await;
    let scoped = async |name: &str, tenant: &str| {
        let body = json!({ "name": name, "role": "support", "scope": { "tenants": [tenant] } });
        let answer = ask(&house.api, &house.root, "POST", "/v1/tokens", &body).await.expect(StatusCode::ACCEPTED);
        let TokenAwaitsApproval { approval, secret } = answer.json();
        house.approve(&house.chief, &approval).await.expect(StatusCode::OK);
        secret
    };
    let (mine, others) = (scoped("mine", "acme").await, scoped("others", "beta").await);
    let approval = house.asks_for_a_move().await;
    let path = format!("/v1/approvals/{}", approval.id);
    ask(&house.api, &others, "GET", &path, &Value::Null).await.problem(StatusCode::FORBIDDEN, "out_of_scope");
    house.approve(&others, &approval).await.problem(StatusCode::FORBIDDEN, "out_of_scope");
    ask(&house.api, &mine, "GET", "/v1/approvals", &Value::Null).await.problem(StatusCode::FORBIDDEN, "out_of_scope");
    ask(&house.api, &mine, "GET", &path, &Value::Null).await.expect(StatusCode::OK);
    house.approve(&mine, &approval).await.expect(StatusCode::OK);
}
