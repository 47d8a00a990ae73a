//! One line in the log for each request: its method, route, status and duration. No path, query, header or body, because
//! those can hold tenants' names and secrets.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use tracing::{debug, info};

/// Logs the request once it is answered; of an event stream, once it has begun.
pub(crate) async fn log(request: Request, next: Next) -> Response {
    let began = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map_or("-", MatchedPath::as_str).to_owned();
    let response = next.run(request).await;
    let (status, ms) = (response.status().as_u16(), began.elapsed().as_secs_f64() * 1000.0);
    if matches!(method, Method::GET | Method::HEAD) {
        debug!(%method, route, status, ms, "answered");
    } else {
        info!(%method, route, status, ms, "answered");
    }
    response
}
