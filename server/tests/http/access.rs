//! Who may do what: every route with every role, with tokens for some tenants, and with tokens that are no longer good.

use std::sync::Arc;

use reqwest::header::{CACHE_CONTROL, CONTENT_TYPE};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use server::ServerSettings;
use server::api::{AuditView, CreatedToken, Page, TokenView, VERSION_HEADER};
use store::sql;
use workflows::access::TokenKeys;
use workflows::timestamps::rfc3339;

use crate::harness::{Answer, Api, SOON, TOPOLOGY};

const ADMIN: &str = "the-servers-own-token";
const ROLES: [&str; 5] = ["viewer", "support", "provisioner", "oncall", "admin"];

fn settings() -> ServerSettings {
    let keys = TokenKeys::parse("a-key-of-this-test\n").expect("a key");
    ServerSettings {
        token: Some(ADMIN.parse().expect("a token")),
        token_keys: Arc::new(keys),
        ..ServerSettings::default()
    }
}

/// A server with the topology and these tenants, by realm.
async fn with_tenants(tenants: &[(&str, &str)]) -> Api {
    let api = Api::with(settings()).await;
    let request = api.request(Method::PUT, "/v1/topology").bearer_auth(ADMIN);
    Answer::of(request.header(CONTENT_TYPE, "application/yaml").body(TOPOLOGY)).await.expect(StatusCode::OK);
    for (id, realm) in tenants {
        let body = json!({ "id": id, "host": format!("{id}.example.com"), "realm": realm });
        ask(&api, ADMIN, "POST", "/v1/tenants", &body).await.expect(StatusCode::CREATED);
    }
    api
}

async fn ask(api: &Api, token: &str, method: &str, path: &str, body: &Value) -> Answer {
    let request = api.request(method.parse().expect("a method"), path).bearer_auth(token);
    Answer::of(if method == "GET" { request } else { request.json(body) }).await
}

async fn get(api: &Api, token: &str, path: &str) -> Answer {
    ask(api, token, "GET", path, &Value::Null).await
}

async fn create(api: &Api, body: &Value) -> CreatedToken {
    ask(api, ADMIN, "POST", "/v1/tokens", body).await.expect(StatusCode::CREATED).json()
}

async fn with_role(api: &Api, role: &str) -> String {
    create(api, &json!({ "name": role, "role": role })).await.secret
}

/// Each route, and who may use it: v(iewer), s(upport), p(rovisioner), o(ncall), a(dmin). Written down a second time on purpose.
const ROUTES: &str = "
    GET    /v1/topology                    vspoa
    PUT    /v1/topology                    a
    POST   /v1/topology/rename-endpoint    a
    GET    /v1/tenants                     vspoa
    POST   /v1/tenants                     pa
    GET    /v1/tenants/x                   vspoa
    POST   /v1/tenants/x/moves             soa
    POST   /v1/tenants/x/pause             soa
    POST   /v1/tenants/x/resume            soa
    GET    /v1/moves                       vspoa
    GET    /v1/moves/x                     vspoa
    GET    /v1/moves/x/events              vspoa
    POST   /v1/moves/x/cancel              soa
    POST   /v1/moves/x/pause               soa
    POST   /v1/moves/x/resume              soa
    POST   /v1/moves/x/retry               soa
    POST   /v1/moves/x/reschedule          soa
    GET    /v1/campaigns                   vsoa
    POST   /v1/campaigns                   soa
    GET    /v1/campaigns/x                 vsoa
    GET    /v1/campaigns/x/members         vsoa
    POST   /v1/campaigns/x/pause           soa
    POST   /v1/campaigns/x/resume          soa
    POST   /v1/campaigns/x/cancel          soa
    GET    /v1/removals                    vspoa
    POST   /v1/removals/replay             oa
    GET    /v1/removals/x                  vspoa
    GET    /v1/removals/x/late-writes      oa
    POST   /v1/removals/x/replay           oa
    POST   /v1/removals/x/pause            oa
    POST   /v1/removals/x/resume           oa
    POST   /v1/removals/x/retry            oa
    POST   /v1/pause                       oa
    POST   /v1/resume                      oa
    GET    /v1/pauses                      vsoa
    GET    /v1/limits                      vsoa
    PUT    /v1/limits                      oa
    DELETE /v1/limits                      oa
    GET    /v1/explain/x                   vspoa
    GET    /v1/audit                       vsoa
    GET    /v1/audit/head                  vsoa
    GET    /v1/audit/export                vsoa
    GET    /v1/status                      vsoa
    GET    /v1/workers                     vsoa
    GET    /v1/ids/0199f3a1                vsoa
    GET    /v1/approvals                   vsoa
    GET    /v1/approvals/x                 vsoa
    POST   /v1/approvals/x/approve         soa
    POST   /v1/approvals/x/decline         soa
    GET    /v1/approval-policy             vsoa
    PUT    /v1/approval-policy             a
    GET    /v1/webhooks                    vsoa
    GET    /v1/webhooks/deliveries         vsoa
    POST   /v1/webhooks/deliveries/x/replay oa
    GET    /v1/session                     vspoa
    DELETE /v1/session                     vspoa
    GET    /v1/sessions                    a
    DELETE /v1/sessions/x                  a
    GET    /v1/tokens                      a
    POST   /v1/tokens                      a
    DELETE /v1/tokens/x                    a
