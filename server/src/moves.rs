//! `/v1/tenants/{id}/moves` and `/v1/moves`: planning, starting, listing, showing and cancelling moves.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Deserialize;
use store::Millis;
use utoipa::IntoParams;
use workflows::approval::Content;
use workflows::dry_run::{Rehearsal, dry_run, estimate_move};
use workflows::explain::explain_workflow;
use workflows::realm_move::{
    Estimate, MoveRequest, When, Window, cancel_move, list_moves, reschedule_move, start_move, start_move_paused,
    view_move,
};
use workflows::timestamps::rfc3339;
use workflows::timing::{Timing, millis};

use crate::actor::Caller;
use crate::api::text_schemas;
use crate::api::{Change, DryRun, MoveAnswer, MoveView, NewMove, NewWindow, Page, PlanView, Reschedule};
use crate::app_state::App;
use crate::body::JsonBody;
use crate::path::Id;
use crate::principal::Principal;
use crate::problem::ApiError;
use crate::query::{Params, state_filter, tenant_filter};
use crate::{approvals, budget, idempotency, paging};

/// The query of `GET /v1/moves`.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filter {
    /// Only this tenant's.
    #[param(schema_with = text_schemas::tenant_filter)]
    tenant: Option<String>,
    /// Only those in this state.
    #[param(schema_with = text_schemas::state_of_a_move)]
    state: Option<String>,
    /// The `nextCursor` of the page before.
    #[param(max_length = 128, pattern = "^[!-~]*$")]
    cursor: Option<String>,
    /// How many items; 100 when absent.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 500)]
    limit: Option<String>,
}

/// `POST /v1/tenants/{id}/moves`
pub(crate) async fn start(
    State(app): State<App>,
    Id(tenant): Id,
    caller: Caller,
    principal: Principal,
    headers: HeaderMap,
    JsonBody(asked): JsonBody<NewMove>,
) -> Result<Response, ApiError> {
    let request = MoveRequest {
        tenant,
        to: asked.to,
        when: when(asked.at.as_deref(), asked.window.as_ref())?,
        budget_ms: asked.budget.as_ref().map(budget::millis).transpose()?,
        priority: asked.priority,
        verification: asked.verification,
        campaign: None,
        idempotency_key: None,
    };
    let actor = caller.because(asked.reason)?;
    let request = MoveRequest { idempotency_key: idempotency::key(&headers)?, ..request };
    if asked.dry_run {
        let rehearsal = dry_run(&app.deployment, &request).await?;
        let estimate = estimate_move(&app.deployment, &rehearsal.plan, rehearsal.allowed_ms).await;
        let shown = dry_run_view(rehearsal, estimate, request.budget_ms, &app.deployment.timing);
        return Ok(Json(MoveAnswer::DryRun(Box::new(shown))).into_response());
    }
    let content = Content::Move {
        request: MoveRequest { idempotency_key: None, ..request.clone() },
        paused: asked.paused,
        plan_hash: None,
    };
    if let Some(waits) = approvals::needed(&app, &principal, content, &actor).await? {
        return Ok(waits);
    }
    let started = if asked.paused {
        start_move_paused(&app.deployment, &request, &actor).await?
    } else {
        start_move(&app.deployment, &request, &actor).await?
    };
    app.announce();
    let status = if started.new { StatusCode::ACCEPTED } else { StatusCode::OK };
    let at = format!("/v1/moves/{}", started.id);
    Ok((status, [(header::LOCATION, at)], Json(find(&app, &started.id).await?)).into_response())
}

/// `GET /v1/moves`
pub(crate) async fn list(
    State(app): State<App>,
    Params(filter): Params<Filter>,
) -> Result<Json<Page<MoveView>>, ApiError> {
    let window = paging::Window::new(filter.cursor, filter.limit.as_deref())?;
    let tenant = tenant_filter(filter.tenant)?;
    let state = state_filter(filter.state, &workflows::realm_move::STATES)?;
    let mut tx = app.deployment.store.read().await?;
    let cursor = window.cursor.as_deref();
    let found = list_moves(&mut tx, tenant.as_deref(), state.as_deref(), cursor, window.fetch()).await?;
    tx.rollback().await?;
    Ok(Json(window.page(found, |found| &found.id)))
}

/// `GET /v1/moves/{id}`
pub(crate) async fn show(State(app): State<App>, Id(id): Id) -> Result<Json<MoveView>, ApiError> {
    find(&app, &id).await.map(Json)
}

