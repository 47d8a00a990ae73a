//! What holds for every route: authentication, media types, bodies, unknown paths and methods, who asks.

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Method, StatusCode};
use serde_json::json;
use server::{Server, ServerSettings};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::harness::{Answer, Api};

fn with_token() -> ServerSettings {
    ServerSettings { token: Some("s3cret-token".parse().expect("a token")), ..ServerSettings::default() }
}

#[tokio::test]
async fn with_a_token_nobody_gets_in_without_it() {
    let api = Api::with(with_token()).await;
    let get = |path: &str, authorization: &str| {
        let request = api.request(Method::GET, path);
        Answer::of(if authorization.is_empty() { request } else { request.header(AUTHORIZATION, authorization) })
    };
    for path in ["/v1/tenants", "/v1/moves/x/events", "/v1/no/such/route", "/v1"] {
        for wrong in
            ["", "Bearer", "Bearer ", "Bearer s3cret", "Bearer s3cret-token2", "Basic s3cret-token", "s3cret-token"]
        {
            let answer = get(path, wrong).await;
            let problem = answer.problem(StatusCode::UNAUTHORIZED, "unauthorized");
            assert_eq!(answer.header("www-authenticate"), "Bearer");
            assert!(!problem.detail.contains("s3cret"));
        }
    }
    for right in ["Bearer s3cret-token", "bearer s3cret-token"] {
        get("/v1/tenants", right).await.expect(StatusCode::OK);
        get("/v1/no/such/route", right).await.problem(StatusCode::NOT_FOUND, "unknown_route");
    }
    let twice = api.request(Method::GET, "/v1/tenants").header(AUTHORIZATION, "Bearer s3cret-token");
    Answer::of(twice.header(AUTHORIZATION, "Bearer x")).await.problem(StatusCode::UNAUTHORIZED, "unauthorized");
    let change = api.request(Method::POST, "/v1/tenants").header(CONTENT_TYPE, "text/plain").body("x");
    Answer::of(change).await.problem(StatusCode::UNAUTHORIZED, "unauthorized");
    for open in ["/healthz", "/readyz"] {
        get(open, "").await.expect(StatusCode::OK);
    }
}