";

fn routes() -> Vec<(&'static str, &'static str, &'static str)> {
    let lines = ROUTES.lines().filter(|line| !line.trim().is_empty());
    let words = lines.map(|line| line.split_whitespace().collect::<Vec<_>>());
    words.map(|words| (words[0], words[1], words[2])).collect()
}

#[tokio::test]
async fn every_role_may_use_its_routes_and_no_others() {
    let api = with_tenants(&[]).await;
    for role in ROLES {
        let token = with_role(&api, role).await;
        for (method, path, who) in routes() {
            let answer = ask(&api, &token, method, path, &json!({ "nonsense": 1 })).await;
            let letter = &role[..1];
            if who.contains(letter) {
                let refused = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN, StatusCode::METHOD_NOT_ALLOWED];
                assert!(!refused.contains(&answer.status), "{role} {method} {path}: {}", answer.body);
                assert!(!answer.status.is_server_error(), "{role} {method} {path}: {}", answer.body);
            } else {
                let problem = answer.problem(StatusCode::FORBIDDEN, "forbidden");
                assert!(problem.detail.contains(role), "{}", problem.detail);
            }
        }
    }
}

#[tokio::test]
async fn no_route_is_open_and_none_is_left_out_here() {
    let api = with_tenants(&[]).await;
    for (method, path, _) in routes() {
        let request = api.request(method.parse().expect("a method"), path);
        Answer::of(request.json(&json!({}))).await.problem(StatusCode::UNAUTHORIZED, "unauthorized");
    }
    // What a path takes is what stands above.
    let mut paths: Vec<&str> = routes().iter().map(|(_, path, _)| *path).collect();
    paths.dedup();
    for path in paths {
        let mut expected: Vec<&str> =
            routes().iter().filter(|(_, of, _)| *of == path).map(|(method, _, _)| *method).collect();
        if expected.contains(&"GET") {
            expected.push("HEAD");
        }
        expected.push("OPTIONS");
        let answer = ask(&api, ADMIN, "OPTIONS", path, &json!({})).await.expect(StatusCode::NO_CONTENT);
        let mut allowed: Vec<&str> = answer.header("allow").split(',').collect();
        allowed.sort_unstable();
        expected.sort_unstable();
        assert_eq!(allowed, expected, "{path}");
    }
}

#[tokio::test]
async fn who_is_let_in_is_told_the_servers_version_and_nobody_else() {
    let api = with_tenants(&[]).await;
    let viewer = with_role(&api, "viewer").await;
    for (method, path, status) in [
        ("GET", "/v1/tenants", StatusCode::OK),
        ("GET", "/v1/tenants/nobody", StatusCode::NOT_FOUND),
        ("GET", "/v1/nothing", StatusCode::NOT_FOUND),
        ("DELETE", "/v1/tenants", StatusCode::METHOD_NOT_ALLOWED),
        ("GET", "/v1/tokens", StatusCode::FORBIDDEN),
    ] {
        let answer = ask(&api, &viewer, method, path, &json!({})).await.expect(status);
        assert_eq!(answer.header(VERSION_HEADER), env!("CARGO_PKG_VERSION"), "{method} {path}");
        for token in ["wrong", "rct_0199f3a17c00_wrong"] {
            let answer = ask(&api, token, method, path, &json!({})).await.expect(StatusCode::UNAUTHORIZED);
            assert_eq!(answer.header(VERSION_HEADER), "", "{method} {path}");
        }
    }
}

