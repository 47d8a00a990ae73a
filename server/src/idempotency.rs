//! Changes with an `Idempotency-Key`: the same request again gets the answer of the first one, and another request with the same key is
//! refused. Keys are their caller's own.
//!
//! An answer is kept once the change is made. A process that is killed in between leaves neither, and the repeated request is carried out
//! again: each change finds what it made before (the tenant, the move, the campaign by the same key), or changes nothing by being repeated.
//! Refusals are not kept: what was refused may be asked for again with the same key.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{OriginalUri, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, response};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use catalogue::kept_answers;
use catalogue::kept_answers::{Answer, Found, Keyed};
use serde_json::{Value, json};
use store::{Millis, StoreError};
use tokio::time::{Instant, sleep};
use tracing::{error, warn};
use workflows::timestamps::rfc3339;
use workflows::timing::millis;

use crate::actor::named;
use crate::api::{IDEMPOTENCY_HEADER, PROBLEM_JSON};
use crate::app_state::App;
use crate::body::whole;
use crate::principal::Principal;
use crate::problem::ApiError;

const KEY_MAX: usize = 255;

/// Campaigns start their moves with keys that begin so.
const CAMPAIGNS_OWN: &str = "campaign:";

/// Says that an answer is the one of an earlier request.
pub(crate) const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// A request that was taken on so long ago, in milliseconds, and has no answer, was cut off.
const LAPSES_AFTER: Millis = 30_000;

/// How long a request waits for the answer of the same one, and how often it looks.
const WAITS: Duration = Duration::from_secs(10);
const LOOKS_EVERY: Duration = Duration::from_millis(100);

/// The key of a request, if it has one.
pub(crate) fn key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let mut given = headers.get_all(IDEMPOTENCY_HEADER).into_iter();
    let Some(first) = given.next() else { return Ok(None) };
    match first.to_str() {
        Ok(key) if (1..=KEY_MAX).contains(&key.len()) && !key.starts_with(CAMPAIGNS_OWN) && given.next().is_none() => {
            Ok(Some(key.to_owned()))
        }
        _ => {
            let detail = format!(
                "{IDEMPOTENCY_HEADER} is given once, is 1 to {KEY_MAX} printable ASCII characters, and does not begin with \
                 `{CAMPAIGNS_OWN}`"
            );
            Err(ApiError::invalid("invalid_idempotency_key", detail))
        }
    }
}

/// Carries a change with a key out once. Stands behind the check of what its bearer may do: who may no longer ask gets no kept answer.
pub(crate) async fn answer_once(State(app): State<App>, request: Request, next: Next) -> Response {
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        return next.run(request).await;
    }
    match key(request.headers()) {
        Ok(None) => next.run(request).await,
        Ok(Some(key)) => once(app, key, request, next).await.unwrap_or_else(IntoResponse::into_response),
        Err(error) => error.into_response(),
    }
}

async fn once(app: App, key: String, request: Request, next: Next) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    // A kept answer is no reason to take what the handler would refuse.
    named(&parts.headers)?;
    let bytes = whole(body).await?;
    let keyed = keyed(&parts, key, &bytes);
    let taken_on = match take_on(&app, &keyed).await? {
        TakenOn::ByUs(at) => at,
        TakenOn::Before(response) => return Ok(response),
    };
    // It goes on when the client has gone: the client will ask what came of it.
    let carried_out = tokio::spawn(async move {
        let response = next.run(Request::from_parts(parts, Body::from(bytes))).await;
        settle(&app, &keyed, taken_on, response).await
    });
    carried_out.await.map_err(|ended| {
        error!(error = %ended, "a bug in realmctl: a request panicked; the log has the place");
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", "the server failed; its log says why")
    })
}

fn keyed(parts: &Parts, key: String, body: &[u8]) -> Keyed {
    let caller = parts.extensions.get::<Principal>().map(Principal::owner).unwrap_or_default();
    let uri = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |OriginalUri(uri)| uri);
    let request = format!("{} {}", parts.method, uri.path());
    let headers = [header::CONTENT_TYPE, header::IF_MATCH].map(|name| all_of(&parts.headers, &name));
    let digest = digest(&request, uri.query().unwrap_or_default(), &headers, body);
    Keyed { caller, key, request, digest }
}

fn all_of(headers: &HeaderMap, name: &HeaderName) -> Vec<u8> {
    headers.get_all(name).into_iter().map(HeaderValue::as_bytes).collect::<Vec<_>>().join(&b","[..])
}

/// Stands for the whole request, with what it depends on. JSON counts by what it says, not by how it is written.
fn digest(request: &str, query: &str, headers: &[Vec<u8>; 2], body: &[u8]) -> String {
    let body = match serde_json::from_slice::<Value>(body) {
        Ok(json) => json.to_string().into_bytes(),
        Err(_) => body.to_vec(),
    };
    let mut hasher = blake3::Hasher::new();
    for part in [request.as_bytes(), query.as_bytes(), &headers[0], &headers[1], &body] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.finalize().to_hex().to_string()
}

/// By whom a request was taken on.
enum TakenOn {
    ByUs(Millis),
    /// Its answer, or why it gets none.
    Before(Response),
}

