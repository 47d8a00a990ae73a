//! `/v1/tenants/{id}/moves` and `/v1/moves`, without their events.

use std::time::Duration;

use engine::tables::workflow_table;
use engine::tables::workflow_table::NewWorkflow;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use server::api::{DryRun, IDEMPOTENCY_HEADER, MoveView, Page, TenantView, USER_HEADER};
use store::sql;

use crate::harness::{Answer, Api};

#[tokio::test]
async fn a_dry_run_shows_the_plan_and_changes_nothing() {
    let api = Api::with_tenants(&["acme"]).await;
    let body = json!({ "to": "eu", "dryRun": true });
    let plan: DryRun = api.post("/v1/tenants/acme/moves", &body).await.expect(StatusCode::OK).json();
    assert_eq!((plan.tenant.as_str(), plan.from.as_str(), plan.to.as_str()), ("acme", "us", "eu"));
    assert!(plan.needs_offline);
    let why = plan.no_estimate.clone().expect("no store is there to be asked");
    assert!(plan.estimate.is_none() && why.contains("us-east-1"), "{why}");
    let issues = &plan.plan[0];
    assert_eq!(
        (issues.from_shard.as_deref(), issues.to_shard.as_str()),
        (Some("issues-us-east-1"), "issues-eu-west-1")
    );
    assert_eq!((&issues.add[..], &issues.remove[..]), (&["eu-west-1".to_owned()][..], &["us-east-1".to_owned()][..]));
    assert_eq!(plan.stays_out_of_realm, ["media-service"]);
    let moves: Page<MoveView> = api.get("/v1/moves").await.expect(StatusCode::OK).json();
    assert_eq!(moves.items, []);
    assert!(plan.warnings.is_empty() && plan.offline_allowed_ms == 15 * 60_000, "the deadline: {plan:?}");

    let large = json!({ "to": "eu", "dryRun": true, "budget": "2h", "at": "2100-01-01T00:00:00Z" });
    let large: DryRun = api.post("/v1/tenants/acme/moves", &large).await.expect(StatusCode::OK).json();
    assert_eq!((large.offline_allowed_ms, large.begins.as_str()), (15 * 60_000, "2100-01-01T00:00:00.000Z"));
    assert!(large.warnings[0].contains("120 min has no effect beyond 15 min"), "{large:?}");
    let window = json!({ "from": "2100-01-01T00:00:00Z", "to": "2100-01-01T00:05:00Z" });
    let window = json!({ "to": "eu", "dryRun": true, "window": window });
    let window: DryRun = api.post("/v1/tenants/acme/moves", &window).await.expect(StatusCode::OK).json();
    assert_eq!(window.offline_allowed_ms, 5 * 60_000, "no longer than the window");
    let limit = json!({ "scope": "overall", "slots": 0 });
    Answer::of(api.request(Method::PUT, "/v1/limits").json(&limit)).await.expect(StatusCode::OK);
    let held: DryRun = api.post("/v1/tenants/acme/moves", &body).await.expect(StatusCode::OK).json();
    assert!(held.obstacles.iter().any(|obstacle| obstacle.code == "capacity"), "{:?}", held.obstacles);
    let late = json!({ "to": "eu", "dryRun": true, "at": "2001-01-01T00:00:00Z" });
    api.post("/v1/tenants/acme/moves", &late).await.problem(StatusCode::BAD_REQUEST, "time_has_passed");

    let started = api.schedule_move("acme").await;
    assert_eq!((started.plan_hash, started.plan), (plan.plan_hash, plan.plan));
}

#[tokio::test]
async fn a_move_is_started_once_by_the_same_request() {
    let api = Api::with_tenants(&["acme"]).await;
    let body = json!({ "to": "eu", "at": "2100-01-01T01:00:00+01:00", "budget": "10m", "reason": "asked for" });
    let request = || api.request(Method::POST, "/v1/tenants/acme/moves").header(USER_HEADER, "ada").json(&body);
    let woken = api.waker.notified();
    let answer = Answer::of(request()).await.expect(StatusCode::ACCEPTED);
    tokio::time::timeout(Duration::from_secs(5), woken).await.expect("the runner is told");
    let started: MoveView = answer.json();
    assert_eq!(answer.header("location"), format!("/v1/moves/{}", started.id));
    assert_eq!((started.state.as_str(), started.requested_by.as_str()), ("scheduled", "ada"));
    assert_eq!(started.reason, "asked for");
    assert_eq!(started.waiting_for.as_deref(), Some("its start time, 2100-01-01 00:00:00 UTC"));

    let again: MoveView = Answer::of(request()).await.expect(StatusCode::OK).json();
    assert_eq!(again, started);
    // The same budget and time, written in another way, are the same request.
    let same = json!({ "to": "eu", "at": "2100-01-01T00:00:00Z", "budget": 600 });
    let same: MoveView = api.post("/v1/tenants/acme/moves", &same).await.expect(StatusCode::OK).json();
    assert_eq!(same.id, started.id);

    let another = api.post("/v1/tenants/acme/moves", &json!({ "to": "eu" })).await;
    let problem = another.problem(StatusCode::CONFLICT, "move_in_progress");
    assert!(problem.detail.contains(&started.id), "{}", problem.detail);
    let shown: MoveView = api.get(&format!("/v1/moves/{}", started.id)).await.expect(StatusCode::OK).json();
    assert_eq!(shown, started);
    let tenant: TenantView = api.get("/v1/tenants/acme").await.expect(StatusCode::OK).json();
    assert_eq!((tenant.active_move.as_ref(), tenant.status.as_str()), (Some(&started.id), "online"));
}