#[tokio::test]
async fn a_token_is_shown_once_and_kept_as_a_hash() {
    let api = with_tenants(&[]).await;
    let body = json!({ "name": "ci", "role": "support", "reason": "the pipeline" });
    let answer = ask(&api, ADMIN, "POST", "/v1/tokens", &body).await.expect(StatusCode::CREATED);
    assert_eq!(answer.header(CACHE_CONTROL.as_str()), "no-store");
    let created: CreatedToken = answer.json();
    get(&api, &created.secret, "/v1/tenants").await.expect(StatusCode::OK);
    // Its use is noted beside the request.
    let mut listed: Page<TokenView>;
    loop {
        listed = get(&api, ADMIN, "/v1/tokens").await.expect(StatusCode::OK).json();
        if listed.items[0].last_used_at.is_some() {
            break;
        }
    }
    let [token] = &listed.items[..] else { panic!("{listed:?}") };
    assert!(token.last_used_at.is_some() && token.expires_at.is_some(), "{token:?}");
    assert_eq!((token.name.as_str(), token.role.as_str()), ("ci", "support"));
    // Not in a list, not in the audit trail, not in the database.
    let secret = created.secret.rsplit('_').next().expect("a secret");
    let audit = get(&api, ADMIN, "/v1/audit").await.expect(StatusCode::OK).body;
    assert!(audit.contains("token.create") && !audit.contains(secret), "{audit}");
    let mut tx = api.deployment.store.read().await.expect("the store");
    let rows =
        sql("SELECT id || name || hash || hash_key || role || scope AS all_of_it FROM tokens").fetch_all(&mut tx).await;
    let row = rows.expect("rows")[0].text("all_of_it").expect("text");
    tx.rollback().await.expect("the store");
    assert!(!row.contains(secret), "{row}");
}

#[tokio::test]
async fn a_token_that_is_no_longer_good_is_refused_at_once() {
    let api = with_tenants(&[]).await;
    let created = create(&api, &json!({ "name": "ci", "role": "viewer" })).await;
    get(&api, &created.secret, "/v1/tenants").await.expect(StatusCode::OK);
    let revoked = ask(&api, ADMIN, "DELETE", "/v1/tokens/ci", &json!({})).await.expect(StatusCode::OK);
    assert!(revoked.json::<TokenView>().revoked_at.is_some());
    get(&api, &created.secret, "/v1/tenants").await.problem(StatusCode::UNAUTHORIZED, "token_revoked");
    // Its name is free again; to revoke it twice changes nothing.
    ask(&api, ADMIN, "DELETE", &format!("/v1/tokens/{}", created.token.id), &json!({})).await.expect(StatusCode::OK);
    let mut tx = api.deployment.store.read().await.expect("the store");
    let soon = rfc3339(tx.now().await.expect("the time") + 1_000);
    tx.rollback().await.expect("the store");
    let again = create(&api, &json!({ "name": "ci", "role": "viewer", "expiresAt": soon })).await;
    loop {
        let answer = get(&api, &again.secret, "/v1/tenants").await;
        if answer.status != StatusCode::OK {
            answer.problem(StatusCode::UNAUTHORIZED, "token_expired");
            break;
        }
    }
    // One digit beside: nothing is told of it.
    let other = if again.secret.ends_with('0') { "1" } else { "0" };
    let near = format!("{}{other}", &again.secret[..again.secret.len() - 1]);
    for wrong in [near.as_str(), "rct_", "rct_0_0", "nonsense", &again.secret[1..]] {
        get(&api, wrong, "/v1/tenants").await.problem(StatusCode::UNAUTHORIZED, "unauthorized");
    }
}

