//! Handlers that run the statements of the API's and do nothing else.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use catalogue::{ledger, placements, tenants};
use serde::Deserialize;
use server::api::{LedgerEntryView, MoveView, Page, PlacementView, TenantView};
use store::StoreError;
use workflows::Deployment;
use workflows::planning;
use workflows::provision::create_tenant;
use workflows::realm_move::list_moves;

use crate::requests::{by, new_tenant};

pub(crate) fn router(deployment: Deployment) -> Router {
    Router::new()
        .route("/v1/tenants", get(list).post(create))
        .route("/v1/tenants/{id}", get(show))
        .route("/v1/moves", get(moves))
        .with_state(deployment)
}

#[derive(Deserialize)]
struct Window {
    limit: i64,
}

#[derive(Deserialize)]
struct New {
    id: String,
}

/// Whatever goes wrong ends the measurement.
struct Broken;

impl axum::response::IntoResponse for Broken {
    fn into_response(self) -> axum::response::Response {
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }
}

impl From<StoreError> for Broken {
    fn from(_: StoreError) -> Self {
        Self
    }
}

impl From<workflows::refusal::Refusal> for Broken {
    fn from(_: workflows::refusal::Refusal) -> Self {
        Self
    }
}

async fn list(State(app): State<Deployment>, Query(window): Query<Window>) -> Result<Json<Page<TenantView>>, Broken> {
    let mut tx = app.store.read().await?;
    let found = tenants::list(&mut tx, None, None, window.limit + 1).await?;
    tx.rollback().await?;
    let mut items: Vec<TenantView> = found.into_iter().map(TenantView::from).collect();
    let more = items.len() > usize::try_from(window.limit).unwrap_or(usize::MAX);
    let next_cursor = if more { items.pop().and_then(|_| items.last().map(|last| last.id.clone())) } else { None };
    Ok(Json(Page { items, next_cursor }))
}

async fn show(State(app): State<Deployment>, Path(id): Path<String>) -> Result<Json<TenantView>, Broken> {
    let mut tx = app.store.read().await?;
    let tenant = planning::tenant(&mut tx, &id).await?;
    let shards = placements::of_tenant(&mut tx, &id).await?;
    let entries = ledger::of_tenant(&mut tx, &id).await?;
    tx.rollback().await?;
    let placements = shards.into_iter().map(|(service, shard)| PlacementView { service, shard }).collect();
    let entries = entries.into_iter().map(LedgerEntryView::from).collect();
    Ok(Json(TenantView { placements: Some(placements), ledger: Some(entries), ..TenantView::from(tenant) }))
}

async fn moves(State(app): State<Deployment>, Query(window): Query<Window>) -> Result<Json<Page<MoveView>>, Broken> {
    let mut tx = app.store.read().await?;
    let mut items = list_moves(&mut tx, None, None, None, window.limit + 1).await?;
    tx.rollback().await?;
    let more = items.len() > usize::try_from(window.limit).unwrap_or(usize::MAX);
    let next_cursor = if more { items.pop().and_then(|_| items.last().map(|last| last.id.clone())) } else { None };
    Ok(Json(Page { items, next_cursor }))
}

async fn create(State(app): State<Deployment>, Json(new): Json<New>) -> Result<(StatusCode, Json<TenantView>), Broken> {
    let new = new_tenant(&new.id).map_err(|_| Broken)?;
    let (tenant, _) = create_tenant(&app, &new, &by()).await?;
    Ok((StatusCode::CREATED, Json(TenantView::from(tenant))))
}
