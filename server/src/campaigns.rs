//! `/v1/campaigns`: planning, creating, listing, showing, pausing, resuming and cancelling campaigns.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use catalogue::campaigns::MemberState;
use catalogue::tenant_id::TenantId;
use serde::Deserialize;
use utoipa::IntoParams;
use workflows::approval::Content;
use workflows::campaign::{
    Allowance, CampaignOptions, CampaignRequest, Tenants, cancel_campaign, create_campaign, dry_run_campaign,
    list_campaigns, list_members, pause_campaign, resume_campaign, view_campaign,
};

use crate::actor::Caller;
use crate::api::text_schemas;
use crate::api::{CampaignAnswer, CampaignView, CancelCampaign, Change, MaxFailures, MemberView, NewCampaign, Page};
use crate::app_state::App;
use crate::body::{JsonBody, LIST_MAX};
use crate::paging::Window;
use crate::path::Id;
use crate::principal::Principal;
use crate::problem::ApiError;
use crate::query::{Params, invalid_tenant_id, present, state_filter};
use crate::{approvals, budget, idempotency};

const WAVE_SIZE: u64 = 10;
const AT_ONCE: u64 = 5;

/// Larger numbers of moves are typing errors.
const MOVES_MAX: u64 = 1_000_000;

/// The query of `GET /v1/campaigns` and of a campaign's members.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filter {
    /// Only those in this state.
    #[param(schema_with = text_schemas::state_of_a_campaign)]
    state: Option<String>,
    /// The `nextCursor` of the page before.
    #[param(max_length = 128, pattern = "^[!-~]*$")]
    cursor: Option<String>,
    /// How many items; 100 when absent.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 500)]
    limit: Option<String>,
}

/// The query of `GET /v1/campaigns/{id}/members`.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct MemberFilter {
    /// Only those in this state.
    #[param(schema_with = text_schemas::state_of_a_member)]
    state: Option<String>,
    /// The `nextCursor` of the page before.
    #[param(max_length = 128, pattern = "^[!-~]*$")]
    cursor: Option<String>,
    /// How many items; 100 when absent.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 500)]
    limit: Option<String>,
}

/// `POST /v1/campaigns`
pub(crate) async fn create(
    State(app): State<App>,
    caller: Caller,
    principal: Principal,
    headers: HeaderMap,
    JsonBody(asked): JsonBody<NewCampaign, LIST_MAX>,
) -> Result<Response, ApiError> {
    let actor = caller.because(asked.reason.clone())?;
    let request = CampaignRequest {
        to: asked.to.clone(),
        options: options_of(&asked)?,
        tenants: tenants(&asked)?,
        idempotency_key: idempotency::key(&headers)?,
    };
    if asked.dry_run {
        let plan = dry_run_campaign(&app.deployment, &request).await?;
        return Ok(Json(CampaignAnswer::Plan(Box::new(plan))).into_response());
    }
    let content = Content::Campaign { request: CampaignRequest { idempotency_key: None, ..request.clone() } };
    if let Some(waits) = approvals::needed(&app, &principal, content, &actor).await? {
        return Ok(waits);
    }
    let created = create_campaign(&app.deployment, &request, &actor).await?;
    app.announce();
    let status = if created.new { StatusCode::ACCEPTED } else { StatusCode::OK };
    let at = format!("/v1/campaigns/{}", created.id);
    Ok((status, [(header::LOCATION, at)], Json(find(&app, &created.id).await?)).into_response())
}

/// `GET /v1/campaigns`
pub(crate) async fn list(
    State(app): State<App>,
    Params(filter): Params<Filter>,
) -> Result<Json<Page<CampaignView>>, ApiError> {
    let window = Window::new(filter.cursor, filter.limit.as_deref())?;
    let state = state_filter(filter.state, &workflows::campaign::STATES)?;
    let mut tx = app.deployment.store.read().await?;
    let found = list_campaigns(&mut tx, state.as_deref(), window.cursor.as_deref(), window.fetch()).await?;
    tx.rollback().await?;
    Ok(Json(window.page(found, |found| &found.id)))
}

/// `GET /v1/campaigns/{id}`
pub(crate) async fn show(State(app): State<App>, Id(id): Id) -> Result<Json<CampaignView>, ApiError> {
    find(&app, &id).await.map(Json)
}

