//! `/v1/limits`: how much data work may run at a time and how many units it may take, overall, in a region, or on a table or bucket.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use workflows::approval::Content;
use workflows::controls::{LimitChange, LimitUse, limits_tag, list_limits, set_limit_if, unset_limit_if};
use workflows::timestamps::rfc3339;

use crate::actor::Caller;
use crate::api::{LimitSet, LimitUnset, LimitView, LimitsView};
use crate::app_state::App;
use crate::approvals;
use crate::body::JsonBody;
use crate::preconditions::{IfMatch, etag};
use crate::principal::Principal;
use crate::problem::ApiError;

/// `GET /v1/limits`
pub(crate) async fn list(State(app): State<App>) -> Result<Response, ApiError> {
    all(&app).await
}

/// `PUT /v1/limits`: sets one.
pub(crate) async fn set(
    State(app): State<App>,
    caller: Caller,
    principal: Principal,
    IfMatch(on): IfMatch,
    JsonBody(asked): JsonBody<LimitSet>,
) -> Result<Response, ApiError> {
    let actor = caller.because(asked.reason)?;
    if asked.slots.is_none() && asked.write_units.is_none() && asked.read_units.is_none() {
        let detail = "nothing to limit is named: data tasks, write units or read units";
        return Err(ApiError::contradictory("invalid_limit", detail));
    }
    let change = LimitChange { slots: asked.slots, write_units: asked.write_units, read_units: asked.read_units };
    if change.slots == Some(0) {
        let content = Content::Limit { scope: asked.scope.clone(), change, on: on.clone() };
        if let Some(waits) = approvals::needed(&app, &principal, content, &actor).await? {
            return Ok(waits);
        }
    }
    let set = set_limit_if(&app.deployment, (&asked.scope, &change), &on, &actor).await?;
    // Somebody may have waited for more room.
    app.announce();
    Ok(Json(view(set)).into_response())
}

/// `DELETE /v1/limits`: takes one away, and shows those that are left.
pub(crate) async fn unset(
    State(app): State<App>,
    caller: Caller,
    IfMatch(on): IfMatch,
    JsonBody(asked): JsonBody<LimitUnset>,
) -> Result<Response, ApiError> {
    let actor = caller.because(asked.reason)?;
    // Text that can't be a scope is not looked up: Postgres, for one, refuses a NUL.
    let is_scope = asked.scope.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_scope || !unset_limit_if(&app.deployment, &asked.scope, &on, &actor).await? {
        let detail = format!("there is no limit on {}: see `realmctl limits list`", asked.scope);
        return Err(ApiError::not_found("unknown_limit", detail));
    }
    app.announce();
    all(&app).await
}

async fn all(app: &App) -> Result<Response, ApiError> {
    let mut tx = app.deployment.store.read().await?;
    let (found, tag) = (list_limits(&mut tx).await?, limits_tag(&mut tx).await?);
    tx.rollback().await?;
    Ok((etag(&tag), Json(LimitsView { items: found.into_iter().map(view).collect() })).into_response())
}

fn view(found: LimitUse) -> LimitView {
    let LimitUse { limit, used, waiting } = found;
    LimitView {
        scope: limit.scope,
        slots: limit.slots,
        write_units: limit.write_units,
        read_units: limit.read_units,
        used,
        waiting,
        set_at: rfc3339(limit.at),
        set_by: limit.who,
        reason: limit.why,
    }
}
