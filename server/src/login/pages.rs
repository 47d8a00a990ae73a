//! The pages that a person sees when signing in does not work, and the headers of all pages.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

use crate::problem::ProblemCode;

/// Nothing may be loaded, sent or framed.
const NOTHING: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The answer with the headers that keep it from being kept, framed, taken for something else, or told of.
pub(super) fn guarded(mut response: Response, policy: &'static str) -> Response {
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// The same for an answer that loads nothing.
pub(super) fn guarded_plainly(response: Response) -> Response {
    guarded(response, NOTHING)
}

/// Says why somebody is not signed in. `words` are ours.
pub(super) fn refused(status: StatusCode, code: &'static str, words: &str) -> Response {
    let page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Not signed in - realmctl</title></head>\n\
         <body><h1>You are not signed in</h1>\n<p>{}.</p>\n<p><code>{code}</code></p>\n<p><a href=\"/login\">Sign in again</a></p></body></html>\n",
        escaped(words)
    );
    let mut response = (status, Html(page)).into_response();
    response.extensions_mut().insert(ProblemCode(code));
    guarded_plainly(response)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
