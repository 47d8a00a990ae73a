//! `/v1/campaigns`: what is refused, what is shown, and pausing, resuming and cancelling. No runner is at work here.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use server::api::{AuditView, CampaignPlan, CampaignView, IDEMPOTENCY_HEADER, MemberView, MoveView, Page};

use crate::harness::{Answer, Api};

#[tokio::test]
async fn a_campaign_is_created_once_shown_and_listed() {
    let api = Api::with_tenants(&["acme", "beta", "gamma"]).await;
    let body = json!({ "to": "eu", "tenants": ["gamma", "acme", "gamma"], "waveSize": 1, "wavePause": "10m", "maxFailures": "50%",
        "window": "22:00-04:00", "budget": "20m", "priority": "low", "reason": "contract" });
    let create = async |body: &Value| {
        let request = api.request(Method::POST, "/v1/campaigns").header(IDEMPOTENCY_HEADER, "key-1").json(body);
        Answer::of(request).await
    };
    let created: CampaignView = create(&body).await.expect(StatusCode::ACCEPTED).json();
    let facts = (created.state.as_str(), created.total, created.waiting, created.wave_pause_ms, created.at_once);
    assert_eq!(facts, ("running", 2, 2, 600_000, 5));
    assert_eq!((created.max_failures.as_str(), created.window.as_deref()), ("50%", Some("22:00-04:00")));
    let again: CampaignView = create(&body).await.expect(StatusCode::ACCEPTED).json();
    assert_eq!(again.id, created.id);
    create(&json!({ "to": "eu", "fromRealm": "us" })).await.problem(StatusCode::CONFLICT, "idempotency_key_reused");

    let shown: CampaignView = api.get(&format!("/v1/campaigns/{}", created.id)).await.expect(StatusCode::OK).json();
    assert_eq!((shown.id.as_str(), shown.reason.as_str()), (created.id.as_str(), "contract"));
    let path = format!("/v1/campaigns/{}/members", created.id);
    let first: Page<MemberView> = api.get(&format!("{path}?limit=1")).await.expect(StatusCode::OK).json();
    assert_eq!((first.items[0].tenant.as_str(), first.items[0].state.as_str()), ("acme", "waiting"));
    let cursor = first.next_cursor.expect("there is another page");
    let last: Page<MemberView> = api.get(&format!("{path}?cursor={cursor}")).await.expect(StatusCode::OK).json();
    assert_eq!((last.items[0].tenant.as_str(), last.next_cursor), ("gamma", None));
    let done: Page<MemberView> = api.get(&format!("{path}?state=done")).await.expect(StatusCode::OK).json();
    assert!(done.items.is_empty());
    api.get(&format!("{path}?state=finished")).await.problem(StatusCode::BAD_REQUEST, "unknown_state");

    let listed: Page<CampaignView> = api.get("/v1/campaigns?state=running").await.expect(StatusCode::OK).json();
    assert_eq!(listed.items.len(), 1);
    let audit: Page<AuditView> = api.get("/v1/audit").await.expect(StatusCode::OK).json();
    assert_eq!((audit.items[0].action.as_str(), &audit.items[0].after["tenants"]), ("campaign.create", &json!(2)));
}

#[tokio::test]
async fn a_dry_run_plans_every_tenant_and_creates_nothing() {
    let api = Api::with_tenants(&["acme", "beta", "gamma"]).await;
    let busy = api.schedule_move("beta").await;
    let body = json!({ "to": "eu", "tenants": ["acme", "beta", "gamma", "nobody"], "waveSize": 1, "dryRun": true });
    let plan: CampaignPlan = api.post("/v1/campaigns", &body).await.expect(StatusCode::OK).json();
    assert_eq!((plan.total, plan.moves, plan.need_offline, plan.waves), (4, 2, 2, 2));
    let skipped: Vec<_> = plan.skipped.iter().map(|one| (one.tenant.as_str(), one.code.as_str())).collect();
    assert_eq!(skipped, [("beta", "move_in_progress"), ("nobody", "unknown_tenant")]);
    assert!(plan.skipped[0].reason.contains(&busy.id));
    let body = json!({ "to": "eu", "fromRealm": "us", "limit": 2, "dryRun": true });
    let plan: CampaignPlan = api.post("/v1/campaigns", &body).await.expect(StatusCode::OK).json();
    assert_eq!((plan.total, plan.moves), (2, 1));
    let listed: Page<CampaignView> = api.get("/v1/campaigns").await.expect(StatusCode::OK).json();
    assert!(listed.items.is_empty());
}

