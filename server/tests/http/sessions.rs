//! Sessions: what they may do, how they are rotated, and what ends them.

use std::time::Duration;

use reqwest::header::COOKIE;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use server::api::{LoggedOut, Page, SessionView, SessionsEnded, WhoAmI};
use store::sql;
use workflows::access::SessionTimes;

use crate::harness::{Answer, SOON, TOPOLOGY};
use crate::login::{ADMIN, PUBLIC, World, cookie, set_cookie};

const SESSION: &str = "__Host-realmctl-session";

impl World {
    /// As if this much more time had passed since a session was last used and its cookie replaced.
    async fn let_pass(&self, time: Duration) {
        let mut tx = self.api.deployment.store.begin().await.expect("the store");
        let millis = i64::try_from(time.as_millis()).expect("a short time");
        let earlier = "UPDATE sessions SET rotated_at = rotated_at - $1, last_used_at = last_used_at - $1";
        sql(earlier).bind(millis).execute(&mut tx).await.expect("sessions");
        let earlier = "UPDATE session_secrets SET replaced_at = replaced_at - $1";
        sql(earlier).bind(millis).execute(&mut tx).await.expect("secrets");
        tx.commit().await.expect("the store");
    }

    async fn as_admin(&self, method: Method, path: &str) -> Answer {
        let request = self.http.request(method.clone(), format!("{}{path}", self.api.base)).bearer_auth(ADMIN);
        Answer::of(if method == Method::GET { request } else { request.json(&json!({ "reason": "left" })) }).await
    }

    async fn log_out(&self, session: &str, everywhere: bool) -> Answer {
        let token = self.who(session).await.csrf_token.expect("a token for changes");
        let request = self.http.delete(format!("{}/v1/session", self.api.base)).header(COOKIE, session);
        let request = request.header("origin", PUBLIC).header("x-csrf-token", token);
        Answer::of(request.json(&json!({ "everywhere": everywhere }))).await
    }
}

#[tokio::test]
async fn a_session_may_do_what_its_role_may_and_is_named_in_the_audit_trail() {
    let world = World::new().await;
    let [ops, looker] = [json!(["ops"]), json!(["lookers"])].map(|groups| json!({ "groups": groups }));
    let (ops, looker) = (world.sign_in(ops).await, world.sign_in(looker).await);
    for session in [&ops, &looker] {
        world.get("/v1/tenants", session).await.expect(StatusCode::OK);
        world.get("/v1/tokens", session).await.problem(StatusCode::FORBIDDEN, "forbidden");
    }
    // Whom the request names besides takes nobody's place.
    let named = [("x-realmctl-user", "somebody else")];
    world.change(Method::POST, "/v1/pause", &ops, &named).await.expect(StatusCode::OK);
    world.change(Method::POST, "/v1/resume", &looker, &[]).await.problem(StatusCode::FORBIDDEN, "forbidden");
    let trail = world.audit().await;
    let pause = trail.iter().find(|entry| entry.action == "all.pause").expect("an entry");
    assert_eq!((pause.who.as_str(), pause.origin.as_str()), ("kim@example.com (somebody else)", "127.0.0.1"));
    let refusal = trail.iter().find(|entry| entry.action == "request.refused").expect("an entry");
    assert_eq!(refusal.who, "kim@example.com");
}

#[tokio::test]
async fn where_a_token_is_shown_it_alone_counts() {
    let world = World::new().await;
    let session = world.sign_in(json!({})).await;
    let ask = |token: &'static str| {
        let request = world.http.get(format!("{}/v1/session", world.api.base)).header(COOKIE, &session);
        Answer::of(request.header("authorization", token))
    };
    ask("Bearer nonsense").await.problem(StatusCode::UNAUTHORIZED, "unauthorized");
    ask("Basic eDp5").await.problem(StatusCode::UNAUTHORIZED, "unauthorized");
    let who: WhoAmI = ask("Bearer the-servers-own-token").await.expect(StatusCode::OK).json();
    assert_eq!((who.who.as_str(), who.session, who.csrf_token), ("anonymous", None, None));
    world.as_admin(Method::DELETE, "/v1/session").await.problem(StatusCode::CONFLICT, "no_session");
}