#[tokio::test]
async fn a_row_that_was_given_other_rights_fits_its_hash_no_longer() {
    let api = with_tenants(&[]).await;
    let created = create(&api, &json!({ "name": "ci", "role": "viewer" })).await;
    for change in [
        "UPDATE tokens SET role = 'admin'",
        "UPDATE tokens SET role = 'viewer', name = 'ada'",
        "UPDATE tokens SET name = 'ci', scope = '{\"realm\":\"us\"}'",
        "UPDATE tokens SET scope = '\"all\"', expires_at = NULL",
    ] {
        let mut tx = api.deployment.store.begin().await.expect("the store");
        sql(change).execute(&mut tx).await.expect(change);
        tx.commit().await.expect("the store");
        get(&api, &created.secret, "/v1/tenants").await.problem(StatusCode::UNAUTHORIZED, "unauthorized");
    }
}

#[tokio::test]
async fn what_can_not_be_a_token_is_refused_in_words() {
    let api = with_tenants(&[]).await;
    create(&api, &json!({ "name": "ci", "role": "viewer" })).await;
    for (body, status, code) in [
        (json!({ "name": "ci", "role": "viewer" }), StatusCode::CONFLICT, "token_name_taken"),
        (json!({ "name": "a b", "role": "viewer" }), StatusCode::BAD_REQUEST, "invalid_token_name"),
        (json!({ "name": "", "role": "viewer" }), StatusCode::BAD_REQUEST, "invalid_token_name"),
        (json!({ "name": "0123456789abcdef", "role": "viewer" }), StatusCode::BAD_REQUEST, "invalid_token_name"),
        (json!({ "name": "..", "role": "viewer" }), StatusCode::BAD_REQUEST, "invalid_token_name"),
        (json!({ "name": "realmctl", "role": "viewer" }), StatusCode::BAD_REQUEST, "invalid_token_name"),
        (json!({ "name": "x", "role": "root" }), StatusCode::BAD_REQUEST, "invalid_body"),
        (json!({ "name": "x", "role": "viewer", "scope": "some" }), StatusCode::BAD_REQUEST, "invalid_body"),
        (
            json!({ "name": "x", "role": "viewer", "scope": { "realm": "mars" } }),
            StatusCode::NOT_FOUND,
            "unknown_realm",
        ),
        (
            json!({ "name": "x", "role": "viewer", "scope": { "tenants": [] } }),
            StatusCode::BAD_REQUEST,
            "invalid_scope",
        ),
        (
            json!({ "name": "x", "role": "viewer", "scope": { "tenants": ["A"] } }),
            StatusCode::BAD_REQUEST,
            "invalid_scope",
        ),
        (json!({ "name": "x", "role": "viewer", "expiresAt": "soon" }), StatusCode::BAD_REQUEST, "invalid_expiry"),
        (
            json!({ "name": "x", "role": "viewer", "expiresAt": "2020-01-01T00:00:00Z" }),
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid_expiry",
        ),
        (
            json!({ "name": "x", "role": "viewer", "expiresAt": "2999-01-01T00:00:00Z" }),
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid_expiry",
        ),
    ] {
        ask(&api, ADMIN, "POST", "/v1/tokens", &body).await.problem(status, code);
    }
    ask(&api, ADMIN, "DELETE", "/v1/tokens/nobody", &json!({})).await.problem(StatusCode::NOT_FOUND, "unknown_token");
    let without_keys = Api::with(ServerSettings { token_keys: Arc::default(), ..settings() }).await;
    let body = json!({ "name": "x", "role": "viewer" });
    ask(&without_keys, ADMIN, "POST", "/v1/tokens", &body).await.problem(StatusCode::CONFLICT, "no_token_key");
}

