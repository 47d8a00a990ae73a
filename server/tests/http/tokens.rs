//! Lists of tokens: the newest first, page by page, and only good ones where that is asked for.

use std::sync::Arc;

use reqwest::{Method, StatusCode};
use serde_json::json;
use server::ServerSettings;
use server::api::{CreatedToken, Page, TokenView};
use store::sql;
use workflows::access::TokenKeys;

use crate::harness::{Answer, Api};

const ADMIN: &str = "the-servers-own-token";

/// A server with tokens `a`, `b` and so on, made in this order, `c` and `d` in the same millisecond.
async fn with_tokens(names: &[&str]) -> (Api, Vec<CreatedToken>) {
    let keys = TokenKeys::parse("a-key-of-this-test\n").expect("a key");
    let settings = ServerSettings {
        token: Some(ADMIN.parse().expect("a token")),
        token_keys: Arc::new(keys),
        ..ServerSettings::default()
    };
    let api = Api::with(settings).await;
    let mut made: Vec<CreatedToken> = Vec::new();
    for name in names {
        let body = json!({ "name": name, "role": "viewer" });
        let request = api.request(Method::POST, "/v1/tokens").bearer_auth(ADMIN).json(&body);
        made.push(Answer::of(request).await.expect(StatusCode::CREATED).json());
    }
    for (name, at) in names.iter().zip([1_000_i64, 2_000, 3_000, 3_000, 5_000]) {
        set(&api, "UPDATE tokens SET created_at = $2 WHERE name = $1", name, at).await;
    }
    (api, made)
}

async fn set(api: &Api, statement: &'static str, name: &str, at: i64) {
    let mut tx = api.deployment.store.begin().await.expect("the store");
    assert_eq!(sql(statement).bind(name).bind(at).execute(&mut tx).await.expect("it is written"), 1);
    tx.commit().await.expect("the store");
}

async fn list(api: &Api, query: &str) -> Page<TokenView> {
    let request = api.request(Method::GET, &format!("/v1/tokens?{query}")).bearer_auth(ADMIN);
    Answer::of(request).await.expect(StatusCode::OK).json()
}

async fn revoke(api: &Api, name: &str) {
    let request = api.request(Method::DELETE, &format!("/v1/tokens/{name}")).bearer_auth(ADMIN).json(&json!({}));
    Answer::of(request).await.expect(StatusCode::OK);
}

fn names(page: &Page<TokenView>) -> Vec<&str> {
    page.items.iter().map(|token| token.name.as_str()).collect()
}

#[tokio::test]
async fn only_good_ones_are_listed_where_that_is_asked_for() {
    let (api, _) = with_tokens(&["a", "b", "c", "d", "e"]).await;
    set(&api, "UPDATE tokens SET expires_at = $2 WHERE name = $1", "b", 10_000).await;
    revoke(&api, "e").await;
    assert_eq!(list(&api, "").await.items.len(), 5);
    let good = list(&api, "state=good").await;
    assert_eq!(good.items.len(), 3, "{good:?}");
    assert!(names(&good).iter().all(|name| ["a", "c", "d"].contains(name)) && names(&good)[2] == "a", "{good:?}");
    let unknown = api.request(Method::GET, "/v1/tokens?state=bad").bearer_auth(ADMIN);
    Answer::of(unknown).await.problem(StatusCode::BAD_REQUEST, "unknown_state");
}

#[tokio::test]
async fn the_newest_come_first_and_a_cursor_keeps_its_place() {
    let (api, made) = with_tokens(&["a", "b", "c", "d", "e"]).await;
    let id =
        |name: &str| made.iter().map(|made| &made.token).find(|token| token.name == name).expect("made").id.clone();
    // Of those of one millisecond the greater id is first.
    let (first, second) = if id("d") > id("c") { ("d", "c") } else { ("c", "d") };
    assert_eq!(names(&list(&api, "").await), ["e", first, second, "b", "a"]);
    let page = list(&api, "state=good&limit=2").await;
    assert_eq!(names(&page), ["e", first]);
    // The one at which the page ended is good no longer, and a new one is made.
    revoke(&api, first).await;
    let body = json!({ "name": "f", "role": "viewer" });
    Answer::of(api.request(Method::POST, "/v1/tokens").bearer_auth(ADMIN).json(&body))
        .await
        .expect(StatusCode::CREATED);
    let cursor = page.next_cursor.expect("there are more");
    let next = list(&api, &format!("state=good&limit=2&cursor={cursor}")).await;
    assert_eq!(names(&next), [second, "b"]);
    let last = list(&api, &format!("state=good&cursor={}", next.next_cursor.expect("there are more"))).await;
    assert_eq!(names(&last), ["a"]);
    assert_eq!(last.next_cursor, None);
}