/// Takes the request on, or waits a while for the answer of the one that was.
async fn take_on(app: &App, keyed: &Keyed) -> Result<TakenOn, ApiError> {
    let until = Instant::now() + WAITS;
    loop {
        match look(app, keyed).await? {
            Found::TakenOn(at) => return Ok(TakenOn::ByUs(at)),
            Found::Answer(answer) => return Ok(TakenOn::Before(replayed(answer))),
            Found::Other(request, at) => {
                let detail = format!(
                    "that {IDEMPOTENCY_HEADER} was used for another request, {request} at {}: use a new key for each change, and \
                     repeat a request exactly as it was",
                    rfc3339(at)
                );
                return Err(ApiError::new(StatusCode::CONFLICT, "idempotency_key_reused", detail));
            }
            Found::InProgress if Instant::now() < until => sleep(LOOKS_EVERY).await,
            Found::InProgress => {
                let detail = "the first request with this key is still being carried out: repeat it in a few seconds";
                let error = ApiError::new(StatusCode::CONFLICT, "idempotency_key_in_use", detail);
                return Err(error.retry_after(Duration::from_secs(5)));
            }
        }
    }
}

async fn look(app: &App, keyed: &Keyed) -> Result<Found, StoreError> {
    let mut tx = app.deployment.store.begin().await?;
    if let Some(keep) = app.keep_answers {
        let before = tx.now().await? - millis(keep);
        kept_answers::forget(&mut tx, before).await?;
    }
    let found = kept_answers::take_on(&mut tx, keyed, LAPSES_AFTER).await?;
    tx.commit().await?;
    Ok(found)
}

/// The answer of the first request.
fn replayed(answer: Answer) -> Response {
    let status = u16::try_from(answer.status).ok().and_then(|status| StatusCode::from_u16(status).ok());
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = status.unwrap_or(StatusCode::OK);
    let headers = response.headers_mut();
    let kind = if response_is_problem(answer.status) { PROBLEM_JSON } else { "application/json" };
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    if let Some(location) = answer.location.and_then(|location| HeaderValue::try_from(location).ok()) {
        headers.insert(header::LOCATION, location);
    }
    response
}

fn response_is_problem(status: i64) -> bool {
    status >= 400
}

/// Keeps the answer of a change that was made; gives the key of one that was refused back. Neither can take the answer from the client.
async fn settle(app: &App, keyed: &Keyed, taken_on: Millis, response: Response) -> Response {
    let (parts, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, usize::MAX).await else {
        return Response::from_parts(parts, Body::empty());
    };
    let settled = if parts.status.is_success() {
        keep(app, keyed, taken_on, &answer(&parts, &bytes)).await
    } else {
        give_back(app, keyed, taken_on).await
    };
    if let Err(error) = settled {
        // Repeated, the request is carried out again.
        warn!(request = keyed.request, error = error.chain(), "the answer to a request with a key could not be kept");
    }
    Response::from_parts(parts, Body::from(bytes))
}

/// What is kept of an answer. One that nobody may keep holds a secret: that it was given is told instead.
fn answer(parts: &response::Parts, body: &[u8]) -> Answer {
    let text = |name| parts.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let location = text(header::LOCATION).map(str::to_owned);
    if text(header::CACHE_CONTROL).is_some_and(|value| value.contains("no-store")) {
        let detail = "this request was carried out before, and its answer held a secret that is shown once: see what it made, and \
                      revoke it if the answer was lost";
        let problem = ApiError::new(StatusCode::CONFLICT, "answer_not_kept", detail).into_problem();
        return Answer { status: 409, location, body: json!(problem).to_string() };
    }
    Answer { status: parts.status.as_u16().into(), location, body: String::from_utf8_lossy(body).into_owned() }
}

async fn keep(app: &App, keyed: &Keyed, taken_on: Millis, answer: &Answer) -> Result<(), StoreError> {
    let mut tx = app.deployment.store.begin().await?;
    kept_answers::keep(&mut tx, keyed, taken_on, answer).await?;
    tx.commit().await
}

async fn give_back(app: &App, keyed: &Keyed, taken_on: Millis) -> Result<(), StoreError> {
    let mut tx = app.deployment.store.begin().await?;
    kept_answers::give_back(&mut tx, keyed, taken_on).await?;
    tx.commit().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_tells_requests_apart_and_not_their_spaces() {
        let of =
            |request: &str, query: &str, body: &str| digest(request, query, &[Vec::new(), Vec::new()], body.as_bytes());
        let first = of("POST /v1/pause", "", r#"{"reason":"a","more":1}"#);
        assert_eq!(first, of("POST /v1/pause", "", "{ \"more\": 1,\n \"reason\": \"a\" }"));
        for other in [
            of("POST /v1/resume", "", r#"{"reason":"a","more":1}"#),
            of("POST /v1/pause", "a=b", r#"{"reason":"a","more":1}"#),
            of("POST /v1/pause", "", r#"{"reason":"b","more":1}"#),
            of("POST /v1/pause", "", "reason: a"),
            of("POST /v1/pause", "reason: a", ""),
        ] {
            assert_ne!(first, other);
        }
        assert_ne!(of("PUT /v1/topology", "", "reason: a"), of("PUT /v1/topology", "reason: a", ""));
        let on = |tag: &str| digest("PUT /v1/limits", "", &[Vec::new(), tag.as_bytes().to_vec()], b"{}");
        assert_ne!(on("\"a\""), on("\"b\""), "what has to be in force is part of what is asked for");
    }
}
