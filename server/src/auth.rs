//! Lets a caller of `/v1` in who shows the token. A server without one listens on loopback only, and then answers only
//! requests that were addressed to loopback: a web page that points its own name there (DNS rebinding) is turned away.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::connections::LetIn;
use crate::problem::ApiError;
use crate::settings::Token;

/// Checks the token. Keeps a hash of it, so that comparing takes as long for a near miss as for any other.
#[derive(Clone)]
pub(crate) struct TokenCheck(Option<blake3::Hash>);

impl TokenCheck {
    pub(crate) fn new(token: Option<&Token>) -> Self {
        Self(token.map(|token| blake3::hash(token.reveal().as_bytes())))
    }

    fn opens_for(&self, headers: &HeaderMap) -> bool {
        let Some(expected) = self.0 else { return true };
        // `blake3::Hash` compares in constant time (its documentation, "impl PartialEq for Hash").
        shown_token(headers).is_some_and(|token| blake3::hash(token) == expected)
    }
}

/// Answers 401, or 403 to a foreign `Host`, unless the token is right.
pub(crate) async fn require_token(State(check): State<TokenCheck>, request: Request, next: Next) -> Response {
    if check.0.is_none() && !is_addressed_to_loopback(request.headers()) {
        let detail = "this server has no token and answers on loopback only: address it as 127.0.0.1, ::1 or localhost";
        return ApiError::new(StatusCode::FORBIDDEN, "foreign_host", detail).into_response();
    }
    if check.opens_for(request.headers()) {
        if let Some(connection) = request.extensions().get::<LetIn>() {
            connection.note();
        }
        return next.run(request).await;
    }
    let detail = "this server wants its token: send `Authorization: Bearer TOKEN` (clients: --token or REALMCTL_TOKEN)";
    ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", detail).into_response()
}

fn is_addressed_to_loopback(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let Some(authority) = host.and_then(|host| host.parse::<Authority>().ok()) else { return false };
    let name = authority.host().trim_matches(['[', ']']);
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn shown_token(headers: &HeaderMap) -> Option<&[u8]> {
    let mut values = headers.get_all(header::AUTHORIZATION).into_iter();
    let only = values.next().filter(|_| values.next().is_none())?.as_bytes();
    let (scheme, token) = only.split_at_checked("bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"bearer ").then_some(token)
}
