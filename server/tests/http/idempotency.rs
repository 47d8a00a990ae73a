//! `Idempotency-Key` on every change: the same request again gets the same answer, and another one is refused.

use std::sync::Arc;

use catalogue::kept_answers;
use catalogue::kept_answers::{Found, Keyed};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use server::ServerSettings;
use server::api::{AuditView, CreatedToken, IDEMPOTENCY_HEADER, Page, USER_HEADER};
use workflows::access::TokenKeys;

use crate::harness::{Answer, Api};

const REPLAYED: &str = "idempotency-replayed";

async fn keyed(api: &Api, (method, path): (Method, &str), key: &str, body: &Value) -> Answer {
    Answer::of(api.request(method, path).header(IDEMPOTENCY_HEADER, key).json(body)).await
}

async fn entries(api: &Api) -> usize {
    api.get("/v1/audit?limit=500").await.json::<Page<AuditView>>().items.len()
}

#[tokio::test]
async fn every_change_is_made_once_and_answered_alike() {
    let api = Api::with_tenants(&["acme", "beta"]).await;
    let first = api.schedule_move("acme").await.id;
    let changes = [
        (Method::POST, "/v1/pause".to_owned(), json!({ "reason": "incident" })),
        (Method::POST, "/v1/resume".to_owned(), json!({})),
        (Method::POST, "/v1/tenants/acme/pause".to_owned(), json!({ "reason": "asked to" })),
        (Method::POST, "/v1/tenants/acme/resume".to_owned(), json!({})),
        (Method::POST, format!("/v1/moves/{first}/reschedule"), json!({ "at": "2099-01-01T00:00:00Z" })),
        (Method::POST, format!("/v1/moves/{first}/cancel"), json!({ "reason": "no more" })),
        (Method::POST, "/v1/tenants/beta/moves".to_owned(), json!({ "to": "eu", "at": "2100-01-01T00:00:00Z" })),
        (Method::POST, "/v1/campaigns".to_owned(), json!({ "to": "eu", "tenants": ["acme"] })),
        (Method::PUT, "/v1/limits".to_owned(), json!({ "scope": "overall", "slots": 7 })),
        (Method::DELETE, "/v1/limits".to_owned(), json!({ "scope": "overall" })),
        (Method::POST, "/v1/tenants".to_owned(), json!({ "id": "new", "host": "new.example.com", "realm": "us" })),
        (Method::POST, "/v1/removals/replay".to_owned(), json!({})),
    ];
    for (number, (method, path, body)) in changes.iter().enumerate() {
        let key = format!("key-{number}");
        let made = keyed(&api, (method.clone(), path), &key, body).await;
        assert!(made.status.is_success(), "{path}: {}", made.body);
        assert_eq!(made.header(REPLAYED), "", "{path}");
        let so_far = entries(&api).await;
        let again = keyed(&api, (method.clone(), path), &key, body).await;
        assert_eq!((again.status, &again.body), (made.status, &made.body), "{path}");
        assert_eq!((again.header(REPLAYED), again.header("location")), ("true", made.header("location")), "{path}");
        assert_eq!(again.header("content-type"), made.header("content-type"));
        assert_eq!(entries(&api).await, so_far, "{path}");
        let mut other = body.clone();
        other["reason"] = json!("another");
        let refused = keyed(&api, (method.clone(), path), &key, &other).await;
        let problem = refused.problem(StatusCode::CONFLICT, "idempotency_key_reused");
        assert!(problem.detail.contains(&format!("{method} {path}")), "{}", problem.detail);
        assert_eq!(entries(&api).await, so_far, "{path}");
    }
    keyed(&api, (Method::POST, "/v1/resume"), "key-0", &json!({ "reason": "incident" }))
        .await
        .problem(StatusCode::CONFLICT, "idempotency_key_reused");
}