#[tokio::test]
async fn a_change_that_does_not_come_from_our_own_page_is_refused() {
    let world = World::new().await;
    let [session, other] = [world.sign_in(json!({})).await, world.sign_in(json!({})).await];
    let others = world.who(&other).await.csrf_token.expect("a token for changes");
    for changes in [
        vec![("origin", "https://evil.example")],
        vec![("origin", "null")],
        vec![("origin", "http://realmctl.example")],
        vec![("origin", "https://realmctl.example.evil.example")],
        vec![("origin", "https://realmctl.example:8443")],
        vec![("sec-fetch-site", "cross-site")],
        vec![("sec-fetch-site", "same-site")],
        vec![("sec-fetch-site", "none")],
        vec![("origin", ""), ("sec-fetch-site", "")],
        vec![("origin", PUBLIC), ("origin", "https://evil.example")],
        vec![("x-csrf-token", "")],
        vec![("x-csrf-token", "nonsense")],
        vec![("x-csrf-token", &others)],
    ] {
        for method in [Method::POST, Method::PUT, Method::DELETE] {
            let path = if method == Method::POST { "/v1/pause" } else { "/v1/limits" };
            let answer = world.change(method, path, &session, &changes).await;
            answer.problem(StatusCode::FORBIDDEN, "csrf_refused");
        }
    }
    for enough in [vec![("origin", "")], vec![("sec-fetch-site", "")]] {
        world.change(Method::POST, "/v1/pause", &session, &enough).await.expect(StatusCode::OK);
    }
}

#[tokio::test]
async fn no_page_of_another_site_reads_anything() {
    let world = World::new().await;
    let session = world.sign_in(json!({})).await;
    for method in [Method::GET, Method::OPTIONS] {
        let request = world.http.request(method, format!("{}/v1/session", world.api.base)).header(COOKIE, &session);
        let request =
            request.header("origin", "https://evil.example").header("access-control-request-method", "DELETE");
        let answer = Answer::of(request).await;
        let allowed = answer.headers.keys().find(|name| name.as_str().starts_with("access-control"));
        assert_eq!(allowed, None);
        assert!(answer.status.is_success(), "{}", answer.body);
    }
    assert_eq!(world.get("/v1/session", &session).await.header("cache-control"), "no-store");
}

#[tokio::test]
async fn a_cookie_is_replaced_while_it_is_used_and_the_old_one_is_good_for_a_moment() {
    let world = World::new().await;
    let old = world.sign_in(json!({})).await;
    let same = world.get("/v1/tenants", &old).await.expect(StatusCode::OK);
    assert!(!same.headers.contains_key("set-cookie"));
    world.let_pass(Duration::from_secs(16 * 60)).await;
    // Of requests at the same time one gets the new cookie, and all are answered.
    let (one, other) = tokio::join!(world.get("/v1/tenants", &old), world.get("/v1/tenants", &old));
    let (one, other) = (one.expect(StatusCode::OK), other.expect(StatusCode::OK));
    let with: Vec<&Answer> = [&one, &other].into_iter().filter(|one| one.headers.contains_key("set-cookie")).collect();
    let [with] = with[..] else { panic!("one of them gets the new cookie: {:?} {:?}", one.headers, other.headers) };
    assert_eq!(with.header("cache-control"), "no-store");
    let new = cookie(with, SESSION);
    assert_ne!(new, old);
    for session in [&old, &new] {
        let answer = world.get("/v1/tenants", session).await.expect(StatusCode::OK);
        assert!(!answer.headers.contains_key("set-cookie"));
    }
    // The token for changes stays good for a page that has it.
    assert_eq!(world.who(&old).await.csrf_token, world.who(&new).await.csrf_token);
}

