//! `/v1/tokens`: making, listing and revoking tokens.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoParams;
use workflows::access::{self, Expiry, Scope, create_token, list_tokens, revoke_token};

use crate::actor::Caller;
use crate::api::{Change, CreatedToken, NewToken, Page, TokenView, text_schemas};
use crate::app_state::App;
use crate::approvals;
use crate::body::JsonBody;
use crate::paging::Window;
use crate::path::Id;
use crate::principal::Principal;
use crate::problem::ApiError;
use crate::query::{Params, state_filter};

/// The query of `GET /v1/tokens`.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filter {
    /// Only those in this state.
    #[param(schema_with = text_schemas::state_of_tokens)]
    state: Option<String>,
    /// The `nextCursor` of the page before.
    #[param(max_length = 128, pattern = "^[!-~]*$")]
    cursor: Option<String>,
    /// How many items; 100 when absent.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 500)]
    limit: Option<String>,
}

/// `POST /v1/tokens`
pub(crate) async fn create(
    State(app): State<App>,
    caller: Caller,
    principal: Principal,
    JsonBody(asked): JsonBody<NewToken>,
) -> Result<Response, ApiError> {
    let new = access::NewToken {
        name: asked.name,
        role: asked.role,
        scope: asked.scope.unwrap_or(Scope::All),
        expiry: expiry(asked.expires_at.as_deref())?,
    };
    let actor = caller.because(asked.reason)?;
    if let Some(waits) = approvals::needed_for_token(&app, &principal, &new, &actor).await? {
        return Ok(waits);
    }
    let created = create_token(&app.deployment, &app.token_keys, &new, &actor).await?;
    let at = format!("/v1/tokens/{}", created.token.id);
    let body = CreatedToken { secret: created.text, token: TokenView::of(created.token, new.scope) };
    // No cache on the way may keep it.
    let headers = [(header::LOCATION, at), (header::CACHE_CONTROL, "no-store".to_owned())];
    Ok((StatusCode::CREATED, headers, Json(body)).into_response())
}

/// `GET /v1/tokens`: the newest first.
pub(crate) async fn list(
    State(app): State<App>,
    Params(filter): Params<Filter>,
) -> Result<Json<Page<TokenView>>, ApiError> {
    let only_good = state_filter(filter.state, &["good"])?.is_some();
    let window = Window::new(filter.cursor, filter.limit.as_deref())?;
    let mut tx = app.deployment.store.read().await?;
    let found = list_tokens(&mut tx, only_good, window.cursor.as_deref(), window.fetch()).await?;
    tx.rollback().await?;
    let views = found.into_iter().map(|(token, scope)| TokenView::of(token, scope)).collect();
    Ok(Json(window.page(views, |token: &TokenView| &token.id)))
}

/// `DELETE /v1/tokens/{id}`, by its id or its name: from now on it is refused.
pub(crate) async fn revoke(
    State(app): State<App>,
    Id(id): Id,
    caller: Caller,
    JsonBody(asked): JsonBody<Change>,
) -> Result<Json<TokenView>, ApiError> {
    let (token, scope) = revoke_token(&app.deployment, &id, &caller.because(asked.reason)?).await?;
    Ok(Json(TokenView::of(token, scope)))
}

fn expiry(asked: Option<&str>) -> Result<Expiry, ApiError> {
    match asked {
        None => Ok(Expiry::Default),
        Some("never") => Ok(Expiry::Never),
        Some(text) => {
            let at: Result<jiff::Timestamp, _> = text.parse();
            let at = at.map_err(|_| {
                ApiError::invalid("invalid_expiry", "`expiresAt` must be a time in RFC 3339 or `never`")
            })?;
            Ok(Expiry::At(at.as_millisecond()))
        }
    }
}