#[tokio::test]
async fn a_refused_request_gives_its_key_back() {
    let api = Api::with_tenants(&["acme"]).await;
    let path = (Method::POST, "/v1/tenants/acme/moves");
    let (wrong, right) = (json!({ "to": "mars" }), json!({ "to": "eu", "at": "2100-01-01T00:00:00Z" }));
    keyed(&api, path.clone(), "key", &wrong).await.problem(StatusCode::NOT_FOUND, "unknown_realm");
    keyed(&api, path.clone(), "key", &wrong).await.problem(StatusCode::NOT_FOUND, "unknown_realm");
    keyed(&api, path, "key", &right).await.expect(StatusCode::ACCEPTED);
}

#[tokio::test]
async fn keys_are_checked_before_anything_is_done() {
    let api = Api::new().await;
    for bad in ["", &"k".repeat(256), "campaign:1"] {
        let path = (Method::POST, "/v1/pause");
        keyed(&api, path, bad, &json!({})).await.problem(StatusCode::BAD_REQUEST, "invalid_idempotency_key");
    }
    let twice = api.request(Method::POST, "/v1/pause").header(IDEMPOTENCY_HEADER, "a").header(IDEMPOTENCY_HEADER, "b");
    Answer::of(twice.json(&json!({}))).await.problem(StatusCode::BAD_REQUEST, "invalid_idempotency_key");
    keyed(&api, (Method::POST, "/v1/resume"), "r", &json!({})).await.expect(StatusCode::OK);
    let odd = api.request(Method::POST, "/v1/resume").header(IDEMPOTENCY_HEADER, "r").header(USER_HEADER, "\u{e9}");
    Answer::of(odd.json(&json!({}))).await.problem(StatusCode::BAD_REQUEST, "invalid_user");
    let large = api.request(Method::POST, "/v1/pause").header(IDEMPOTENCY_HEADER, "a");
    let large = Answer::of(large.header("content-type", "application/json").body(" ".repeat(5 << 20))).await;
    large.problem(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large");
    let pauses: Value = api.get("/v1/pauses").await.json();
    assert_eq!(pauses["items"], json!([]));
}

/// Takes the request on as a process does that is killed before it has answered.
async fn taken_on_and_left(api: &Api, key: &str, body: &Value, seconds_ago: i64) {
    let named = "POST /v1/pause".to_owned();
    // The first request writes the row as the server does; its answer is taken away again.
    keyed(api, (Method::POST, "/v1/pause"), key, body).await.expect(StatusCode::OK);
    let mut tx = api.deployment.store.begin().await.expect("a transaction");
    let now = tx.now().await.expect("a clock");
    store::sql(
        "UPDATE answers SET status = NULL, location = NULL, body = NULL, at = $2 WHERE key = $1 AND request = $3",
    )
    .bind(key)
    .bind(now - seconds_ago * 1_000)
    .bind(&named)
    .execute(&mut tx)
    .await
    .expect("the row is there");
    tx.commit().await.expect("it is committed");
}

#[tokio::test]
async fn what_a_killed_server_left_is_carried_out_again() {
    let api = Api::new().await;
    let body = json!({ "reason": "incident" });
    taken_on_and_left(&api, "key", &body, 31).await;
    let again = keyed(&api, (Method::POST, "/v1/pause"), "key", &body).await.expect(StatusCode::OK);
    assert_eq!(again.header(REPLAYED), "");
    // It was paused already: nothing is done twice.
    assert_eq!(again.json::<Value>()["changed"], json!(false));
    let kept = keyed(&api, (Method::POST, "/v1/pause"), "key", &body).await.expect(StatusCode::OK);
    assert_eq!((kept.header(REPLAYED), &kept.body), ("true", &again.body));
}

#[tokio::test]
async fn the_same_request_at_the_same_moment_waits_for_the_answer() {
    let api = Arc::new(Api::with_tenants(&["acme"]).await);
    let body = json!({ "to": "eu", "at": "2100-01-01T00:00:00Z" });
    let asked = (0..8).map(|_| keyed(&api, (Method::POST, "/v1/tenants/acme/moves"), "key", &body));
    let answers = futures::future::join_all(asked).await;
    assert!(answers.iter().all(|answer| answer.status == StatusCode::ACCEPTED && answer.body == answers[0].body));
    assert_eq!(answers.iter().filter(|answer| answer.header(REPLAYED).is_empty()).count(), 1);
}

#[tokio::test]
async fn a_request_in_progress_is_not_made_twice() {
    let api = Api::new().await;
    let body = json!({ "reason": "incident" });
    taken_on_and_left(&api, "key", &body, 0).await;
    let refused = keyed(&api, (Method::POST, "/v1/pause"), "key", &body).await;
    refused.problem(StatusCode::CONFLICT, "idempotency_key_in_use");
    assert_eq!(refused.header("retry-after"), "5");
}

#[tokio::test]
async fn a_secret_is_not_kept_with_an_answer() {
    let keys: TokenKeys = TokenKeys::parse("a-key-for-tests-that-is-long-enough").expect("a key");
    let token = Some("own".parse().expect("a token"));
    let settings = ServerSettings { token, token_keys: Arc::new(keys), ..ServerSettings::default() };
    let api = Api::with(settings).await;
    let ask = || {
        let request = api.request(Method::POST, "/v1/tokens").bearer_auth("own").header(IDEMPOTENCY_HEADER, "key");
        Answer::of(request.json(&json!({ "name": "ci", "role": "viewer" })))
    };
    let created: CreatedToken = ask().await.expect(StatusCode::CREATED).json();
    let again = ask().await;
    again.problem(StatusCode::CONFLICT, "answer_not_kept");
    assert_eq!(again.header("location"), format!("/v1/tokens/{}", created.token.id));
    assert!(!again.body.contains(&created.secret));
    let mut tx = api.deployment.store.read().await.expect("a transaction");
    let rows = store::sql("SELECT body FROM answers").fetch_all(&mut tx).await.expect("rows");
    assert_eq!(rows.len(), 1);
    let kept = rows[0].text("body").expect("an answer");
    assert!(!kept.contains(&created.secret) && !kept.contains("rct_"), "{kept}");

    // Somebody else's key is another one.
    let other = api.request(Method::POST, "/v1/campaigns").bearer_auth(&created.secret);
    Answer::of(other.header(IDEMPOTENCY_HEADER, "key").json(&json!({})))
        .await
        .problem(StatusCode::FORBIDDEN, "forbidden");
}

#[tokio::test]
async fn answers_are_forgotten_with_the_history() {
    let settings =
        ServerSettings { keep_answers: Some(std::time::Duration::from_secs(60)), ..ServerSettings::default() };
    let api = Api::with(settings).await;
    let mut tx = api.deployment.store.begin().await.expect("a transaction");
    for (key, age) in [("old", 61_000), ("young", 0)] {
        let row = Keyed { caller: String::new(), key: key.to_owned(), request: "-".to_owned(), digest: "-".to_owned() };
        let Found::TakenOn(at) = kept_answers::take_on(&mut tx, &row, 1).await.expect("it is new") else {
            panic!("{key}")
        };
        store::sql("UPDATE answers SET at = $1 WHERE key = $2")
            .bind(at - age)
            .bind(key)
            .execute(&mut tx)
            .await
            .expect("it is aged");
    }
    tx.commit().await.expect("they are committed");
    keyed(&api, (Method::POST, "/v1/pause"), "new", &json!({})).await.expect(StatusCode::OK);
    let mut tx = api.deployment.store.read().await.expect("a transaction");
    let rows = store::sql("SELECT key FROM answers ORDER BY key").fetch_all(&mut tx).await.expect("rows");
    let keys: Vec<String> = rows.iter().map(|row| row.text("key").expect("text")).collect();
    assert_eq!(keys, ["new", "young"]);
}
