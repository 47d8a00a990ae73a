//! Connections on which nobody says anything, or nothing that lets them in, keep nobody out.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::json;
use server::ServerSettings;
use server::api::CreatedToken;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use workflows::access::TokenKeys;

use crate::harness::{Answer, Api, SOON};

const MOST: usize = 8;
const TOKEN: &str = "s3cret-token";

#[tokio::test(flavor = "multi_thread")]
async fn silent_connections_make_room_and_those_that_were_let_in_stay() {
    let settings =
        ServerSettings { token: Some(TOKEN.parse().expect("a token")), connections: MOST, ..ServerSettings::default() };
    let api = Api::with(settings).await;
    let at = api.base.strip_prefix("http://").expect("plain HTTP").to_owned();
    let ask = |path: &str| Answer::of(api.request(Method::GET, path).bearer_auth(TOKEN));
    ask("/v1/pauses").await.expect(StatusCode::OK);
    let mut kept = TcpStream::connect(&at).await.expect("the server listens");
    let request = format!("GET /v1/pauses HTTP/1.1\r\nHost: {at}\r\nAuthorization: Bearer {TOKEN}\r\n\r\n");
    let mut answered = async || {
        kept.write_all(request.as_bytes()).await.expect("it is still open");
        let mut answer = Vec::new();
        while !is_whole(&answer) {
            assert_ne!(kept.read_buf(&mut answer).await.expect("it answers"), 0, "it goes on: {answer:?}");
        }
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{answer:?}");
    };
    answered().await;

    let mut silent = Vec::new();
    for _ in 0..4 * MOST {
        silent.push(TcpStream::connect(&at).await.expect("the server listens"));
    }
    let body = json!({ "reason": "in the middle of it" });
    let paused = api.request(Method::POST, "/v1/pause").bearer_auth(TOKEN).json(&body);
    Answer::of(paused).await.expect(StatusCode::OK);
    answered().await;
    // The oldest of them have made room.
    let mut byte = [0; 1];
    let ended = tokio::time::timeout(SOON, silent[0].read(&mut byte)).await.expect("it ends");
    assert!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
}

/// Whether an answer has come to the end of its body.
fn is_whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer).to_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("its length is told");
    body.len() >= length.parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_never_says_what_it_wants_is_not_waited_for() {
    let settings = ServerSettings { headers_within: Duration::from_millis(500), ..ServerSettings::default() };
    let api = Api::with(settings).await;
    let at = api.base.strip_prefix("http://").expect("plain HTTP").to_owned();
    let mut slow = TcpStream::connect(&at).await.expect("the server listens");
    slow.write_all(b"GET /healthz HTTP/1.1\r\nHost:").await.expect("it is open");
    let mut said = Vec::new();
    let ended = tokio::time::timeout(SOON, slow.read_to_end(&mut said)).await;
    ended.expect("the server ends it").expect("in order");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bearer_with_most_of_the_connections_makes_room_for_others() {
    let token_keys = Arc::new(TokenKeys::parse("a-key-of-this-test\n").expect("a key"));
    let token = Some(TOKEN.parse().expect("a token"));
    let settings = ServerSettings { token, token_keys, connections: MOST, ..ServerSettings::default() };
    let api = Api::with(settings).await;
    let at = api.base.strip_prefix("http://").expect("plain HTTP").to_owned();
    let make = async |name: &str| {
        let request = api.request(Method::POST, "/v1/tokens").bearer_auth(TOKEN);
        let made = Answer::of(request.json(&json!({ "name": name, "role": "viewer" }))).await;
        made.expect(StatusCode::CREATED).json::<CreatedToken>().secret
    };
    let (greedy, other) = (make("greedy").await, make("other").await);
    let mut held = Vec::new();
    for _ in 0..2 * MOST {
        let mut stream = TcpStream::connect(&at).await.expect("the server listens");
        let request = format!("GET /v1/topology HTTP/1.1\r\nHost: {at}\r\nAuthorization: Bearer {greedy}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("it is open");
        let mut answer = Vec::new();
        while !is_whole(&answer) {
            assert_ne!(stream.read_buf(&mut answer).await.expect("it answers"), 0, "{answer:?}");
        }
        assert!(answer.starts_with(b"HTTP/1.1 404"), "it was let in: {}", String::from_utf8_lossy(&answer));
        held.push(stream);
    }
    // Its own client, which has no connection yet.
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let asked = http.get(format!("{}/v1/topology", api.base)).bearer_auth(&other).timeout(SOON);
    Answer::of(asked).await.expect(StatusCode::NOT_FOUND);
    let mut byte = [0; 1];
    let ended = tokio::time::timeout(SOON, held[0].read(&mut byte)).await.expect("it ends");
    assert!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
}