#[tokio::test]
async fn an_idempotency_key_finds_its_move_and_no_other() {
    let api = Api::with_tenants(&["acme", "beta"]).await;
    let start = |tenant: &str, key: &str| {
        let body = json!({ "to": "eu", "at": "2100-01-01T00:00:00Z" });
        let request = api.request(Method::POST, &format!("/v1/tenants/{tenant}/moves"));
        Answer::of(request.header(IDEMPOTENCY_HEADER, key).json(&body))
    };
    let first: MoveView = start("acme", "key-1").await.expect(StatusCode::ACCEPTED).json();
    api.post(&format!("/v1/moves/{}/cancel", first.id), &json!({})).await.expect(StatusCode::OK);
    // Even now that it has ended: the same request is not a wish for another move.
    let again: MoveView = start("acme", "key-1").await.expect(StatusCode::ACCEPTED).json();
    assert_eq!(again, first);
    start("beta", "key-1").await.problem(StatusCode::CONFLICT, "idempotency_key_reused");
    let second: MoveView = start("acme", "key-2").await.expect(StatusCode::ACCEPTED).json();
    assert_ne!(second.id, first.id);
    start("acme", "").await.problem(StatusCode::BAD_REQUEST, "invalid_idempotency_key");
    start("acme", &"k".repeat(256)).await.problem(StatusCode::BAD_REQUEST, "invalid_idempotency_key");
}

#[tokio::test]
async fn what_can_not_be_moved_is_refused() {
    let api = Api::with_tenants(&["acme"]).await;
    let start = async |tenant: &str, body: Value| api.post(&format!("/v1/tenants/{tenant}/moves"), &body).await;
    start("nobody", json!({ "to": "eu" })).await.problem(StatusCode::NOT_FOUND, "unknown_tenant");
    start("acme", json!({ "to": "mars" })).await.problem(StatusCode::NOT_FOUND, "unknown_realm");
    start("acme", json!({ "to": "us" })).await.problem(StatusCode::CONFLICT, "nothing_to_do");
    start("acme", json!({ "to": "us", "dryRun": true })).await.problem(StatusCode::CONFLICT, "nothing_to_do");
    for at in ["tomorrow", "2100-01-01", "2100-01-01T00:00:00", ""] {
        start("acme", json!({ "to": "eu", "at": at })).await.problem(StatusCode::BAD_REQUEST, "invalid_time");
    }
    for budget in [json!("soon"), json!(0), json!("0s"), json!("")] {
        let answer = start("acme", json!({ "to": "eu", "budget": budget })).await;
        answer.problem(StatusCode::BAD_REQUEST, "invalid_budget");
    }
    let problem =
        start("acme", json!({ "to": "eu", "budget": [1] })).await.problem(StatusCode::BAD_REQUEST, "invalid_body");
    assert!(problem.detail.contains("10m"), "{}", problem.detail);
    let problem = start("acme", json!({ "at": null })).await.problem(StatusCode::BAD_REQUEST, "invalid_body");
    assert!(problem.detail.contains("`to`"), "{}", problem.detail);
    api.get("/v1/moves/nothing").await.problem(StatusCode::NOT_FOUND, "unknown_move");
    api.post("/v1/moves/nothing/cancel", &json!({})).await.problem(StatusCode::NOT_FOUND, "unknown_move");
}

