//! Login of people: what begins a session, and everything that does not. The provider is a stub that signs whatever a test wants.

use std::collections::BTreeSet;
use std::sync::Arc;

use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use server::api::{AuditView, Page, WhoAmI};
use server::{GroupRoles, LoginOptions, LoginSettings, ServerSettings};
use workflows::access::{SessionTimes, TokenKeys};

use crate::harness::{Answer, Api, SOON};
use crate::stub_provider::{CLIENT, Provider, SECRET, Sign, Token};

pub(crate) const PUBLIC: &str = "https://realmctl.example";
pub(crate) const ADMIN: &str = "the-servers-own-token";

/// A server with login, its provider, and a browser that goes nowhere by itself.
pub(crate) struct World {
    pub(crate) api: Api,
    pub(crate) provider: Provider,
    pub(crate) http: Client,
}

pub(crate) fn usual() -> Token {
    Token { claims: json!({}), sign: Sign::Rs256 }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(SessionTimes::default()).await
    }

    pub(crate) async fn with(times: SessionTimes) -> Self {
        // Another test may have installed it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let provider = Provider::start().await;
        let api = Api::with(settings(&provider.issuer, times)).await;
        let http = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).timeout(SOON);
        Self { api, provider, http: http.build().expect("a client") }
    }

    pub(crate) async fn get(&self, path: &str, cookie: &str) -> Answer {
        Answer::of(self.http.get(format!("{}{path}", self.api.base)).header(COOKIE, cookie)).await
    }

    /// Begins a login: the cookie, and where the browser is sent.
    pub(crate) async fn begin(&self, query: &str) -> (String, String) {
        let answer = self.get(&format!("/login{query}"), "").await.expect(StatusCode::SEE_OTHER);
        (cookie(&answer, "__Host-realmctl-login"), answer.header("location").to_owned())
    }

    /// The path and query of the callback, without the origin that browsers see.
    pub(crate) fn callback(&self, url: &str, token: Token) -> String {
        let to = self.provider.sign_in(url, token);
        to.strip_prefix(PUBLIC).expect("it is sent to the public address").to_owned()
    }

    pub(crate) async fn answer_with(&self, token: Token) -> Answer {
        let (login, url) = self.begin("").await;
        self.get(&self.callback(&url, token), &login).await
    }

    /// A session's cookie.
    pub(crate) async fn sign_in(&self, claims: Value) -> String {
        let answer = self.answer_with(Token { claims, sign: Sign::Rs256 }).await.expect(StatusCode::SEE_OTHER);
        cookie(&answer, "__Host-realmctl-session")
    }

    pub(crate) async fn who(&self, session: &str) -> WhoAmI {
        self.get("/v1/session", session).await.expect(StatusCode::OK).json()
    }

    /// A change as a page of ours makes it, with these headers changed; an empty one is left out.
    pub(crate) async fn change(&self, method: Method, path: &str, session: &str, changes: &[(&str, &str)]) -> Answer {
        let token = self.who(session).await.csrf_token.expect("a token for changes");
        let usual = [("origin", PUBLIC), ("sec-fetch-site", "same-origin"), ("x-csrf-token", token.as_str())];
        let mut request = self.http.request(method, format!("{}{path}", self.api.base)).header(COOKIE, session);
        let changed: BTreeSet<&str> = changes.iter().map(|(name, _)| *name).collect();
        for (name, value) in usual.iter().filter(|(name, _)| !changed.contains(name)).chain(changes) {
            if !value.is_empty() {
                request = request.header(*name, *value);
            }
        }
        Answer::of(request.json(&json!({}))).await
    }

    pub(crate) async fn audit(&self) -> Vec<AuditView> {
        let request = self.http.get(format!("{}/v1/audit", self.api.base)).bearer_auth(ADMIN);
        Answer::of(request).await.expect(StatusCode::OK).json::<Page<AuditView>>().items
    }
}