#[tokio::test]
async fn what_can_not_be_a_campaign_is_refused() {
    let api = Api::with_tenants(&["acme"]).await;
    let refused: [(Value, StatusCode, &str); 15] = [
        (json!({ "to": "eu" }), StatusCode::UNPROCESSABLE_ENTITY, "invalid_tenants"),
        (
            json!({ "to": "eu", "tenants": ["acme"], "fromRealm": "us" }),
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid_tenants",
        ),
        (json!({ "to": "eu", "tenants": ["acme"], "limit": 3 }), StatusCode::UNPROCESSABLE_ENTITY, "invalid_tenants"),
        (json!({ "to": "eu", "tenants": ["A B"] }), StatusCode::BAD_REQUEST, "invalid_tenant_id"),
        (json!({ "to": "eu", "tenants": [] }), StatusCode::CONFLICT, "nothing_to_do"),
        (json!({ "to": "mars", "fromRealm": "us" }), StatusCode::NOT_FOUND, "unknown_realm"),
        (json!({ "to": "us", "fromRealm": "us" }), StatusCode::CONFLICT, "nothing_to_do"),
        (json!({ "to": "eu", "fromRealm": "us", "waveSize": 0 }), StatusCode::BAD_REQUEST, "invalid_wave"),
        (json!({ "to": "eu", "fromRealm": "us", "wavePause": "soon" }), StatusCode::BAD_REQUEST, "invalid_pause"),
        (json!({ "to": "eu", "fromRealm": "us", "maxFailures": 0 }), StatusCode::BAD_REQUEST, "invalid_max_failures"),
        (json!({ "to": "eu", "fromRealm": "us", "window": "22-4" }), StatusCode::BAD_REQUEST, "invalid_window"),
        (json!({ "to": "eu", "fromRealm": "us", "budget": "1s" }), StatusCode::UNPROCESSABLE_ENTITY, "invalid_budget"),
        (json!({ "to": "eu", "fromRealm": "us", "priority": "urgent" }), StatusCode::BAD_REQUEST, "invalid_body"),
        (json!({ "to": "eu", "fromRealm": "us", "priority": 5 }), StatusCode::BAD_REQUEST, "invalid_body"),
        (json!({ "to": "eu", "fromRealm": "us", "wavesize": 1 }), StatusCode::BAD_REQUEST, "invalid_body"),
    ];
    for (body, status, code) in refused {
        api.post("/v1/campaigns", &body).await.problem(status, code);
    }
    api.get("/v1/campaigns/nothing").await.problem(StatusCode::NOT_FOUND, "unknown_campaign");
    api.get("/v1/campaigns/nothing/members").await.problem(StatusCode::NOT_FOUND, "unknown_campaign");
    for verb in ["pause", "resume", "cancel"] {
        let answer = api.post(&format!("/v1/campaigns/nothing/{verb}"), &json!({})).await;
        answer.problem(StatusCode::NOT_FOUND, "unknown_campaign");
    }
}

#[tokio::test]
async fn ten_thousand_tenants_may_be_listed() {
    let api = Api::with_tenants(&["acme"]).await;
    let tenants: Vec<String> = (0..10_000).map(|number| format!("a-tenant-with-a-long-name-{number}")).collect();
    let body = json!({ "to": "eu", "tenants": tenants });
    let created: CampaignView = api.post("/v1/campaigns", &body).await.expect(StatusCode::ACCEPTED).json();
    assert_eq!(created.total, 10_000);
}

