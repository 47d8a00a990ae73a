//! Requests that somebody has broken: each is answered in time, with what was asked for or with a problem that has a code, and never as a
//! failure of the server. `REALMCTL_FUZZ=N` tries N times as many.

use std::cell::Cell;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Method, RequestBuilder};
use server::ServerSettings;
use server::api::Problem;
use tokio::runtime::Handle;
use workflows::access::TokenKeys;

use crate::harness::{Answer, Api};

/// The longest that one request may take, on a machine that stands still at times.
const LONGEST: Duration = Duration::from_secs(20);

/// Pieces of which bodies are put together.
const PIECES: [&str; 24] = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"id\"",
    "\"host\"",
    "\"realm\"",
    "\"us\"",
    "\"acme\"",
    "\"acme.example\"",
    "null",
    "true",
    "-0",
    "1e999",
    "18446744073709551616",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "\"\u{202e}\"",
    "\u{feff}",
    "{\"id\":",
    "\\",
    " ",
];

/// Tries a law, and says how many cases it saw and how many answers were good; of some, none may be.
fn hold<S: Strategy>((law, lets_none_in): (&str, bool), cases: u32, of: &S, ask: impl Fn(S::Value) -> RequestBuilder) {
    let times =
        std::env::var("REALMCTL_FUZZ").map_or(1, |times| times.parse().expect("REALMCTL_FUZZ is a whole number"));
    let config = Config { cases: cases.saturating_mul(times), failure_persistence: None, ..Config::default() };
    let (tried, good) = (Cell::new(0_u64), Cell::new(0_u64));
    let held = TestRunner::new(config).run(of, |value| {
        let request = ask(value).timeout(LONGEST);
        let answer = tokio::task::block_in_place(|| Handle::current().block_on(Answer::of(request)));
        tried.set(tried.get() + 1);
        good.set(good.get() + u64::from(answer.status.is_success()));
        if answer.status.is_success() {
            return Ok(());
        }
        prop_assert!(answer.status.is_client_error(), "{}: {}", answer.status, answer.body);
        let problem: Problem = serde_json::from_str(&answer.body)
            .map_err(|error| TestCaseError::fail(format!("{error}: {}", answer.body)))?;
        prop_assert!(!problem.code.is_empty() && !problem.detail.is_empty(), "{}", answer.body);
        Ok(())
    });
    held.unwrap_or_else(|error| panic!("{law}: {error}"));
    println!("{law}: {} cases, {} of them taken", tried.get(), good.get());
    assert!(!lets_none_in || good.get() == 0, "{law}: none is good");
}

fn json(api: &Api, path: &str, body: String) -> RequestBuilder {
    api.request(Method::POST, path).header(CONTENT_TYPE, "application/json").body(body)
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_bodies_are_refused() {
    let api = Api::new().await;
    let pieces = proptest::collection::vec(proptest::sample::select(&PIECES[..]), 0..20);
    hold(("bodies of pieces", false), 300, &pieces, |pieces| json(&api, "/v1/tenants", pieces.concat()));
    let nested = (0_usize..20_000, proptest::sample::select(&["[", "{\"id\":", "[{\"id\":"][..]));
    hold(("nested bodies", true), 100, &nested, |(deep, open)| json(&api, "/v1/tenants", open.repeat(deep)));
    // A field that is there twice means one of two things.
    let twice = ("[a-z]{1,9}", "[a-z]{1,9}");
    hold(("fields given twice", true), 100, &twice, |(one, other)| {
        json(&api, "/v1/tenants", format!(r#"{{"id":"{one}","id":"{other}","host":"{one}.example","realm":"us"}}"#))
    });
    let listed = Answer::of(api.request(Method::GET, "/v1/tenants")).await;
    assert!(listed.body.contains(r#""items":[]"#), "nothing of this was a tenant: {}", listed.body);
    let bytes = proptest::collection::vec(any::<u8>(), 0..200);
    hold(("bodies of bytes", false), 200, &bytes, |bytes| {
        api.request(Method::POST, "/v1/tenants").header(CONTENT_TYPE, "application/json").body(bytes)
    });
}

/// What a header may hold at all.
fn header() -> impl Strategy<Value = HeaderValue> {
    let odd = proptest::collection::vec(prop_oneof![4 => b' '..=b'~', 1 => 128_u8..=255, 1 => b'0'..=b'9'], 0..300);
    let number = any::<i128>().prop_map(|number| number.to_string().into_bytes());
    prop_oneof![3 => odd, 1 => number]
        .prop_map(|bytes| HeaderValue::from_bytes(&bytes).expect("these may stand in a header"))
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_headers_and_cursors_are_refused() {
    let api = Api::with_tenants(&["acme"]).await;
    let id = api.schedule_move("acme").await.id;
    hold(("idempotency keys", false), 200, &header(), |key| {
        json(&api, "/v1/tenants/nobody/moves", r#"{"to":"eu"}"#.to_owned()).header("Idempotency-Key", key)
    });
    hold(("users", false), 200, &header(), |user| {
        json(&api, "/v1/resume", "{}".to_owned()).header("X-Realmctl-User", user)
    });
    // A number would begin a stream, which does not end.
    let no_number = header().prop_map(|value| {
        HeaderValue::from_bytes(&[b"x", value.as_bytes()].concat()).expect("it may stand in a header")
    });
    hold(("Last-Event-ID", true), 200, &no_number, |last| {
        api.request(Method::GET, &format!("/v1/moves/{id}/events")).header("Last-Event-ID", last)
    });
    let cursors = (".{0,80}", ".{0,10}");
    hold(("cursors and limits", false), 300, &cursors, |(cursor, limit)| {
        let mut url: reqwest::Url = format!("{}/v1/tenants", api.base).parse().expect("a URL");
        url.query_pairs_mut().append_pair("cursor", &cursor).append_pair("limit", &limit);
        api.http.get(url)
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_tokens_let_nobody_in() {
    let keys = TokenKeys::parse("a-key-of-this-test\n").expect("a key");
    let settings = ServerSettings { token_keys: std::sync::Arc::new(keys), ..ServerSettings::default() };
    let api = Api::with(settings).await;
    let like_ours = prop_oneof![
        "rct_[0-9a-f]{16}_[0-9a-f]{64}",
        "rct_[0-9a-fA-F_]{0,90}",
        "(rct_){1,9}[0-9a-f]{0,70}",
        "[ -~]{0,300}",
    ];
    let shown = prop_oneof![
        3 => like_ours.prop_map(|text| HeaderValue::from_str(&format!("Bearer {text}")).expect("it may stand in a header")),
        1 => header(),
    ];
    hold(("tokens", true), 400, &shown, |shown| {
        api.request(Method::GET, "/v1/tenants").header(reqwest::header::AUTHORIZATION, shown)
    });
    let nobody = Answer::of(api.request(Method::GET, "/v1/tenants")).await;
    assert_eq!(nobody.status.as_u16(), 401, "{}", nobody.body);
}