#[tokio::test]
async fn a_cookie_that_was_replaced_ends_the_session_for_everybody_who_has_one() {
    let world = World::new().await;
    let stolen = world.sign_in(json!({})).await;
    let mut newest = stolen.clone();
    for _ in 0..2 {
        world.let_pass(Duration::from_secs(16 * 60)).await;
        newest = cookie(&world.get("/v1/tenants", &newest).await.expect(StatusCode::OK), SESSION);
    }
    world.let_pass(Duration::from_secs(31)).await;
    // One with a secret that it never had ends nothing.
    let (begin, _) = newest.rsplit_once('_').expect("a secret");
    let guessed = format!("{begin}_{}", "0".repeat(64));
    world.get("/v1/tenants", &guessed).await.problem(StatusCode::UNAUTHORIZED, "unauthorized");
    world.get("/v1/tenants", &newest).await.expect(StatusCode::OK);
    world.get("/v1/tenants", &stolen).await.problem(StatusCode::UNAUTHORIZED, "session_reused");
    for session in [&stolen, &newest] {
        world.get("/v1/tenants", session).await.problem(StatusCode::UNAUTHORIZED, "session_ended");
    }
    let trail = world.audit().await;
    let ends: Vec<_> = trail.iter().filter(|entry| entry.action == "session.end").collect();
    let [end] = ends[..] else { panic!("{trail:#?}") };
    assert_eq!((end.who.as_str(), end.why.as_str()), ("kim@example.com", "reused"));
}

#[tokio::test]
async fn a_session_is_over_when_it_was_not_used_or_has_lasted_for_long_enough() {
    let world = World::new().await;
    let session = world.sign_in(json!({})).await;
    world.let_pass(Duration::from_secs(59 * 60)).await;
    let session = cookie(&world.get("/v1/tenants", &session).await.expect(StatusCode::OK), SESSION);
    world.let_pass(Duration::from_secs(61 * 60)).await;
    world.get("/v1/tenants", &session).await.problem(StatusCode::UNAUTHORIZED, "session_expired");
    let short = SessionTimes { lifetime: Duration::from_secs(2), ..SessionTimes::default() };
    let world = World::with(short).await;
    let session = world.sign_in(json!({})).await;
    loop {
        let answer = world.get("/v1/tenants", &session).await;
        if answer.status != StatusCode::OK {
            answer.problem(StatusCode::UNAUTHORIZED, "session_expired");
            break;
        }
    }
}

#[tokio::test]
async fn signing_out_ends_this_session_or_all_of_the_person() {
    let world = World::new().await;
    let mut mine = Vec::new();
    for _ in 0..4 {
        mine.push(world.sign_in(json!({})).await);
    }
    let other = world.sign_in(json!({ "sub": "4712", "email": "ada@example.com" })).await;
    let answer = world.log_out(&mine[0], false).await.expect(StatusCode::OK);
    assert_eq!(answer.json::<LoggedOut>().ended, 1);
    assert!(set_cookie(&answer, SESSION).contains("Max-Age=0"));
    world.get("/v1/session", &mine[0]).await.problem(StatusCode::UNAUTHORIZED, "session_ended");
    world.get("/v1/session", &mine[1]).await.expect(StatusCode::OK);
    assert_eq!(world.log_out(&mine[1], true).await.expect(StatusCode::OK).json::<LoggedOut>().ended, 3);
    for session in &mine {
        world.get("/v1/session", session).await.problem(StatusCode::UNAUTHORIZED, "session_ended");
    }
    world.get("/v1/session", &other).await.expect(StatusCode::OK);
    let ends = world.audit().await.into_iter().filter(|entry| entry.action == "session.end").count();
    assert_eq!(ends, 4);
}

