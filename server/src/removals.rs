//! `/v1/removals`: listing, showing and replaying removals.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use futures::stream;
use serde::Deserialize;
use store::StoreError;
use utoipa::IntoParams;
use workflows::actor::Actor;
use workflows::approval::Content;
use workflows::explain::explain_workflow;
use workflows::planning;
use workflows::refusal::Refusal;
use workflows::removal::{
    Accepted, LateWriteLine, ReplayOutcome, late_write_lines, list_removals, replay_removal, view_removal,
};

use crate::actor::Caller;
use crate::api::text_schemas;
use crate::api::{Outcome, Page, RemovalDetail, Replay, ReplayAll, Replayed, ReplayedAll, StillFailed};
use crate::app_state::App;
use crate::approvals;
use crate::body::JsonBody;
use crate::paging::Window;
use crate::path::Id;
use crate::principal::Principal;
use crate::problem::ApiError;
use crate::query::{Params, state_filter, tenant_filter};

const FAILED: &str = "failed";

/// Keys read at a time.
const LINES: i64 = 1_000;

/// Failed removals looked up at a time.
const BATCH: i64 = 100;

/// The query of `GET /v1/removals`.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filter {
    /// Only those in this state.
    #[param(schema_with = text_schemas::state_of_a_removal)]
    state: Option<String>,
    /// Only this tenant's.
    #[param(schema_with = text_schemas::tenant_filter)]
    tenant: Option<String>,
    /// The `nextCursor` of the page before.
    #[param(max_length = 128, pattern = "^[!-~]*$")]
    cursor: Option<String>,
    /// How many items; 100 when absent.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 500)]
    limit: Option<String>,
}

/// `GET /v1/removals`
pub(crate) async fn list(
    State(app): State<App>,
    Params(filter): Params<Filter>,
) -> Result<Json<Page<RemovalDetail>>, ApiError> {
    let window = Window::new(filter.cursor, filter.limit.as_deref())?;
    let tenant = tenant_filter(filter.tenant)?;
    let state = state_filter(filter.state, &workflows::removal::STATES)?;
    let mut tx = app.deployment.store.read().await?;
    let cursor = window.cursor.as_deref();
    let found = list_removals(&mut tx, tenant.as_deref(), state.as_deref(), cursor, window.fetch()).await?;
    tx.rollback().await?;
    Ok(Json(window.page(found, |found| &found.id)))
}

/// `GET /v1/removals/{id}`
pub(crate) async fn show(State(app): State<App>, Id(id): Id) -> Result<Json<RemovalDetail>, ApiError> {
    find(&app, &id).await.map(Json)
}

