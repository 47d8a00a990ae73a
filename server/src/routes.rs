//! The routes: which path is answered by which handler, and what every request passes first.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{delete, get, post, put};

use crate::app_state::App;
use crate::auth::{Gate, authenticate};
use crate::body::{JSON_MAX, LIST_MAX, TOPOLOGY_MAX};
use crate::idempotency::answer_once;
use crate::permissions::{authorize, method_not_allowed};
use crate::problem::ApiError;
use crate::settings::ServerSettings;
use crate::{
    approvals, audit, campaigns, controls, explain, health, limits, login, move_events, moves, openapi, refusals,
    removals, request_log, sessions, status, tenants, tokens, topology, webhooks,
};

/// Everything that the server answers.
pub(crate) fn router(app: App, settings: &ServerSettings) -> Router {
    let gate = Gate::new(&app, settings);
    // Layers wrap what stands above them, the fallbacks too: without the token, nobody learns what routes there are.
    let v1 = resources()
        .method_not_allowed_fallback(async || method_not_allowed())
        .fallback(unknown_route)
        .layer(from_fn_with_state(app.clone(), answer_once))
        .layer(from_fn_with_state(app.clone(), authorize))
        .layer(from_fn_with_state(gate, authenticate))
        .layer(from_fn_with_state(app.clone(), refusals::record));
    let login = settings.login.as_ref().map_or_else(Router::new, |login| login::router(&app, Arc::clone(login)));
    Router::new()
        .merge(login)
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/openapi.json", get(openapi::show))
        .nest("/v1", v1)
        .method_not_allowed_fallback(async || method_not_allowed())
        .fallback(unknown_route)
        .layer(DefaultBodyLimit::max(JSON_MAX))
        .layer(from_fn(request_log::log))
        .with_state(app)
}

fn resources() -> Router<App> {
    let apply = put(topology::apply).layer(DefaultBodyLimit::max(TOPOLOGY_MAX));
    let create_campaign = post(campaigns::create).layer(DefaultBodyLimit::max(LIST_MAX));
    Router::new()
        .route("/topology", apply.get(topology::show))
        .route("/topology/rename-endpoint", post(topology::rename_endpoint))
        .route("/tenants", post(tenants::create).get(tenants::list))
        .route("/tenants/{id}", get(tenants::show))
        .route("/tenants/{id}/moves", post(moves::start))
        .route("/tenants/{id}/pause", post(controls::pause_tenant))
        .route("/tenants/{id}/resume", post(controls::resume_tenant))
        .route("/moves", get(moves::list))
        .route("/moves/{id}", get(moves::show))
        .route("/moves/{id}/events", get(move_events::follow))
        .route("/moves/{id}/cancel", post(moves::cancel))
        .route("/moves/{id}/pause", post(controls::pause_move))
        .route("/moves/{id}/resume", post(controls::resume_move))
        .route("/moves/{id}/retry", post(controls::retry_move))
        .route("/moves/{id}/reschedule", post(moves::reschedule))
        .route("/campaigns", create_campaign.get(campaigns::list))
        .route("/campaigns/{id}", get(campaigns::show))
        .route("/campaigns/{id}/members", get(campaigns::members))
        .route("/campaigns/{id}/pause", post(campaigns::pause))
        .route("/campaigns/{id}/resume", post(campaigns::resume))
        .route("/campaigns/{id}/cancel", post(campaigns::cancel))
        .route("/removals", get(removals::list))
        .route("/removals/replay", post(removals::replay_all))
        .route("/removals/{id}", get(removals::show))
        .route("/removals/{id}/late-writes", get(removals::late_writes))
        .route("/removals/{id}/replay", post(removals::replay))
        .route("/removals/{id}/pause", post(controls::pause_removal))
        .route("/removals/{id}/resume", post(controls::resume_removal))
        .route("/removals/{id}/retry", post(controls::retry_removal))
        .route("/pause", post(controls::pause_all))
        .route("/resume", post(controls::resume_all))
        .route("/pauses", get(controls::list))
        .route("/limits", get(limits::list).put(limits::set).delete(limits::unset))
        .route("/explain/{id}", get(explain::explain))
        .route("/audit", get(audit::list))
        .route("/audit/head", get(audit::head))
        .route("/audit/export", get(audit::export))
        .route("/status", get(status::show))
        .route("/workers", get(status::list_workers))
        .route("/ids/{id}", get(status::ids))
        .route("/approvals", get(approvals::list))
        .route("/approvals/{id}", get(approvals::show))
        .route("/approvals/{id}/approve", post(approvals::approve))
        .route("/approvals/{id}/decline", post(approvals::decline))
        .route("/approval-policy", get(approvals::show_policy).put(approvals::set_policy))
        .route("/webhooks", get(webhooks::list))
        .route("/webhooks/deliveries", get(webhooks::deliveries))
        .route("/webhooks/deliveries/{id}/replay", post(webhooks::replay))
        .route("/session", get(sessions::show).delete(sessions::end))
        .route("/sessions", get(sessions::list))
        .route("/sessions/{id}", delete(sessions::revoke))
        .route("/tokens", post(tokens::create).get(tokens::list))
        .route("/tokens/{id}", delete(tokens::revoke))
}

async fn unknown_route() -> ApiError {
    ApiError::not_found("unknown_route", "there is nothing at this path")
}