pub(crate) fn settings(issuer: &str, times: SessionTimes) -> ServerSettings {
    let login = LoginSettings::new(LoginOptions {
        issuer: issuer.to_owned(),
        client_id: CLIENT.to_owned(),
        client_secret: Some(SECRET.to_owned()),
        groups_claim: "groups".to_owned(),
        scopes: "email groups".to_owned(),
        roles: GroupRoles::parse("ops=oncall\nhelp=support\nadmins=admin\nlookers=viewer").expect("roles"),
        public_url: PUBLIC.to_owned(),
        times,
    });
    ServerSettings {
        token: Some(ADMIN.parse().expect("a token")),
        token_keys: Arc::new(TokenKeys::parse("a-key-of-this-test\n").expect("a key")),
        login: Some(Arc::new(login.expect("settings"))),
        ..ServerSettings::default()
    }
}

/// The whole header that sets this cookie.
pub(crate) fn set_cookie(answer: &Answer, name: &str) -> String {
    let all = answer.headers.get_all(SET_COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut found = all.filter(|value| value.starts_with(&format!("{name}=")));
    let first = found.next().unwrap_or_else(|| panic!("no cookie {name}: {:?} {}", answer.headers, answer.body));
    assert!(found.next().is_none(), "it is set once");
    first.to_owned()
}

/// As a browser sends it.
pub(crate) fn cookie(answer: &Answer, name: &str) -> String {
    set_cookie(answer, name).split(';').next().expect("a pair").to_owned()
}

/// What the page says with this code.
#[track_caller]
fn refused(answer: &Answer, status: StatusCode, code: &str) {
    assert_eq!(answer.status, status, "{}", answer.body);
    assert!(answer.body.contains(&format!("<code>{code}</code>")), "{code}: {}", answer.body);
    for (name, value) in
        [("x-content-type-options", "nosniff"), ("referrer-policy", "no-referrer"), ("cache-control", "no-store")]
    {
        assert_eq!(answer.header(name), value);
    }
    let policy = answer.header("content-security-policy");
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    let cookies: Vec<_> = answer.headers.get_all(SET_COOKIE).into_iter().filter_map(|one| one.to_str().ok()).collect();
    assert!(!cookies.iter().any(|one| one.contains("session")), "{cookies:?}");
}

#[tokio::test]
async fn somebody_signs_in_and_is_known_by_the_provider_s_name() {
    let world = World::new().await;
    for (sign, claims) in [(Sign::Rs256, json!({})), (Sign::Es256, json!({ "email": null, "groups": ["help", "x"] }))] {
        let (login, url) = world.begin("?return_to=/moves%3Ftenant%3Dacme").await;
        let answer = world.get(&world.callback(&url, Token { claims, sign }), &login).await;
        let answer = answer.expect(StatusCode::SEE_OTHER);
        assert_eq!(answer.header(LOCATION.as_str()), "/moves?tenant=acme");
        let who = world.who(&cookie(&answer, "__Host-realmctl-session")).await;
        let session = who.session.expect("a session");
        let expected = if sign == Sign::Rs256 { ("kim@example.com", "oncall") } else { ("4711", "support") };
        assert_eq!((who.who.as_str(), session.role.as_str()), expected);
        assert_eq!((session.subject.as_str(), session.issuer), ("4711", world.provider.issuer.clone()));
    }
    let begun: Vec<_> = world.audit().await.into_iter().filter(|entry| entry.action == "session.begin").collect();
    assert_eq!(begun.len(), 2);
    assert_eq!((begun[1].who.as_str(), begun[1].origin.as_str()), ("kim@example.com", "127.0.0.1"));
    assert_eq!(begun[1].after["groups"], json!(["ops"]));
}

#[tokio::test]
async fn cookies_are_for_this_host_alone_and_no_script_reads_them() {
    let world = World::new().await;
    let answer = world.get("/login", "").await;
    let login = set_cookie(&answer, "__Host-realmctl-login");
    let (login_cookie, url) = (cookie(&answer, "__Host-realmctl-login"), answer.header("location").to_owned());
    let answer = world.get(&world.callback(&url, usual()), &login_cookie).await;
    let session = set_cookie(&answer, "__Host-realmctl-session");
    for header in [&login, &session] {
        for flag in ["; Path=/", "; Secure", "; HttpOnly", "; SameSite=Lax"] {
            assert!(header.contains(flag), "{flag}: {header}");
        }
        assert!(!header.contains("Domain"), "{header}");
    }
    assert!(login.contains("Max-Age=600"), "{login}");
    // The one of the login is taken away.
    assert!(set_cookie(&answer, "__Host-realmctl-login").contains("Max-Age=0"));
    // What is sealed in it can't be read, and what was signed in is nowhere in clear.
    assert!(!login.contains("/signed-in"));
    let secret = session.split(';').next().and_then(|pair| pair.rsplit('_').next()).expect("a secret").to_owned();
    assert_eq!(secret.len(), 64);
    let mut tx = world.api.deployment.store.read().await.expect("the store");
    let all = catalogue::sessions::list(&mut tx, None, None, 10).await.expect("sessions");
    tx.rollback().await.expect("the store");
    assert!(!format!("{all:?}").contains(&secret));
    assert!(!format!("{:?}", world.audit().await).contains(&secret));
}

#[tokio::test]
async fn a_token_that_does_not_fit_signs_nobody_in() {
    let world = World::new().await;
    let past = jiff::Timestamp::now().as_second() - 3600;
    for claims in [
        json!({ "nonce": "another" }),
        json!({ "aud": "another" }),
        json!({ "aud": [CLIENT, "another"] }),
        json!({ "azp": "another" }),
        json!({ "iss": "https://login.example" }),
        json!({ "exp": past }),
        json!({ "iat": past }),
        json!({ "sub": null }),
    ] {
        let answer = world.answer_with(Token { claims: claims.clone(), sign: Sign::Rs256 }).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{claims}");
        refused(&answer, StatusCode::FORBIDDEN, "invalid_id_token");
    }
}

#[tokio::test]
async fn a_signature_that_is_not_the_provider_s_signs_nobody_in() {
    let world = World::new().await;
    for sign in [Sign::None, Sign::Hs256, Sign::WrongKey, Sign::UnlistedKey, Sign::Touched] {
        let answer = world.answer_with(Token { claims: json!({}), sign }).await;
        refused(&answer, StatusCode::FORBIDDEN, "invalid_id_token");
    }
}

#[tokio::test]
async fn keys_that_are_not_known_are_read_again_once_a_minute() {
    let world = World::new().await;
    refused(
        &world.answer_with(Token { claims: json!({}), sign: Sign::UnlistedKey }).await,
        StatusCode::FORBIDDEN,
        "invalid_id_token",
    );
    let reads = world.provider.key_reads();
    for _ in 0..3 {
        let answer = world.answer_with(Token { claims: json!({}), sign: Sign::NewKey }).await;
        refused(&answer, StatusCode::FORBIDDEN, "invalid_id_token");
    }
    assert_eq!((reads, world.provider.key_reads()), (1, 1));
}

#[tokio::test]
async fn an_answer_to_another_question_signs_nobody_in() {
    let world = World::new().await;
    let (login, url) = world.begin("").await;
    let callback = world.callback(&url, usual());
    // Without the cookie, with that of another login, with one that was touched.
    refused(&world.get(&callback, "").await, StatusCode::BAD_REQUEST, "login_not_begun");
    let (other, _) = world.begin("").await;
    refused(&world.get(&callback, &other).await, StatusCode::BAD_REQUEST, "login_state_mismatch");
    let touched = format!("{}{}", &login[..login.len() - 2], if login.ends_with("AA") { "BB" } else { "AA" });
    refused(&world.get(&callback, &touched).await, StatusCode::BAD_REQUEST, "login_not_begun");
    let state = callback.split("state=").nth(1).expect("a state");
    for (query, status, code) in [
        (
            format!("?state={state}&error=access_denied&error_description=%3Cb%3E"),
            StatusCode::FORBIDDEN,
            "login_denied",
        ),
        (format!("?state={state}&error=%3Cscript%3E"), StatusCode::FORBIDDEN, "login_denied"),
        (format!("?state={state}"), StatusCode::BAD_REQUEST, "login_without_code"),
        (format!("?state={state}&code="), StatusCode::BAD_REQUEST, "login_without_code"),
        (format!("?state={state}&code=a&code=b"), StatusCode::BAD_REQUEST, "login_without_code"),
        (format!("?state={state}&state={state}&code=a"), StatusCode::BAD_REQUEST, "login_state_mismatch"),
        ("?code=a".to_owned(), StatusCode::BAD_REQUEST, "login_state_mismatch"),
        (format!("?state={state}&code=guessed"), StatusCode::FORBIDDEN, "invalid_id_token"),
        (format!("?state={state}&code=a&iss=https%3A%2F%2Flogin.example"), StatusCode::FORBIDDEN, "invalid_id_token"),
    ] {
        let answer = world.get(&format!("/login/callback{query}"), &login).await;
        refused(&answer, status, code);
        assert!(!answer.body.contains("<b>") && !answer.body.contains("<script"), "{}", answer.body);
    }
    // None of this has used it up.
    world.get(&callback, &login).await.expect(StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_login_is_completed_once() {
    let world = World::new().await;
    let (login, url) = world.begin("").await;
    let callback = world.callback(&url, usual());
    world.get(&callback, &login).await.expect(StatusCode::SEE_OTHER);
    refused(&world.get(&callback, &login).await, StatusCode::BAD_REQUEST, "login_replayed");
    // Nor with another code.
    let again = world.callback(&url, usual());
    refused(&world.get(&again, &login).await, StatusCode::BAD_REQUEST, "login_replayed");
    let refusals = world.audit().await.into_iter().filter(|entry| entry.action == "login.refused").count();
    assert_eq!(refusals, 2);
}

#[tokio::test]
async fn of_two_answers_at_once_one_signs_in() {
    let world = World::new().await;
    let (login, url) = world.begin("").await;
    let [first, second] = [world.callback(&url, usual()), world.callback(&url, usual())];
    let (one, other) = tokio::join!(world.get(&first, &login), world.get(&second, &login));
    let signed_in = [&one, &other].iter().filter(|answer| answer.status == StatusCode::SEE_OTHER).count();
    assert_eq!(signed_in, 1, "{} {}", one.status, other.status);
}

#[tokio::test]
async fn who_is_in_no_group_with_a_role_is_refused_and_named_in_the_audit_trail() {
    let world = World::new().await;
    for groups in [json!([]), json!(["staff"]), json!(null), json!("OPS")] {
        let answer = world.answer_with(Token { claims: json!({ "groups": groups }), sign: Sign::Es256 }).await;
        refused(&answer, StatusCode::FORBIDDEN, "no_group");
        assert!(answer.body.contains("kim@example.com"), "{}", answer.body);
    }
    let trail = world.audit().await;
    let entry = trail.iter().find(|entry| entry.action == "login.refused").expect("an entry");
    assert_eq!((entry.who.as_str(), &entry.after["code"]), ("kim@example.com", &json!("no_group")));
}

#[tokio::test]
async fn nobody_is_sent_elsewhere_afterwards() {
    let world = World::new().await;
    for path in
        ["//evil.example", "/%5Cevil.example", "https://evil.example", "/%09/evil.example", "/%252Fevil", "", "x"]
    {
        refused(
            &world.get(&format!("/login?return_to={path}"), "").await,
            StatusCode::BAD_REQUEST,
            "invalid_return_to",
        );
    }
}

#[tokio::test]
async fn a_provider_that_can_not_be_reached_or_trusted_keeps_nobody_from_anything_else() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let provider = Provider::start().await;
    provider.says(json!({ "issuer": "https://login.example" }));
    let api = Api::with(settings(&provider.issuer, SessionTimes::default())).await;
    let answer = Answer::of(api.request(Method::GET, "/login")).await;
    refused(&answer, StatusCode::SERVICE_UNAVAILABLE, "login_unavailable");
    Answer::of(api.request(Method::GET, "/v1/tenants").bearer_auth(ADMIN)).await.expect(StatusCode::OK);
    // Nobody listens there.
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("it is bound");
    let api = Api::with(settings(&format!("http://{closed}"), SessionTimes::default())).await;
    refused(
        &Answer::of(api.request(Method::GET, "/login")).await,
        StatusCode::SERVICE_UNAVAILABLE,
        "login_unavailable",
    );
}

#[tokio::test]
async fn without_login_there_is_no_page_of_it() {
    let api = Api::empty().await;
    for path in ["/login", "/login/callback", "/signed-in"] {
        api.get(path).await.problem(StatusCode::NOT_FOUND, "unknown_route");
    }
}

#[tokio::test]
async fn logins_from_one_address_are_bounded() {
    let world = World::new().await;
    let mut last = world.get("/login", "").await;
    for _ in 0..500 {
        if last.status != StatusCode::SEE_OTHER {
            break;
        }
        last = world.get("/login", "").await;
    }
    refused(&last, StatusCode::TOO_MANY_REQUESTS, "too_many_requests");
}
