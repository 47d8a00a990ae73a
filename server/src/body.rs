//! Reading a request's body: of the right media type, bounded in size and time, and JSON without unknown fields.

pub(crate) mod words;

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::error::Category;

use crate::problem::ApiError;

/// Most bytes of a JSON body.
pub(crate) const JSON_MAX: usize = 64 << 10;

/// Most bytes of a JSON body that lists tenants: some 60,000 of the longest ids.
pub(crate) const LIST_MAX: usize = 4 << 20;

/// Most bytes of a topology file.
pub(crate) const TOPOLOGY_MAX: usize = 4 << 20;

/// How long a body may take to arrive.
const ARRIVES_WITHIN: Duration = Duration::from_secs(30);

const JSON_TYPES: &[&str] = &["application/json"];
const YAML_TYPES: &[&str] = &["application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml", "application/json"];

/// A JSON body; nothing at all counts as `{}`. The media type is asked for even then: a page in a browser can't send it to
/// another site without asking first, so it can't make changes here.
pub(crate) struct JsonBody<T, const MAX: usize = JSON_MAX>(pub(crate) T);

/// A body of YAML, of which JSON is a part.
pub(crate) struct YamlBody(pub(crate) String);

impl<S: Send + Sync, T: DeserializeOwned, const MAX: usize> FromRequest<S> for JsonBody<T, MAX> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        require_type(request.headers(), JSON_TYPES)?;
        let bytes = read(request, state, MAX).await?;
        let text: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        // serde would take a list for the fields in their order.
        if text.trim_ascii_start().starts_with(b"[") {
            return Err(ApiError::invalid("invalid_body", "the body is a list; it must be a JSON object"));
        }
        let mut json = serde_json::Deserializer::from_slice(text);
        let read = serde_path_to_error::deserialize(&mut json).map_err(|error| {
            let (path, error) = (error.path().to_string(), error.into_inner());
            match error.classify() {
                Category::Data => ApiError::invalid("invalid_body", words::problem(&path, &error.to_string())),
                // The parser takes anything but text in the place of a name for a mistake of form.
                _ if serde_json::from_slice::<IgnoredAny>(text).is_ok() => {
                    ApiError::invalid("invalid_body", format!("`{path}` must be text"))
                }
                _ => not_json(&error),
            }
        })?;
        json.end().map_err(|error| not_json(&error))?;
        Ok(Self(read))
    }
}

impl<S: Send + Sync> FromRequest<S> for YamlBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        require_type(request.headers(), YAML_TYPES)?;
        let bytes = read(request, state, TOPOLOGY_MAX).await?;
        String::from_utf8(bytes.into())
            .map(Self)
            .map_err(|_| ApiError::invalid("invalid_body", "the topology file is not UTF-8 text"))
    }
}

fn not_json(error: &serde_json::Error) -> ApiError {
    let detail = match error.classify() {
        Category::Eof => "the body is not whole JSON: it ends too early".to_owned(),
        _ => format!("the body is not JSON: {error}"),
    };
    ApiError::invalid("invalid_json", detail)
}

fn require_type(headers: &HeaderMap, accepted: &[&str]) -> Result<(), ApiError> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim();
    if accepted.iter().any(|name| essence.eq_ignore_ascii_case(name)) {
        return Ok(());
    }
    let detail = format!("send it with `Content-Type: {}`", accepted.join("` or `"));
    Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail))
}

/// A body of any route, before it is known what it is for.
pub(crate) async fn whole(body: Body) -> Result<Bytes, ApiError> {
    let mut request = Request::new(body);
    DefaultBodyLimit::max(TOPOLOGY_MAX).apply(&mut request);
    read(request, &(), TOPOLOGY_MAX).await
}

/// The limit itself is set on the route.
async fn read<S: Send + Sync>(request: Request, state: &S, limit: usize) -> Result<Bytes, ApiError> {
    let late = |_| {
        let detail = format!("the body did not arrive within {} s", ARRIVES_WITHIN.as_secs());
        ApiError::new(StatusCode::REQUEST_TIMEOUT, "body_too_slow", detail)
    };
    let read = tokio::time::timeout(ARRIVES_WITHIN, Bytes::from_request(request, state)).await.map_err(late)?;
    read.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            let detail = format!("the body is larger than {} KiB", limit >> 10);
            ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail)
        }
        _ => ApiError::invalid("invalid_body", "the body broke off"),
    })
}