/// `GET /v1/campaigns/{id}/members`
pub(crate) async fn members(
    State(app): State<App>,
    Id(id): Id,
    Params(filter): Params<MemberFilter>,
) -> Result<Json<Page<MemberView>>, ApiError> {
    let window = Window::new(filter.cursor, filter.limit.as_deref())?;
    let state = state_filter(filter.state, &MemberState::ALL.map(MemberState::as_str))?;
    let state = state.and_then(|state| MemberState::try_from(state).ok());
    let mut tx = app.deployment.store.read().await?;
    let found = list_members(&mut tx, &id, state, window.cursor.as_deref(), window.fetch()).await?;
    tx.rollback().await?;
    let found = found.ok_or_else(|| unknown(&id))?;
    Ok(Json(window.page(found, |member| &member.tenant)))
}

/// `POST /v1/campaigns/{id}/pause`
pub(crate) async fn pause(
    State(app): State<App>,
    Id(id): Id,
    caller: Caller,
    JsonBody(asked): JsonBody<Change>,
) -> Result<Json<CampaignView>, ApiError> {
    pause_campaign(&app.deployment, &id, &caller.because(asked.reason)?).await?;
    find(&app, &id).await.map(Json)
}

/// `POST /v1/campaigns/{id}/resume`
pub(crate) async fn resume(
    State(app): State<App>,
    Id(id): Id,
    caller: Caller,
    JsonBody(asked): JsonBody<Change>,
) -> Result<Json<CampaignView>, ApiError> {
    resume_campaign(&app.deployment, &id, &caller.because(asked.reason)?).await?;
    app.announce();
    find(&app, &id).await.map(Json)
}

/// `POST /v1/campaigns/{id}/cancel`
pub(crate) async fn cancel(
    State(app): State<App>,
    Id(id): Id,
    caller: Caller,
    JsonBody(asked): JsonBody<CancelCampaign>,
) -> Result<Json<CampaignView>, ApiError> {
    cancel_campaign(&app.deployment, &id, asked.running, &caller.because(asked.reason)?).await?;
    app.announce();
    find(&app, &id).await.map(Json)
}

async fn find(app: &App, id: &str) -> Result<CampaignView, ApiError> {
    let mut tx = app.deployment.store.read().await?;
    let found = view_campaign(&mut tx, id).await?;
    tx.rollback().await?;
    found.ok_or_else(|| unknown(id))
}

fn unknown(id: &str) -> ApiError {
    ApiError::not_found("unknown_campaign", format!("there is no campaign {id}: see `realmctl campaigns list`"))
}

fn tenants(asked: &NewCampaign) -> Result<Tenants, ApiError> {
    let either = || {
        let detail = "say which tenants: `tenants` lists them, or `fromRealm` takes those of a realm; `limit` goes with the latter";
        ApiError::contradictory("invalid_tenants", detail)
    };
    match (&asked.tenants, present(asked.from_realm.clone())) {
        (Some(listed), None) if asked.limit.is_none() => {
            let ids = listed.iter().map(|id| id.parse::<TenantId>().map(|id| id.to_string()));
            let ids = ids.collect::<Result<BTreeSet<_>, _>>().map_err(|error| invalid_tenant_id(&error))?;
            Ok(Tenants::Listed(ids))
        }
        (None, Some(realm)) if asked.limit != Some(0) => Ok(Tenants::OfRealm { realm, limit: asked.limit }),
        _ => Err(either()),
    }
}

fn options_of(asked: &NewCampaign) -> Result<CampaignOptions, ApiError> {
    let window = match present(asked.window.clone()) {
        Some(text) => Some(text.parse().map_err(|error| invalid("invalid_window", &error))?),
        None => None,
    };
    Ok(CampaignOptions {
        wave_size: moves(asked.wave_size, WAVE_SIZE)?,
        wave_pause_ms: asked.wave_pause.as_ref().map_or(Ok(0), budget::pause_millis)?,
        at_once: moves(asked.at_once, AT_ONCE)?,
        max_failures: allowance(asked.max_failures.as_ref())?,
        window,
        budget_ms: asked.budget.as_ref().map(budget::millis).transpose()?,
        priority: asked.priority,
    })
}

fn moves(asked: Option<u64>, otherwise: u64) -> Result<u64, ApiError> {
    let number = asked.unwrap_or(otherwise);
    if (1..=MOVES_MAX).contains(&number) {
        return Ok(number);
    }
    Err(ApiError::invalid("invalid_wave", format!("waveSize and atOnce are whole numbers from 1 to {MOVES_MAX}")))
}

fn allowance(asked: Option<&MaxFailures>) -> Result<Allowance, ApiError> {
    let text = match asked {
        None => return Ok(Allowance::Count(1)),
        Some(MaxFailures::Count(count)) => count.to_string(),
        Some(MaxFailures::Text(text)) => text.clone(),
    };
    text.parse().map_err(|error| invalid("invalid_max_failures", &error))
}

fn invalid(code: &'static str, error: &dyn std::error::Error) -> ApiError {
    ApiError::invalid(code, error.to_string())
}