#[tokio::test]
async fn a_campaign_is_paused_resumed_and_cancelled() {
    let api = Api::with_tenants(&["acme"]).await;
    let body = json!({ "to": "eu", "fromRealm": "us" });
    let created: CampaignView = api.post("/v1/campaigns", &body).await.expect(StatusCode::ACCEPTED).json();
    let change = async |verb: &str, body: Value| -> CampaignView {
        let path = format!("/v1/campaigns/{}/{verb}", created.id);
        api.post(&path, &body).await.expect(StatusCode::OK).json()
    };
    let paused = change("pause", json!({ "reason": "incident" })).await;
    assert_eq!((paused.state.as_str(), paused.eta_ms), ("paused", None));
    assert!(paused.waiting_for.is_some_and(|what| what.contains("resume")));
    assert_eq!(change("resume", json!({})).await.state, "running");
    let cancelled = change("cancel", json!({ "running": true })).await;
    assert_eq!((cancelled.state.as_str(), cancelled.cancelled), ("cancelling", 1));
    let path = format!("/v1/campaigns/{}/resume", created.id);
    api.post(&path, &json!({})).await.problem(StatusCode::CONFLICT, "campaign_ended");
    let audit: Page<AuditView> = api.get("/v1/audit").await.expect(StatusCode::OK).json();
    let actions: Vec<_> = audit.items.iter().take(3).map(|entry| entry.action.as_str()).collect();
    assert_eq!(actions, ["campaign.cancel", "campaign.resume", "campaign.pause"]);
    assert_eq!(audit.items[2].why, "incident");
}

#[tokio::test]
async fn a_scheduled_move_gets_another_time_or_a_window() {
    let api = Api::with_tenants(&["acme"]).await;
    let window = json!({ "from": "2100-01-01T02:00:00Z", "to": "2100-01-01T04:00:00Z" });
    let body = json!({ "to": "eu", "window": window, "priority": "high" });
    let started: MoveView = api.post("/v1/tenants/acme/moves", &body).await.expect(StatusCode::ACCEPTED).json();
    let shown = started.window.as_ref().map(|window| window.to.as_str());
    assert_eq!((shown, started.priority), (Some("2100-01-01T04:00:00.000Z"), server::api::Priority::High));
    assert!(started.waiting_for.is_some_and(|what| what.contains("its window, from 2100-01-01 02:00:00 UTC")));
    let again: MoveView = api.post("/v1/tenants/acme/moves", &body).await.expect(StatusCode::OK).json();
    assert_eq!(again.id, started.id, "the same request finds the first");
    let path = format!("/v1/moves/{}/reschedule", started.id);
    let outside = api.post(&path, &json!({ "at": "2101-01-01T00:00:00Z" })).await;
    outside.problem(StatusCode::CONFLICT, "outside_window");
    let moved: MoveView = api.post(&path, &json!({ "at": "2100-01-01T03:00:00Z" })).await.expect(StatusCode::OK).json();
    let kept = moved.window.as_ref().map(|window| (window.from.as_str(), window.to.as_str()));
    assert_eq!(kept, Some(("2100-01-01T02:00:00.000Z", "2100-01-01T04:00:00.000Z")), "a time keeps the window");
    assert!(
        moved.waiting_for.is_some_and(|what| what.contains("from 2100-01-01 03:00:00 UTC to 2100-01-01 04:00:00 UTC"))
    );
    api.post(&path, &json!({ "at": "2100-01-01T02:30:00Z" })).await.expect(StatusCode::OK);
    api.post(&path, &json!({ "at": "2001-01-01T00:00:00Z" })).await.problem(StatusCode::BAD_REQUEST, "time_has_passed");
    api.post(&path, &json!({})).await.problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid_time");
    api.post(&path, &json!({ "at": "2101-01-01T00:00:00Z", "window": window }))
        .await
        .problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid_window");
    let upside_down = json!({ "from": "2100-01-01T04:00:00Z", "to": "2100-01-01T02:00:00Z" });
    api.post(&path, &json!({ "window": upside_down }))
        .await
        .problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid_window");
    api.post(&format!("/v1/moves/{}/cancel", started.id), &json!({})).await.expect(StatusCode::OK);
    api.post(&path, &json!({ "window": window })).await.problem(StatusCode::CONFLICT, "move_has_begun");
}
