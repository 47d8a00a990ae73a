//! `/v1/tenants`: creating, listing and showing tenants.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use catalogue::{ledger, placements, tenants};
use serde::Deserialize;
use utoipa::IntoParams;
use workflows::planning;
use workflows::provision::{self, create_tenant_by_key};

use crate::actor::Caller;
use crate::api::{LedgerEntryView, NewTenant, Page, PlacementView, TenantView};
use crate::app_state::App;
use crate::body::JsonBody;
use crate::paging::Window;
use crate::path::{Id, is_id};
use crate::principal::Principal;
use crate::problem::ApiError;
use crate::query::{Params, invalid_tenant_id, present};
use crate::{idempotency, scope};

/// The query of `GET /v1/tenants`.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filter {
    /// Only those of this realm.
    #[param(max_length = 128, pattern = "^[!-~]*$")]
    realm: Option<String>,
    /// The `nextCursor` of the page before.
    #[param(max_length = 128, pattern = "^[!-~]*$")]
    cursor: Option<String>,
    /// How many items; 100 when absent.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 500)]
    limit: Option<String>,
}

/// `POST /v1/tenants`
pub(crate) async fn create(
    State(app): State<App>,
    caller: Caller,
    principal: Principal,
    headers: HeaderMap,
    JsonBody(asked): JsonBody<NewTenant>,
) -> Result<Response, ApiError> {
    let key = idempotency::key(&headers)?;
    let new = provision::NewTenant {
        id: asked.id.parse().map_err(|error| invalid_tenant_id(&error))?,
        host: asked
            .host
            .parse()
            .map_err(|error: catalogue::tenant_id::InvalidHost| ApiError::invalid("invalid_host", error.to_string()))?,
        realm: asked.realm,
    };
    scope::covers_new(&principal, new.id.as_str(), &new.realm)?;
    let actor = caller.because(asked.reason)?;
    let created = create_tenant_by_key(&app.deployment, &new, key.as_deref(), &actor).await;
    let (tenant, created) = created.map_err(|refusal| scope::without_others(&principal, refusal))?;
    // It may have been there already, and live elsewhere by now.
    scope::covers_new(&principal, &tenant.id, &tenant.realm)?;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    let at = format!("/v1/tenants/{}", tenant.id);
    Ok((status, [(header::LOCATION, at)], Json(TenantView::from(tenant))).into_response())
}

/// `GET /v1/tenants`
pub(crate) async fn list(
    State(app): State<App>,
    Params(filter): Params<Filter>,
) -> Result<Json<Page<TenantView>>, ApiError> {
    let window = Window::new(filter.cursor, filter.limit.as_deref())?;
    let realm = present(filter.realm);
    if realm.as_deref().is_some_and(|realm| !is_id(realm)) {
        return Err(ApiError::invalid("invalid_realm", "that can't be a realm's name"));
    }
    let mut tx = app.deployment.store.read().await?;
    let found = tenants::list(&mut tx, realm.as_deref(), window.cursor.as_deref(), window.fetch()).await?;
    tx.rollback().await?;
    Ok(Json(window.page(found.into_iter().map(TenantView::from).collect(), |tenant| &tenant.id)))
}

/// `GET /v1/tenants/{id}`
pub(crate) async fn show(State(app): State<App>, Id(id): Id) -> Result<Json<TenantView>, ApiError> {
    let mut tx = app.deployment.store.read().await?;
    let tenant = planning::tenant(&mut tx, &id).await?;
    let shards = placements::of_tenant(&mut tx, &id).await?;
    let mut entries = ledger::of_tenant(&mut tx, &id).await?;
    // By name: keys of locations may hold ports, which say nothing to a reader.
    entries.sort_by(|a, b| (&a.service, &a.location.name).cmp(&(&b.service, &b.location.name)));
    tx.rollback().await?;
    let placements = shards.into_iter().map(|(service, shard)| PlacementView { service, shard }).collect();
    let entries = entries.into_iter().map(LedgerEntryView::from).collect();
    Ok(Json(TenantView { placements: Some(placements), ledger: Some(entries), ..TenantView::from(tenant) }))
}
