//! Requests to the provider: over TLS (or on loopback), without redirects and proxies, bounded in size and time.

use std::error::Error as _;
use std::time::Duration;

use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::Value;

const ANSWERS_WITHIN: Duration = Duration::from_secs(10);
const CONNECTS_WITHIN: Duration = Duration::from_secs(5);

/// Longer than any answer that we need.
const LONGEST: usize = 256 << 10;

/// In words, for the log. Nothing of what was sent or received.
#[derive(Debug, Clone)]
pub(super) struct FetchError(pub(super) String);

pub(super) fn client() -> Result<Client, FetchError> {
    // Another part of the process may have installed it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(ANSWERS_WITHIN)
        .connect_timeout(CONNECTS_WITHIN)
        .build()
        .map_err(said)
}

/// The answer's status and its body, which must be JSON.
pub(super) async fn json(request: RequestBuilder) -> Result<(StatusCode, Value), FetchError> {
    let mut response = request.header("Accept", "application/json").send().await.map_err(said)?;
    let status = response.status();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(said)? {
        body.extend_from_slice(&chunk);
        if body.len() > LONGEST {
            return Err(FetchError(format!("the answer is longer than {} KiB", LONGEST >> 10)));
        }
    }
    let read = serde_json::from_slice(&body);
    read.map(|body| (status, body)).map_err(|_| FetchError(format!("the answer ({status}) is not JSON")))
}

fn said(error: reqwest::Error) -> FetchError {
    let error = error.without_url();
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        said = format!("{said}: {inner}");
        cause = inner.source();
    }
    FetchError(said)
}
