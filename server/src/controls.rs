//! `/v1/pause`, `/v1/resume`, `/v1/pauses`, and `pause`, `resume` and `retry` of moves, removals and tenants.

use axum::Json;
use axum::extract::State;
use workflows::controls::{self, Kind, Paused};
use workflows::timestamps::rfc3339;

use crate::actor::Caller;
use crate::api::{Change, MoveView, PauseAnswer, PauseView, PausesView, RemovalDetail};
use crate::app_state::App;
use crate::body::JsonBody;
use crate::path::Id;
use crate::problem::ApiError;
use crate::{moves, removals};

/// `POST /v1/pause`
pub(crate) async fn pause_all(
    State(app): State<App>,
    caller: Caller,
    JsonBody(asked): JsonBody<Change>,
) -> Result<Json<PauseAnswer>, ApiError> {
    let paused = controls::pause_all(&app.deployment, &caller.because(asked.reason)?).await?;
    Ok(Json(paused_answer("all".to_owned(), paused)))
}

/// `POST /v1/resume`
pub(crate) async fn resume_all(
    State(app): State<App>,
    caller: Caller,
    JsonBody(asked): JsonBody<Change>,
) -> Result<Json<PauseAnswer>, ApiError> {
    let changed = controls::resume_all(&app.deployment, &caller.because(asked.reason)?).await?;
    app.announce();
    Ok(Json(PauseAnswer { scope: "all".to_owned(), paused: false, changed, goes_on: Vec::new() }))
}

/// `POST /v1/tenants/{id}/pause`
pub(crate) async fn pause_tenant(
    State(app): State<App>,
    Id(id): Id,
    caller: Caller,
    JsonBody(asked): JsonBody<Change>,
) -> Result<Json<PauseAnswer>, ApiError> {
    let paused = controls::pause_tenant(&app.deployment, &id, &caller.because(asked.reason)?).await?;
    Ok(Json(paused_answer(format!("tenant:{id}"), paused)))
}

/// `POST /v1/tenants/{id}/resume`
pub(crate) async fn resume_tenant(
    State(app): State<App>,
    Id(id): Id,
    caller: Caller,
    JsonBody(asked): JsonBody<Change>,
) -> Result<Json<PauseAnswer>, ApiError> {
    let changed = controls::resume_tenant(&app.deployment, &id, &caller.because(asked.reason)?).await?;
    app.announce();
    Ok(Json(PauseAnswer { scope: format!("tenant:{id}"), paused: false, changed, goes_on: Vec::new() }))
}

/// `GET /v1/pauses`
pub(crate) async fn list(State(app): State<App>) -> Result<Json<PausesView>, ApiError> {
    let mut tx = app.deployment.store.read().await?;
    let found = controls::list_pauses(&mut tx).await?;
    tx.rollback().await?;
    let items = found.pauses.into_iter().map(|pause| PauseView {
        scope: pause.scope.text(),
        at: rfc3339(pause.at),
        who: pause.who,
        why: pause.why,
    });
    Ok(Json(PausesView { items: items.collect(), held: found.held, goes_on: found.goes_on }))
}

/// What is asked of one workflow.
#[derive(Clone, Copy)]
enum Control {
    Pause,
    Resume,
    Retry,
}

async fn carry_out(
    app: &App,
    (kind, wish): (Kind, Control),
    id: &str,
    caller: Caller,
    asked: Change,
) -> Result<(), ApiError> {
    let actor = caller.because(asked.reason)?;
    let deployment = &app.deployment;
    match wish {
        Control::Pause => controls::pause_workflow(deployment, kind, id, &actor).await?,
        Control::Resume => controls::resume_workflow(deployment, kind, id, &actor).await?,
        Control::Retry => controls::retry_now(deployment, kind, id, &actor).await?,
    };
    app.announce();
    Ok(())
}

/// `POST /v1/moves/{id}/pause`
pub(crate) async fn pause_move(
    State(app): State<App>,
    Id(id): Id,
    caller: Caller,
    JsonBody(asked): JsonBody<Change>,
) -> Result<Json<MoveView>, ApiError> {
    carry_out(&app, (Kind::Move, Control::Pause), &id, caller, asked).await?;
    moves::find(&app, &id).await.map(Json)
}

/// `POST /v1/moves/{id}/resume`
pub(crate) async fn resume_move(
    State(app): State<App>,
    Id(id): Id,
    caller: Caller,
    JsonBody(asked): JsonBody<Change>,
) -> Result<Json<MoveView>, ApiError> {
    carry_out(&app, (Kind::Move, Control::Resume), &id, caller, asked).await?;
    moves::find(&app, &id).await.map(Json)
}

/// `POST /v1/moves/{id}/retry`
pub(crate) async fn retry_move(
    State(app): State<App>,
    Id(id): Id,
    caller: Caller,
    JsonBody(asked): JsonBody<Change>,
) -> Result<Json<MoveView>, ApiError> {
    carry_out(&app, (Kind::Move, Control::Retry), &id, caller, asked).await?;
    moves::find(&app, &id).await.map(Json)
}

/// `POST /v1/removals/{id}/pause`
pub(crate) async fn pause_removal(
    State(app): State<App>,
    Id(id): Id,
    caller: Caller,
    JsonBody(asked): JsonBody<Change>,
) -> Result<Json<RemovalDetail>, ApiError> {
    carry_out(&app, (Kind::Removal, Control::Pause), &id, caller, asked).await?;
    removals::find(&app, &id).await.map(Json)
}

/// `POST /v1/removals/{id}/resume`
pub(crate) async fn resume_removal(
    State(app): State<App>,
    Id(id): Id,
    caller: Caller,
    JsonBody(asked): JsonBody<Change>,
) -> Result<Json<RemovalDetail>, ApiError> {
    carry_out(&app, (Kind::Removal, Control::Resume), &id, caller, asked).await?;
    removals::find(&app, &id).await.map(Json)
}

/// `POST /v1/removals/{id}/retry`
pub(crate) async fn retry_removal(
    State(app): State<App>,
    Id(id): Id,
    caller: Caller,
    JsonBody(asked): JsonBody<Change>,
) -> Result<Json<RemovalDetail>, ApiError> {
    carry_out(&app, (Kind::Removal, Control::Retry), &id, caller, asked).await?;
    removals::find(&app, &id).await.map(Json)
}

fn paused_answer(scope: String, paused: Paused) -> PauseAnswer {
    PauseAnswer { scope, paused: true, changed: paused.new, goes_on: paused.goes_on }
}