#[tokio::test]
async fn a_public_address_needs_a_token() {
    let api = Api::empty().await;
    let listener = TcpListener::bind("0.0.0.0:0").await.expect("a free port");
    let server = Server::new(api.deployment.clone(), api.waker.clone(), ServerSettings::default());
    let error = server.serve(listener, CancellationToken::new()).await.expect_err("refused");
    assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied);
    assert!(error.to_string().contains("REALMCTL_TOKEN"), "{error}");
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems() {
    let api = Api::empty().await;
    for path in ["/", "/v1", "/v1/", "/v2/tenants", "/v1/tenants/a/b/c", "/v1/tenants/"] {
        api.get(path).await.problem(StatusCode::NOT_FOUND, "unknown_route");
    }
    let wrong = [
        (Method::DELETE, "/v1/moves", "GET,HEAD,OPTIONS"),
        (Method::POST, "/v1/topology", "GET,HEAD,PUT,OPTIONS"),
        (Method::PATCH, "/v1/tenants", "GET,HEAD,POST,OPTIONS"),
        (Method::POST, "/healthz", "GET,HEAD"),
        (Method::GET, "/v1/removals/replay", "POST,OPTIONS"),
    ];
    for (method, path, allow) in wrong {
        let answer = Answer::of(api.request(method, path)).await;
        answer.problem(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed");
        assert_eq!(answer.header("allow"), allow, "{path}");
    }
}

#[tokio::test]
async fn bodies_are_json_without_unknown_fields() {
    let api = Api::empty().await;
    for broken in ["{", "", "{\"id\"", "{\"id\":}", "nonsense"] {
        let answer = api.post_text("/v1/tenants", broken).await;
        let code = if broken.is_empty() { "invalid_body" } else { "invalid_json" };
        answer.problem(StatusCode::BAD_REQUEST, code);
    }
    let body = json!({ "id": "a", "host": "a.example.com", "realm": "us", "realmm": "eu" });
    let problem = api.post("/v1/tenants", &body).await.problem(StatusCode::BAD_REQUEST, "invalid_body");
    assert!(problem.detail.contains("`realmm`"), "{}", problem.detail);
    for path in ["/v1/moves/x/cancel", "/v1/removals/x/replay", "/v1/removals/replay", "/v1/tenants/x/moves"] {
        let problem = api.post(path, &json!({ "forse": true })).await.problem(StatusCode::BAD_REQUEST, "invalid_body");
        assert!(problem.detail.contains("`forse`"), "{}", problem.detail);
    }
    let twice = api.post_text("/v1/removals/replay", r#"{"reason":"a","reason":"b"}"#).await;
    twice.problem(StatusCode::BAD_REQUEST, "invalid_body");
    for list in [json!([]), json!(["acme", "acme.example.com", "us", null])] {
        api.post("/v1/tenants", &list).await.problem(StatusCode::BAD_REQUEST, "invalid_body");
        api.post("/v1/removals/replay", &list).await.problem(StatusCode::BAD_REQUEST, "invalid_body");
    }
    api.post("/v1/tenants", &json!("text")).await.problem(StatusCode::BAD_REQUEST, "invalid_body");
}

#[tokio::test]
async fn a_body_is_refused_once_it_is_too_large() {
    let api = Api::empty().await;
    let large = format!("{{\"id\":\"{}\"}}", "a".repeat(64 << 10));
    let problem = api.post_text("/v1/tenants", large).await.problem(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large");
    assert!(problem.detail.contains("64 KiB"), "{}", problem.detail);
}

/// What a page in a browser can send to another site unasked is not a change (Fetch standard, "CORS-safelisted
/// request-header").
#[tokio::test]
async fn changes_need_their_media_type() {
    let api = Api::empty().await;
    let paths =
        ["/v1/tenants", "/v1/tenants/a/moves", "/v1/moves/a/cancel", "/v1/removals/a/replay", "/v1/removals/replay"];
    for path in paths {
        for given in [
            "",
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data",
            "text/plain; application/json",
        ] {
            let request = api.request(Method::POST, path).body("{}");
            let request = if given.is_empty() { request } else { request.header(CONTENT_TYPE, given) };
            let answer = Answer::of(request).await;
            answer.problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type");
        }
    }
    let request =
        api.request(Method::POST, "/v1/removals/replay").header(CONTENT_TYPE, "Application/JSON; charset=utf-8");
    Answer::of(request.body("{}")).await.expect(StatusCode::OK);
}

#[tokio::test]
async fn who_asks_is_text_that_can_be_shown() {
    let api = Api::empty().await;
    for bad in [&b""[..], b"a\tb", "Zo\u{eb}".as_bytes(), &[b'a'; 65]] {
        let request = api.request(Method::POST, "/v1/removals/replay").header("x-realmctl-user", bad).json(&json!({}));
        Answer::of(request).await.problem(StatusCode::BAD_REQUEST, "invalid_user");
    }
}

#[tokio::test]
async fn without_a_token_only_requests_addressed_to_loopback_are_answered() {
    let api = Api::empty().await;
    for foreign in ["evil.example", "evil.example:8642", "127.0.0.1.evil.example", "10.0.0.1", ""] {
        let request = api.request(Method::GET, "/v1/tenants").header("host", foreign);
        let answer = Answer::of(request).await;
        assert!(
            [StatusCode::FORBIDDEN, StatusCode::BAD_REQUEST].contains(&answer.status),
            "{foreign}: {}",
            answer.body
        );
    }
    for own in ["localhost:1", "127.0.0.1", "[::1]:8642"] {
        Answer::of(api.request(Method::GET, "/v1/tenants").header("host", own)).await.expect(StatusCode::OK);
    }
}