/// `GET /v1/removals/{id}/late-writes`: every key that was found to have been written late, as JSON lines. Read page by page, each in a
/// transaction of its own, so that however many there are nothing is held.
pub(crate) async fn late_writes(State(app): State<App>, Id(id): Id) -> Result<Response, ApiError> {
    let removal = find(&app, &id).await?;
    let lines = stream::try_unfold(Some((-1, -1)), move |after| {
        let (app, removal) = (app.clone(), removal.clone());
        async move {
            let Some(after) = after else { return Ok(None) };
            let mut tx = app.deployment.store.read().await?;
            let (lines, next) = late_write_lines(&mut tx, &removal, after, LINES).await?;
            tx.rollback().await?;
            let json = |line: &LateWriteLine| serde_json::to_string(line).map(|line| line + "\n");
            let text = lines.iter().map(json).collect::<Result<String, _>>().expect("plain data with text keys");
            Ok::<_, StoreError>((!lines.is_empty()).then_some((text, next)))
        }
    });
    Ok(([(CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response())
}

/// `POST /v1/removals/{id}/replay`
pub(crate) async fn replay(
    State(app): State<App>,
    Id(id): Id,
    caller: Caller,
    principal: Principal,
    JsonBody(asked): JsonBody<Replay>,
) -> Result<Response, ApiError> {
    let actor = caller.because(asked.reason)?;
    if asked.accept_late_writes.is_some() || asked.accept_table.is_some() {
        let (accept_late_writes, accept_table) = (asked.accept_late_writes.clone(), asked.accept_table.clone());
        let content = Content::Replay { removal: id.clone(), accept_late_writes, accept_table };
        if let Some(waits) = approvals::needed(&app, &principal, content, &actor).await? {
            return Ok(waits);
        }
    }
    let accepted = Accepted { late_writes: asked.accept_late_writes.as_deref(), table: asked.accept_table.as_deref() };
    let outcome = replay_removal(&app.deployment, &id, accepted, &actor).await?;
    app.announce();
    Ok(Json(Replayed { outcome: shown(outcome), removal: find(&app, &id).await? }).into_response())
}

/// `POST /v1/removals/replay`: every failed one, each in its own transaction. One that can't be replayed does not keep the
/// others from it.
pub(crate) async fn replay_all(
    State(app): State<App>,
    caller: Caller,
    JsonBody(asked): JsonBody<ReplayAll>,
) -> Result<Json<ReplayedAll>, ApiError> {
    let actor = caller.because(asked.reason)?;
    let tenant = tenant_filter(asked.tenant)?;
    if let Some(id) = &tenant {
        require_tenant(&app, id).await?;
    }
    let mut answer = ReplayedAll::default();
    let mut cursor = None;
    // Ends: ids only fall, and a removal that fails again meanwhile keeps its own.
    loop {
        let failed = failed_before(&app, tenant.as_deref(), cursor.as_deref()).await?;
        for id in &failed {
            replay_one(&app, id, &actor, &mut answer).await?;
        }
        app.announce();
        match failed.into_iter().next_back() {
            Some(last) => cursor = Some(last),
            None => return Ok(Json(answer)),
        }
    }
}

async fn replay_one(app: &App, id: &str, actor: &Actor, answer: &mut ReplayedAll) -> Result<(), ApiError> {
    match replay_removal(&app.deployment, id, Accepted::NOTHING, actor).await {
        Ok(ReplayOutcome::Replayed) => answer.replayed.push(id.to_owned()),
        // Somebody else was faster.
        Ok(ReplayOutcome::StillRunning | ReplayOutcome::AlreadyDone) => {}
        Err(Refusal::Store(error)) => return Err(error.into()),
        Err(refusal) => {
            answer.refused.push(StillFailed {
                id: id.to_owned(),
                code: refusal.code().to_owned(),
                detail: refusal.to_string(),
            });
        }
    }
    Ok(())
}

async fn failed_before(app: &App, tenant: Option<&str>, before: Option<&str>) -> Result<Vec<String>, ApiError> {
    let mut tx = app.deployment.store.read().await?;
    let failed = list_removals(&mut tx, tenant, Some(FAILED), before, BATCH).await?;
    tx.rollback().await?;
    Ok(failed.into_iter().map(|removal| removal.id).collect())
}

async fn require_tenant(app: &App, id: &str) -> Result<(), ApiError> {
    let mut tx = app.deployment.store.read().await?;
    planning::tenant(&mut tx, id).await?;
    tx.rollback().await?;
    Ok(())
}

pub(crate) async fn find(app: &App, id: &str) -> Result<RemovalDetail, ApiError> {
    let mut tx = app.deployment.store.read().await?;
    let found = view_removal(&mut tx, id).await?;
    let explain = explain_workflow(&app.deployment, &mut tx, id).await?.map(Box::new);
    tx.rollback().await?;
    found.map(|found| RemovalDetail { explain, ..found }).ok_or_else(|| {
        ApiError::not_found("unknown_removal", format!("there is no removal {id}: see `realmctl removals list`"))
    })
}

fn shown(outcome: ReplayOutcome) -> Outcome {
    match outcome {
        ReplayOutcome::Replayed => Outcome::Replayed,
        ReplayOutcome::StillRunning => Outcome::StillRunning,
        ReplayOutcome::AlreadyDone => Outcome::AlreadyDone,
    }
}
