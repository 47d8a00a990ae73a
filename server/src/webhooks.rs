//! `/v1/webhooks`: who is told what happens, how far, and what could not be told. Where they are called stands in the operator's file
//! alone: nothing here can change it.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;
use workflows::webhooks::{DeliveryView, list_deliveries, list_webhooks, replay_delivery};

use crate::actor::Caller;
use crate::api::text_schemas;
use crate::api::{Change, Page, ReplayedDelivery, WebhooksView};
use crate::app_state::App;
use crate::body::JsonBody;
use crate::paging::Window;
use crate::path::{Id, is_id};
use crate::problem::ApiError;
use crate::query::{Params, present, state_filter};

/// The query of `GET /v1/webhooks/deliveries`.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filter {
    /// Only this webhook's.
    #[param(max_length = 128, pattern = "^[!-~]*$")]
    webhook: Option<String>,
    /// Only those in this state.
    #[param(schema_with = text_schemas::state_of_a_delivery)]
    state: Option<String>,
    /// The `nextCursor` of the page before.
    #[param(max_length = 128, pattern = "^[!-~]*$")]
    cursor: Option<String>,
    /// How many items; 100 when absent.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 500)]
    limit: Option<String>,
}

/// `GET /v1/webhooks`
pub(crate) async fn list(State(app): State<App>) -> Result<Json<WebhooksView>, ApiError> {
    let mut tx = app.deployment.store.read().await?;
    let items = list_webhooks(&mut tx).await?;
    tx.rollback().await?;
    Ok(Json(WebhooksView { items }))
}

/// `GET /v1/webhooks/deliveries`: newest first.
pub(crate) async fn deliveries(
    State(app): State<App>,
    Params(filter): Params<Filter>,
) -> Result<Json<Page<DeliveryView>>, ApiError> {
    let window = Window::new(filter.cursor, filter.limit.as_deref())?;
    let state = state_filter(filter.state, &catalogue::webhook_deliveries::STATES)?;
    let webhook = present(filter.webhook);
    if webhook.as_deref().is_some_and(|name| !is_id(name)) {
        return Err(ApiError::invalid("invalid_query", "`webhook` must be the name of a webhook"));
    }
    let mut tx = app.deployment.store.read().await?;
    let which = (webhook.as_deref(), state.as_deref());
    let found = list_deliveries(&mut tx, which, window.cursor.as_deref(), window.fetch()).await?;
    tx.rollback().await?;
    Ok(Json(window.page(found, |found| &found.id)))
}

/// `POST /v1/webhooks/deliveries/{id}/replay`
pub(crate) async fn replay(
    State(app): State<App>,
    Id(id): Id,
    caller: Caller,
    JsonBody(asked): JsonBody<Change>,
) -> Result<Json<ReplayedDelivery>, ApiError> {
    let (delivery, replayed) = replay_delivery(&app.deployment, &id, &caller.because(asked.reason)?).await?;
    Ok(Json(ReplayedDelivery { replayed, delivery: DeliveryView::of(delivery) }))
}
