//! Whether the process lives, and whether it can serve. Asked by machines, without a token.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use store::StoreError;
use tracing::warn;

use crate::problem::{ApiError, chain};
use crate::server::App;

/// How long the catalogue may take to answer before this process does not count as ready.
const ANSWERS_WITHIN: Duration = Duration::from_secs(3);

/// `GET /healthz`: always, while the process lives.
pub(crate) async fn healthz() -> &'static str {
    "ok"
}

/// `GET /readyz`: when the catalogue answers.
pub(crate) async fn readyz(State(app): State<App>) -> Result<&'static str, ApiError> {
    match tokio::time::timeout(ANSWERS_WITHIN, ask(&app)).await {
        Ok(Ok(())) => return Ok("ok"),
        Ok(Err(error)) => warn!(error = chain(&error), "not ready: the catalogue does not answer"),
        Err(_) => warn!("not ready: the catalogue does not answer in time"),
    }
    Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", "the catalogue does not answer"))
}

async fn ask(app: &App) -> Result<(), StoreError> {
    let mut tx = app.deployment.store.read().await?;
    catalogue::tenants::list(&mut tx, None, None, 1).await?;
    tx.rollback().await
}
