//! `/v1/explain/{id}`: what a move, a removal or a tenant waits for, and what can be done.

use axum::Json;
use axum::extract::State;

use crate::api::Explained;
use crate::app_state::App;
use crate::path::Id;
use crate::problem::ApiError;

/// `GET /v1/explain/{id}`
pub(crate) async fn explain(State(app): State<App>, Id(id): Id) -> Result<Json<Explained>, ApiError> {
    let mut tx = app.deployment.store.read().await?;
    let found = workflows::explain::explain(&app.deployment, &mut tx, &id).await?;
    tx.rollback().await?;
    Ok(Json(found))
}