#[tokio::test]
async fn an_admin_ends_the_sessions_of_somebody() {
    let world = World::new().await;
    let [one, two] = [world.sign_in(json!({})).await, world.sign_in(json!({})).await];
    let other = world.sign_in(json!({ "sub": "4712", "email": "ada@example.com" })).await;
    let listed: Page<SessionView> = world.as_admin(Method::GET, "/v1/sessions").await.expect(StatusCode::OK).json();
    assert_eq!(listed.items.len(), 3);
    let path = "/v1/sessions?person=kim@example.com&limit=1";
    let page: Page<SessionView> = world.as_admin(Method::GET, path).await.expect(StatusCode::OK).json();
    assert!(page.next_cursor.is_some() && page.items[0].name == "kim@example.com", "{page:?}");
    let id = &world.who(&one).await.session.expect("a session").id;
    let ended = world.as_admin(Method::DELETE, &format!("/v1/sessions/{id}")).await.expect(StatusCode::OK);
    assert_eq!(ended.json::<SessionsEnded>().ended[0].ended_why.as_deref(), Some("revoked"));
    world.get("/v1/session", &one).await.problem(StatusCode::UNAUTHORIZED, "session_ended");
    let ended = world.as_admin(Method::DELETE, "/v1/sessions/kim@example.com").await.expect(StatusCode::OK);
    assert_eq!(ended.json::<SessionsEnded>().ended.len(), 1);
    world.get("/v1/session", &two).await.problem(StatusCode::UNAUTHORIZED, "session_ended");
    world.as_admin(Method::DELETE, "/v1/sessions/4712").await.expect(StatusCode::OK);
    world.get("/v1/session", &other).await.problem(StatusCode::UNAUTHORIZED, "session_ended");
    world.as_admin(Method::DELETE, "/v1/sessions/nobody").await.problem(StatusCode::NOT_FOUND, "unknown_session");
}

#[tokio::test]
async fn a_row_that_was_given_other_rights_fits_its_hash_no_longer() {
    let world = World::new().await;
    let session = world.sign_in(json!({ "groups": ["lookers"] })).await;
    for change in [
        "UPDATE sessions SET role = 'admin', member_of = '[\"admins\"]'",
        "UPDATE sessions SET role = 'viewer', member_of = '[\"lookers\"]', name = 'ada'",
        "UPDATE sessions SET name = 'kim@example.com', subject = '1'",
        "UPDATE sessions SET subject = '4711', expires_at = expires_at + 1",
    ] {
        let mut tx = world.api.deployment.store.begin().await.expect("the store");
        sql(change).execute(&mut tx).await.expect(change);
        tx.commit().await.expect("the store");
        world.get("/v1/tenants", &session).await.problem(StatusCode::UNAUTHORIZED, "unauthorized");
    }
}

#[tokio::test]
async fn a_stream_ends_with_its_session() {
    let world = World::new().await;
    let session = world.sign_in(json!({})).await;
    let ask = |method: Method, path: &str, body: Value| {
        world.http.request(method, format!("{}{path}", world.api.base)).bearer_auth(ADMIN).json(&body)
    };
    let topology = world.http.put(format!("{}/v1/topology", world.api.base)).bearer_auth(ADMIN).body(TOPOLOGY);
    Answer::of(topology.header("content-type", "application/yaml")).await.expect(StatusCode::OK);
    let tenant = json!({ "id": "acme", "host": "acme.example.com", "realm": "us" });
    Answer::of(ask(Method::POST, "/v1/tenants", tenant)).await.expect(StatusCode::CREATED);
    let later = json!({ "to": "eu", "at": "2100-01-01T00:00:00Z" });
    let moved = Answer::of(ask(Method::POST, "/v1/tenants/acme/moves", later)).await.expect(StatusCode::ACCEPTED);
    let id = moved.json::<Value>()["id"].as_str().expect("an id").to_owned();
    let url = format!("{}/v1/moves/{id}/events", world.api.base);
    let mut stream = world.http.get(url).header(COOKIE, &session).send().await.expect("an answer");
    assert_eq!(stream.status(), StatusCode::OK);
    stream.chunk().await.expect("no break").expect("the move");
    world.log_out(&session, false).await.expect(StatusCode::OK);
    let end = async { while stream.chunk().await.expect("no break").is_some() {} };
    tokio::time::timeout(SOON, end).await.expect("the stream ends");
}