/// `POST /v1/moves/{id}/cancel`
pub(crate) async fn cancel(
    State(app): State<App>,
    Id(id): Id,
    caller: Caller,
    JsonBody(asked): JsonBody<Change>,
) -> Result<Json<MoveView>, ApiError> {
    let actor = caller.because(asked.reason)?;
    cancel_move(&app.deployment, &id, &actor).await?;
    // Removals may have been queued.
    app.announce();
    find(&app, &id).await.map(Json)
}

/// `POST /v1/moves/{id}/reschedule`
pub(crate) async fn reschedule(
    State(app): State<App>,
    Id(id): Id,
    caller: Caller,
    JsonBody(asked): JsonBody<Reschedule>,
) -> Result<Json<MoveView>, ApiError> {
    let when = when(asked.at.as_deref(), asked.window.as_ref())?;
    if when == When::default() {
        return Err(ApiError::contradictory("invalid_time", "say when: `at`, or `window` with `from` and `to`"));
    }
    let actor = caller.because(asked.reason)?;
    reschedule_move(&app.deployment, &id, &when, &actor).await?;
    app.announce();
    find(&app, &id).await.map(Json)
}

pub(crate) async fn find(app: &App, id: &str) -> Result<MoveView, ApiError> {
    let mut tx = app.deployment.store.read().await?;
    let found = view_move(&mut tx, id).await?;
    let explain = explain_workflow(&app.deployment, &mut tx, id).await?.map(Box::new);
    tx.rollback().await?;
    let mut found = found.ok_or_else(|| unknown_move(id))?;
    if found.finished_at.is_none() {
        found.warnings.extend(capped(found.budget_ms, &app.deployment.timing));
    }
    Ok(MoveView { explain, ..found })
}

pub(crate) fn unknown_move(id: &str) -> ApiError {
    ApiError::not_found("unknown_move", format!("there is no move {id}: see `realmctl moves list`"))
}

/// What a budget has no effect beyond.
fn capped(budget_ms: Option<Millis>, timing: &Timing) -> Option<String> {
    let most = millis(timing.offline_deadline);
    budget_ms.filter(|budget| *budget > most).map(|budget| {
        let minutes = |millis: Millis| format!("{:.0} min", millis as f64 / 60_000.0);
        format!(
            "a budget of {} has no effect beyond {}, the longest that this deployment lets a tenant be offline (--offline-deadline)",
            minutes(budget),
            minutes(most)
        )
    })
}

fn dry_run_view(
    rehearsal: Rehearsal,
    estimate: Result<Estimate, String>,
    budget_ms: Option<Millis>,
    timing: &Timing,
) -> DryRun {
    let Rehearsal { plan, due, allowed_ms: offline_allowed_ms, obstacles } = rehearsal;
    let (plan_hash, needs_offline) = (plan.hash(), plan.needs_offline());
    let least_offline_ms = if needs_offline { millis(timing.least_offline()) } else { 0 };
    let staying = plan.services.iter().filter(|service| service.stays_out_of_realm);
    DryRun {
        plan: plan.services.iter().map(PlanView::from).collect(),
        stays_out_of_realm: staying.map(|service| service.service.clone()).collect(),
        plan_hash,
        needs_offline,
        least_offline_ms,
        offline_allowed_ms,
        begins: rfc3339(due),
        obstacles,
        warnings: capped(budget_ms, timing).into_iter().collect(),
        no_estimate: estimate.as_ref().err().cloned(),
        estimate: estimate.ok(),
        tenant: plan.tenant,
        from: plan.from,
        to: plan.to,
        not_adopted: plan.not_adopted,
    }
}

fn when(at: Option<&str>, window: Option<&NewWindow>) -> Result<When, ApiError> {
    let window = match window {
        Some(window) => Some(Window { from: time(&window.from)?, to: time(&window.to)? }),
        None => None,
    };
    Ok(When { at: at.map(time).transpose()?, window })
}

fn time(text: &str) -> Result<Millis, ApiError> {
    text.parse::<Timestamp>().map(Timestamp::as_millisecond).map_err(|_| {
        let detail =
            "a time is written in RFC 3339 with its zone, such as 2026-01-31T02:00:00Z or 2026-01-31T03:00:00+01:00";
        ApiError::invalid("invalid_time", detail)
    })
}