#[tokio::test]
async fn a_scheduled_move_is_cancelled_for_good() {
    let api = Api::with_tenants(&["acme"]).await;
    let started = api.schedule_move("acme").await;
    let path = format!("/v1/moves/{}/cancel", started.id);
    let cancelled: MoveView = api.post(&path, &json!({ "reason": "no longer" })).await.expect(StatusCode::OK).json();
    assert_eq!((cancelled.state.as_str(), cancelled.offline_ms), ("rolled_back", 0));
    assert_eq!(cancelled.error.as_ref().map(|error| error.code.as_str()), Some("cancelled"));
    // Again, and with no body at all.
    let again: MoveView = api.post_text(&path, "").await.expect(StatusCode::OK).json();
    assert_eq!(again, cancelled);
    let tenant: TenantView = api.get("/v1/tenants/acme").await.expect(StatusCode::OK).json();
    assert_eq!((tenant.active_move, tenant.epoch), (None, 1));
    let next = api.schedule_move("acme").await;
    assert_ne!(next.id, started.id);
}

#[tokio::test]
async fn a_move_that_has_committed_is_not_cancelled() {
    let api = Api::with_tenants(&["acme"]).await;
    let started = api.schedule_move("acme").await;
    complete(&api, &started.id).await;
    let answer = api.post(&format!("/v1/moves/{}/cancel", started.id), &json!({})).await;
    let problem = answer.problem(StatusCode::CONFLICT, "already_committed");
    assert!(problem.detail.contains("us"), "it says how to go back: {}", problem.detail);
}

/// Writes into the store what a runner would have, as far as the move itself goes.
async fn complete(api: &Api, id: &str) {
    let mut tx = api.deployment.store.begin().await.expect("a transaction");
    let record = workflow_table::get(&mut tx, id).await.expect("a row").expect("the move");
    let mut data: Value = serde_json::from_str(&record.data).expect("JSON");
    let amount = json!({ "items": 0, "objects": 0, "bytes": 0 });
    let committed = json!({ "offline_ms": 5, "copied": amount, "verified": true, "removals": [] });
    data["stage"] = json!({ "name": "completed", "committed": committed, "warnings": [] });
    sql("UPDATE workflows SET state = 'completed', data = $2, wake_at = NULL, finished_at = 1 WHERE id = $1")
        .bind(id)
        .bind(data.to_string())
        .execute(&mut tx)
        .await
        .expect("written");
    tx.commit().await.expect("committed");
}

#[tokio::test]
async fn moves_are_listed_newest_first_by_tenant_and_state() {
    let api = Api::with_tenants(&["acme", "beta", "gamma"]).await;
    let mut ids = Vec::new();
    for tenant in ["acme", "beta", "gamma"] {
        ids.insert(0, api.schedule_move(tenant).await.id);
    }
    api.post(&format!("/v1/moves/{}/cancel", ids[0]), &json!({})).await.expect(StatusCode::OK);
    let list = async |query: &str| -> Page<MoveView> {
        api.get(&format!("/v1/moves{query}")).await.expect(StatusCode::OK).json()
    };
    let names = |page: &Page<MoveView>| page.items.iter().map(|item| item.id.clone()).collect::<Vec<_>>();

    let first = list("?limit=2").await;
    assert_eq!(names(&first), ids[..2]);
    let cursor = first.next_cursor.expect("there is another page");
    let last = list(&format!("?limit=2&cursor={cursor}")).await;
    assert_eq!((names(&last), last.next_cursor), (vec![ids[2].clone()], None));
    assert_eq!(names(&list("?tenant=beta").await), [ids[1].clone()]);
    assert_eq!(names(&list("?state=scheduled").await), ids[1..]);
    assert_eq!(names(&list("?state=rolled_back&tenant=gamma").await), [ids[0].clone()]);
    assert_eq!(names(&list("?state=completed").await), Vec::<String>::new());
    let problem = api.get("/v1/moves?state=done").await.problem(StatusCode::BAD_REQUEST, "unknown_state");
    assert!(problem.detail.contains("completed"), "{}", problem.detail);
    api.get("/v1/moves?tenant=A%20B").await.problem(StatusCode::BAD_REQUEST, "invalid_tenant_id");
}

#[tokio::test]
async fn what_another_version_wrote_is_shown_in_short_and_without_internals() {
    let api = Api::with_tenants(&["acme"]).await;
    let mut tx = api.deployment.store.begin().await.expect("a transaction");
    let new = NewWorkflow {
        id: "strange",
        kind: <workflows::realm_move::RealmMove as engine::Workflow>::KIND,
        subject: "acme",
        start_key: None,
        request: "",
        state: "scheduled",
        data: "{\"secret\":1}".to_owned(),
        wake_at: i64::MAX,
        priority: engine::Priority::Normal,
    };
    workflow_table::insert(&mut tx, new, 1).await.expect("inserted");
    tx.commit().await.expect("committed");
    let shown: serde_json::Value = api.get("/v1/moves/strange").await.expect(StatusCode::OK).json();
    assert_eq!((&shown["id"], &shown["state"]), (&json!("strange"), &json!("scheduled")));
    assert!(!shown.to_string().contains("secret"), "{shown}");
}
