//! `/signed-in`: a plain page that says who is signed in, and signs out.

use axum::http::header;
use axum::response::{Html, IntoResponse, Response};

use super::pages::guarded;

/// One script of ours, which asks this server.
const POLICY: &str = "default-src 'none'; script-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// `GET /signed-in`
pub(super) async fn page() -> Response {
    guarded(Html(include_str!("signed_in.html")).into_response(), POLICY)
}

/// `GET /signed-in.js`
pub(super) async fn script() -> Response {
    let javascript = [(header::CONTENT_TYPE, "text/javascript; charset=utf-8")];
    guarded((javascript, include_str!("signed_in.js")).into_response(), POLICY)
}
