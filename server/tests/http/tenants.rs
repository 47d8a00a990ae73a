//! `/v1/tenants`.

use reqwest::{Method, StatusCode};
use serde_json::json;
use server::api::{IDEMPOTENCY_HEADER, Page, TenantView};

use crate::harness::{Answer, Api};

#[tokio::test]
async fn a_tenant_is_created_once_and_shown_with_its_places() {
    let api = Api::new().await;
    let body = json!({ "id": "acme", "host": "Acme.Example.com", "realm": "us", "reason": "signed up" });
    let answer = api.post("/v1/tenants", &body).await.expect(StatusCode::CREATED);
    assert_eq!(answer.header("location"), "/v1/tenants/acme");
    let created: TenantView = answer.json();
    assert_eq!(
        (created.host.as_deref(), created.status.as_str(), created.epoch),
        (Some("acme.example.com"), "online", 1)
    );

    let again: TenantView = api.post("/v1/tenants", &body).await.expect(StatusCode::OK).json();
    assert_eq!(again, created);

    let shown: TenantView = api.get("/v1/tenants/acme").await.expect(StatusCode::OK).json();
    let placements = shown.placements.clone().expect("a tenant asked for by id shows its placements");
    let names: Vec<_> = placements.iter().map(|at| (at.service.as_str(), at.shard.as_str())).collect();
    assert_eq!(names, [("issue-service", "issues-us-east-1"), ("media-service", "media-us-east-1")]);
    let entries = shown.ledger.clone().expect("and its entries");
    assert_eq!(entries.len(), 2);
    assert_eq!(
        (entries[0].state.as_str(), entries[0].generation, entries[0].location.as_str()),
        ("live", 1, "us-east-1")
    );
    assert_eq!(entries[1].location_key, "s3|127.0.0.1:2|media-us-east-1|acme/");
    assert_eq!(TenantView { placements: None, ledger: None, ..shown }, created);
}

#[tokio::test]
async fn the_json_has_the_names_of_the_contract() {
    let api = Api::with_tenants(&["acme"]).await;
    api.schedule_move("acme").await;
    let shown: serde_json::Value = api.get("/v1/tenants/acme").await.expect(StatusCode::OK).json();
    let object = shown.as_object().expect("an object");
    let names: Vec<_> = object.keys().map(String::as_str).collect();
    for name in ["id", "host", "realm", "status", "epoch", "activeMove", "createdAt", "placements", "ledger"] {
        assert!(names.contains(&name), "{name} is missing from {names:?}");
    }
    assert!(!names.contains(&"leaseUntil"), "it is not moving yet");
    let entry = shown["ledger"][0].as_object().expect("an entry");
    for name in ["service", "location", "locationKey", "state", "generation", "workflow"] {
        assert!(entry.contains_key(name), "{name} is missing from {entry:?}");
    }
}

#[tokio::test]
async fn another_tenant_under_the_same_id_or_host_is_refused() {
    let api = Api::with_tenants(&["acme"]).await;
    let body = |id: &str, host: &str, realm: &str| json!({ "id": id, "host": host, "realm": realm });
    let answer = api.post("/v1/tenants", &body("acme", "other.example.com", "us")).await;
    answer.problem(StatusCode::CONFLICT, "tenant_exists");
    let answer = api.post("/v1/tenants", &body("acme", "acme.example.com", "eu")).await;
    answer.problem(StatusCode::CONFLICT, "tenant_exists");
    let answer = api.post("/v1/tenants", &body("other", "acme.example.com", "us")).await;
    assert!(answer.problem(StatusCode::CONFLICT, "host_taken").detail.contains("acme"));
}

#[tokio::test]
async fn what_can_not_be_a_tenant_is_refused() {
    let api = Api::new().await;
    let body = |id: &str, host: &str, realm: &str| json!({ "id": id, "host": host, "realm": realm });
    let answer = api.post("/v1/tenants", &body("No Good", "a.example.com", "us")).await;
    answer.problem(StatusCode::BAD_REQUEST, "invalid_tenant_id");
    let answer = api.post("/v1/tenants", &body("acme", "a.example.com:8080", "us")).await;
    answer.problem(StatusCode::BAD_REQUEST, "invalid_host");
    let answer = api.post("/v1/tenants", &body("acme", "a.example.com", "mars")).await;
    answer.problem(StatusCode::NOT_FOUND, "unknown_realm");
    let mut wordy = body("acme", "a.example.com", "us");
    wordy["reason"] = "a".repeat(1001).into();
    api.post("/v1/tenants", &wordy).await.problem(StatusCode::BAD_REQUEST, "invalid_reason");
    api.get("/v1/tenants/acme").await.problem(StatusCode::NOT_FOUND, "unknown_tenant");
    for odd in ["%00", "%ff", "Acme", &"a".repeat(1000)] {
        assert_eq!(api.get(&format!("/v1/tenants/{odd}")).await.status, StatusCode::NOT_FOUND, "{odd}");
    }
}

