//! `/v1/session`, which is the caller's own, and `/v1/sessions`: listing and ending those of others.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoParams;
use workflows::access::{change_token, log_out, revoke_sessions};

use crate::actor::Caller;
use crate::api::{Change, LogOut, LoggedOut, Page, SessionView, SessionsEnded, WhoAmI};
use crate::app_state::App;
use crate::body::JsonBody;
use crate::login::{SESSION_COOKIE, cleared};
use crate::paging::Window;
use crate::path::{Id, is_id};
use crate::principal::Principal;
use crate::problem::ApiError;
use crate::query::{Params, present};

/// The query of `GET /v1/sessions`.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filter {
    /// Only those of the person with this name or subject.
    #[param(max_length = 128, pattern = "^[!-~]*$")]
    person: Option<String>,
    /// The `nextCursor` of the page before.
    #[param(max_length = 128, pattern = "^[!-~]*$")]
    cursor: Option<String>,
    /// How many items; 100 when absent.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 500)]
    limit: Option<String>,
}

/// `GET /v1/session`: who asks.
pub(crate) async fn show(State(app): State<App>, principal: Principal) -> Response {
    let csrf_token = principal.session().and_then(|visitor| change_token(&app.token_keys, &visitor.session));
    let who = WhoAmI {
        who: principal.who(None),
        role: principal.role,
        scope: principal.scope.clone(),
        csrf_token,
        session: principal.session().map(|visitor| SessionView::of(visitor.session.clone())),
    };
    not_kept(Json(who))
}

/// `DELETE /v1/session`: signs out, here or everywhere.
pub(crate) async fn end(
    State(app): State<App>,
    principal: Principal,
    caller: Caller,
    JsonBody(asked): JsonBody<LogOut>,
) -> Result<Response, ApiError> {
    let Some(visitor) = principal.session() else {
        let detail = "you are let in by a token and not by a session; `realmctl token revoke` takes a token away";
        return Err(ApiError::new(StatusCode::CONFLICT, "no_session", detail));
    };
    let actor = caller.because(asked.reason)?;
    let ended = log_out(&app.deployment, &visitor.session, asked.everywhere, &actor).await?;
    let mut response = not_kept(Json(LoggedOut { ended: ended as u64 }));
    if let Some(cookie) = cleared(SESSION_COOKIE) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// `GET /v1/sessions`
pub(crate) async fn list(
    State(app): State<App>,
    Params(filter): Params<Filter>,
) -> Result<Json<Page<SessionView>>, ApiError> {
    let window = Window::new(filter.cursor, filter.limit.as_deref())?;
    let person = present(filter.person);
    if person.as_deref().is_some_and(|person| !is_id(person)) {
        return Err(ApiError::invalid(
            "invalid_query",
            "person is the name or the subject of somebody, without spaces",
        ));
    }
    let mut tx = app.deployment.store.read().await?;
    let (person, cursor) = (person.as_deref(), window.cursor.as_deref());
    let found = catalogue::sessions::list(&mut tx, person, cursor, window.fetch()).await?;
    tx.rollback().await?;
    let views = found.into_iter().map(SessionView::of).collect();
    Ok(Json(window.page(views, |session: &SessionView| &session.id)))
}

/// `DELETE /v1/sessions/{id}`: a session by its id, or all of a person by the name or the subject.
pub(crate) async fn revoke(
    State(app): State<App>,
    Id(id): Id,
    caller: Caller,
    JsonBody(asked): JsonBody<Change>,
) -> Result<Json<SessionsEnded>, ApiError> {
    let ended = revoke_sessions(&app.deployment, &id, &caller.because(asked.reason)?).await?;
    Ok(Json(SessionsEnded { ended: ended.into_iter().map(SessionView::of).collect() }))
}

/// No cache on the way, nor that of the browser, may keep it.
fn not_kept(answer: impl IntoResponse) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], answer).into_response()
}