#[tokio::test]
async fn a_token_for_some_tenants_reaches_no_others() {
    let api = with_tenants(&[("acme", "us"), ("beta", "eu")]).await;
    let schedule = json!({ "to": "eu", "at": "2100-01-01T00:00:00Z" });
    let moved = ask(&api, ADMIN, "POST", "/v1/tenants/acme/moves", &schedule).await.expect(StatusCode::ACCEPTED);
    let id = moved.json::<Value>()["id"].as_str().expect("an id").to_owned();
    let tenants =
        create(&api, &json!({ "name": "t", "role": "oncall", "scope": { "tenants": ["beta"] } })).await.secret;
    let realm = create(&api, &json!({ "name": "r", "role": "oncall", "scope": { "realm": "eu" } })).await.secret;
    let of_us = create(&api, &json!({ "name": "u", "role": "oncall", "scope": { "realm": "us" } })).await.secret;
    for token in [&tenants, &realm] {
        for path in [
            "/v1/tenants/beta",
            "/v1/moves?tenant=beta",
            "/v1/removals?tenant=beta",
            "/v1/explain/beta",
            "/v1/topology",
        ] {
            get(&api, token, path).await.expect(StatusCode::OK);
        }
        let not_theirs = [
            "/v1/tenants/acme",
            "/v1/moves?tenant=acme",
            "/v1/moves",
            "/v1/removals",
            "/v1/audit",
            "/v1/audit?tenant=acme",
            "/v1/explain/acme",
            "/v1/status",
            "/v1/workers",
            "/v1/pauses",
            "/v1/limits",
            "/v1/campaigns",
            "/v1/tenants",
            "/v1/tenants?realm=us",
            "/v1/ids/0199f3a1",
            "/v1/tenants/nobody",
            "/v1/moves/nothing",
            "/v1/moves?tenant=acme&tenant=beta",
        ];
        for path in not_theirs.into_iter().map(str::to_owned).chain([
            format!("/v1/moves/{id}"),
            format!("/v1/moves/{id}/events"),
            format!("/v1/explain/{id}"),
        ]) {
            get(&api, token, &path).await.problem(StatusCode::FORBIDDEN, "out_of_scope");
        }
        for (path, body) in [
            ("/v1/tenants/acme/moves".to_owned(), schedule.clone()),
            (format!("/v1/moves/{id}/cancel"), json!({})),
            ("/v1/pause".to_owned(), json!({})),
            ("/v1/removals/replay".to_owned(), json!({})),
            ("/v1/campaigns".to_owned(), json!({ "to": "us", "tenants": ["beta"] })),
        ] {
            ask(&api, token, "POST", &path, &body).await.problem(StatusCode::FORBIDDEN, "out_of_scope");
        }
    }
    get(&api, &realm, "/v1/tenants?realm=eu").await.expect(StatusCode::OK);
    get(&api, &of_us, &format!("/v1/moves/{id}")).await.expect(StatusCode::OK);
    ask(&api, &of_us, "POST", &format!("/v1/moves/{id}/cancel"), &json!({})).await.expect(StatusCode::OK);
}

#[tokio::test]
async fn a_token_that_asks_too_often_is_slowed_down_and_others_are_not() {
    let api = Api::with(ServerSettings { requests_per_second: Some(3), ..settings() }).await;
    let [often, other] = ["often", "other"];
    let mut tokens = Vec::new();
    for name in [often, other] {
        tokens.push(create(&api, &json!({ "name": name, "role": "viewer" })).await.secret);
    }
    let mut refused = None;
    for _ in 0..500 {
        let answer = get(&api, &tokens[0], "/v1/tenants").await;
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            refused = Some(answer);
            break;
        }
        answer.expect(StatusCode::OK);
    }
    let refused = refused.expect("three a second are not enough for 500 requests in a row");
    refused.problem(StatusCode::TOO_MANY_REQUESTS, "too_many_requests");
    assert_eq!(refused.header("retry-after"), "1");
    get(&api, &tokens[1], "/v1/tenants").await.expect(StatusCode::OK);
}