#[tokio::test]
async fn without_a_topology_there_is_nowhere_to_place_a_tenant() {
    let api = Api::empty().await;
    let body = json!({ "id": "acme", "host": "acme.example.com", "realm": "us" });
    api.post("/v1/tenants", &body).await.problem(StatusCode::CONFLICT, "no_topology");
}

#[tokio::test]
async fn pages_hold_every_tenant_once() {
    let api = Api::with_tenants(&["a", "b", "c", "d", "e"]).await;
    let body = json!({ "id": "bb", "host": "bb.example.com", "realm": "eu" });
    api.post("/v1/tenants", &body).await.expect(StatusCode::CREATED);
    let (mut seen, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let page: Page<TenantView> =
            api.get(&format!("/v1/tenants?realm=us&limit=2&cursor={cursor}")).await.expect(StatusCode::OK).json();
        assert!(page.items.len() <= 2);
        seen.extend(page.items.into_iter().map(|tenant| tenant.id));
        pages += 1;
        assert!(pages <= 3, "the pages do not end");
        match page.next_cursor {
            Some(next) => cursor = next,
            None => break,
        }
    }
    assert_eq!((seen.join(""), pages), ("abcde".to_owned(), 3));
    let all: Page<TenantView> = api.get("/v1/tenants").await.expect(StatusCode::OK).json();
    assert_eq!((all.items.len(), all.next_cursor), (6, None));
    let exact: Page<TenantView> = api.get("/v1/tenants?limit=6").await.expect(StatusCode::OK).json();
    assert_eq!((exact.items.len(), exact.next_cursor), (6, None));
}

#[tokio::test]
async fn wrong_pages_are_refused() {
    let api = Api::empty().await;
    for limit in ["0", "501", "-1", "many", ""] {
        let answer = api.get(&format!("/v1/tenants?limit={limit}")).await;
        answer.problem(StatusCode::BAD_REQUEST, "invalid_limit");
    }
    api.get("/v1/tenants?limit=500").await.expect(StatusCode::OK);
    api.get("/v1/tenants?cursor=%00").await.problem(StatusCode::BAD_REQUEST, "invalid_cursor");
    api.get("/v1/tenants?realm=a%00").await.problem(StatusCode::BAD_REQUEST, "invalid_realm");
    let problem = api.get("/v1/tenants?relm=us").await.problem(StatusCode::BAD_REQUEST, "invalid_query");
    assert!(problem.detail.contains("relm"), "{}", problem.detail);
    api.get("/v1/tenants?realm=us&realm=eu").await.problem(StatusCode::BAD_REQUEST, "invalid_query");
}

#[tokio::test]
async fn an_idempotency_key_finds_its_tenant_and_no_other() {
    let api = Api::new().await;
    let create = async |id: &str, key: &str| {
        let body = json!({ "id": id, "host": format!("{id}.example.com"), "realm": "us" });
        Answer::of(api.request(Method::POST, "/v1/tenants").header(IDEMPOTENCY_HEADER, key).json(&body)).await
    };
    let created: TenantView = create("acme", "key-1").await.expect(StatusCode::CREATED).json();
    let again: TenantView = create("acme", "key-1").await.expect(StatusCode::CREATED).json();
    assert_eq!(again, created);
    let other = create("beta", "key-1").await.problem(StatusCode::CONFLICT, "idempotency_key_reused");
    assert!(other.detail.contains("POST /v1/tenants"), "{}", other.detail);
    api.get("/v1/tenants/beta").await.problem(StatusCode::NOT_FOUND, "unknown_tenant");
    create("acme", "key-2").await.expect(StatusCode::OK);
    create("gamma", "key-2").await.problem(StatusCode::CONFLICT, "idempotency_key_reused");
    create("beta", "key-3").await.expect(StatusCode::CREATED);
    create("gamma", "").await.problem(StatusCode::BAD_REQUEST, "invalid_idempotency_key");
}