#[tokio::test]
async fn a_stream_ends_when_its_token_is_revoked() {
    let api = with_tenants(&[("acme", "us")]).await;
    let schedule = json!({ "to": "eu", "at": "2100-01-01T00:00:00Z" });
    let moved = ask(&api, ADMIN, "POST", "/v1/tenants/acme/moves", &schedule).await.expect(StatusCode::ACCEPTED);
    let id = moved.json::<Value>()["id"].as_str().expect("an id").to_owned();
    let token = with_role(&api, "viewer").await;
    let url = format!("{}/v1/moves/{id}/events", api.base);
    let mut stream = api.http.get(url).bearer_auth(&token).send().await.expect("an answer");
    assert_eq!(stream.status(), StatusCode::OK);
    stream.chunk().await.expect("no break").expect("the move");
    ask(&api, ADMIN, "DELETE", "/v1/tokens/viewer", &json!({})).await.expect(StatusCode::OK);
    let end = async { while stream.chunk().await.expect("no break").is_some() {} };
    tokio::time::timeout(SOON, end).await.expect("the stream ends");
}

#[tokio::test]
async fn a_provisioner_creates_tenants_in_its_scope() {
    let api = with_tenants(&[]).await;
    let realm = create(&api, &json!({ "name": "r", "role": "provisioner", "scope": { "realm": "eu" } })).await.secret;
    let named =
        create(&api, &json!({ "name": "n", "role": "provisioner", "scope": { "tenants": ["x", "y"] } })).await.secret;
    let new = |id: &str, realm: &str| json!({ "id": id, "host": format!("{id}.example.com"), "realm": realm });
    // Somebody else's tenant is not told of.
    ask(&api, ADMIN, "POST", "/v1/tenants", &new("taken", "us")).await.expect(StatusCode::CREATED);
    let told = ask(&api, &realm, "POST", "/v1/tenants", &new("taken", "eu")).await;
    let told = told.problem(StatusCode::CONFLICT, "tenant_exists");
    assert_eq!(told.detail, "the id, the host or the key is in use already");
    for (token, body, created) in [
        (&realm, new("a", "eu"), true),
        (&realm, new("b", "us"), false),
        (&named, new("x", "us"), true),
        (&named, new("z", "us"), false),
    ] {
        let answer = ask(&api, token, "POST", "/v1/tenants", &body).await;
        if created {
            answer.expect(StatusCode::CREATED);
        } else {
            answer.problem(StatusCode::FORBIDDEN, "out_of_scope");
        }
    }
}

#[tokio::test]
async fn the_audit_trail_says_whose_token_and_from_where_and_who_was_refused() {
    let api = with_tenants(&[("acme", "us")]).await;
    let support = with_role(&api, "support").await;
    let pause = |token: &str| {
        api.request(Method::POST, "/v1/tenants/acme/pause").bearer_auth(token).json(&json!({ "reason": "legal" }))
    };
    Answer::of(pause(&support).header("x-realmctl-user", "sam")).await.expect(StatusCode::OK);
    ask(&api, &support, "POST", "/v1/pause", &json!({})).await.problem(StatusCode::FORBIDDEN, "forbidden");
    // A token in a path is not kept.
    let lost = "/v1/tokens/rct_0123456789abcdef_secret";
    ask(&api, &support, "DELETE", lost, &json!({})).await.problem(StatusCode::FORBIDDEN, "forbidden");
    let trail = get(&api, ADMIN, "/v1/audit").await.expect(StatusCode::OK).body;
    assert!(trail.contains("/v1/tokens/rct_…") && !trail.contains("0123456789abcdef"), "{trail}");
    get(&api, "nonsense", "/v1/tenants/acme").await.problem(StatusCode::UNAUTHORIZED, "unauthorized");
    let trail: Page<AuditView> = get(&api, ADMIN, "/v1/audit").await.expect(StatusCode::OK).json();
    let find = |action: &str, who: &str| {
        let found = trail.items.iter().find(|entry| entry.action == action && entry.who == who);
        found.unwrap_or_else(|| panic!("{action} by {who} in {trail:#?}"))
    };
    assert_eq!(find("tenant.pause", "support (sam)").origin, "127.0.0.1");
    let forbidden = trail.items.iter().find(|entry| entry.after["path"] == json!("/v1/pause"));
    let forbidden = forbidden.unwrap_or_else(|| panic!("{trail:#?}"));
    assert_eq!((forbidden.who.as_str(), &forbidden.after["code"]), ("support", &json!("forbidden")));
    assert_eq!(find("request.refused", "unknown").after["route"], json!("/v1/tenants/{id}"));
}
