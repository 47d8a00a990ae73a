//! `/v1/approvals` and `/v1/approval-policy`: what waits for another person, deciding it, and which actions wait.
//!
//! Whoever may ask for an action may approve it, and nobody their own request. Handlers of actions that may have to wait call [`needed`].

use axum::Json;
use axum::extract::State;
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoParams;
use workflows::access::{NewToken, Role};
use workflows::actor::Actor;
use workflows::approval::{
    Action, Approval, Asker, Content, Policy, approve as approve_request, ask_for_token, ask_if_needed,
    decline as decline_request, find_approval, list_approvals, policy, policy_tag, set_policy_if,
};
use workflows::timing::millis;

use crate::actor::Caller;
use crate::api::text_schemas;
use crate::api::{
    ApprovalNeeded, ApprovalPolicyView, ApprovalView, Approve, Change, Page, SetApprovalPolicy, TokenAwaitsApproval,
};
use crate::app_state::App;
use crate::body::JsonBody;
use crate::budget;
use crate::paging::Window;
use crate::path::Id;
use crate::permissions::TABLE;
use crate::preconditions::{IfMatch, etag};
use crate::principal::Principal;
use crate::problem::ApiError;
use crate::query::{Params, state_filter, tenant_filter};

const PENDING: &str = "pending";

/// The query of `GET /v1/approvals`.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filter {
    /// `pending`: only those that wait.
    #[param(pattern = "^(pending)?$")]
    state: Option<String>,
    /// Only those about this tenant.
    #[param(schema_with = text_schemas::tenant_filter)]
    tenant: Option<String>,
    /// The `nextCursor` of the page before.
    #[param(max_length = 128, pattern = "^[!-~]*$")]
    cursor: Option<String>,
    /// How many items; 100 when absent.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 500)]
    limit: Option<String>,
}

/// The answer to a change that has to wait for another person; nothing: go on.
pub(crate) async fn needed(
    app: &App,
    principal: &Principal,
    content: Content,
    actor: &Actor,
) -> Result<Option<Response>, ApiError> {
    let asked = ask_if_needed(&app.deployment, content, asker(app, principal, actor)).await?;
    Ok(asked.map(|approval| {
        let at = place(&approval);
        (StatusCode::ACCEPTED, at, Json(ApprovalNeeded { approval: approval.into() })).into_response()
    }))
}

/// The same for a token, which is shown at once and good once it is approved.
pub(crate) async fn needed_for_token(
    app: &App,
    principal: &Principal,
    new: &NewToken,
    actor: &Actor,
) -> Result<Option<Response>, ApiError> {
    let asked = ask_for_token(&app.deployment, &app.token_keys, new, asker(app, principal, actor)).await?;
    Ok(asked.map(|(approval, made)| {
        let at = place(&approval);
        // No cache on the way may keep it.
        let secret = [(header::CACHE_CONTROL, "no-store".to_owned())];
        let body = TokenAwaitsApproval { approval: approval.into(), secret: made.text };
        (StatusCode::ACCEPTED, at, secret, Json(body)).into_response()
    }))
}

fn place(approval: &Approval) -> [(header::HeaderName, String); 1] {
    [(header::LOCATION, format!("/v1/approvals/{}", approval.stored.id))]
}

fn asker<'a>(app: &App, principal: &'a Principal, actor: &'a Actor) -> Asker<'a> {
    let keep = app.keep_answers.map(millis);
    Asker { actor, person: principal.person(), token: principal.token_id(), keep }
}

/// `GET /v1/approvals`
pub(crate) async fn list(
    State(app): State<App>,
    Params(filter): Params<Filter>,
) -> Result<Json<Page<ApprovalView>>, ApiError> {
    let window = Window::new(filter.cursor, filter.limit.as_deref())?;
    let tenant = tenant_filter(filter.tenant)?;
    let only_pending = state_filter(filter.state, &[PENDING])?.is_some();
    let mut tx = app.deployment.store.read().await?;
    let cursor = window.cursor.as_deref();
    let found = list_approvals(&mut tx, tenant.as_deref(), only_pending, cursor, window.fetch()).await?;
    tx.rollback().await?;
    Ok(Json(window.page(found.into_iter().map(ApprovalView::from).collect(), |approval| &approval.id)))
}

/// `GET /v1/approvals/{id}`
pub(crate) async fn show(State(app): State<App>, Id(id): Id) -> Result<Json<ApprovalView>, ApiError> {
    Ok(Json(find(&app, &id).await?.into()))
}

/// `POST /v1/approvals/{id}/approve`: carries it out.
pub(crate) async fn approve(
    State(app): State<App>,
    Id(id): Id,
    caller: Caller,
    principal: Principal,
    JsonBody(asked): JsonBody<Approve>,
) -> Result<Json<ApprovalView>, ApiError> {
    let actor = caller.because(asked.reason)?;
    has_the_role(&principal, find(&app, &id).await?.action)?;
    let approver = asker(&app, &principal, &actor);
    let (approved, _) = approve_request(&app.deployment, &id, &asked.hash, approver).await?;
    app.announce();
    Ok(Json(approved.into()))
}

/// `POST /v1/approvals/{id}/decline`: by whoever has asked for it, it is withdrawn.
pub(crate) async fn decline(
    State(app): State<App>,
    Id(id): Id,
    caller: Caller,
    principal: Principal,
    JsonBody(asked): JsonBody<Change>,
) -> Result<Json<ApprovalView>, ApiError> {
    let actor = caller.because(asked.reason)?;
    has_the_role(&principal, find(&app, &id).await?.action)?;
    Ok(Json(decline_request(&app.deployment, &id, asker(&app, &principal, &actor)).await?.into()))
}

/// `GET /v1/approval-policy`
pub(crate) async fn show_policy(State(app): State<App>) -> Result<Response, ApiError> {
    policy_view(&app).await
}

/// `PUT /v1/approval-policy`
pub(crate) async fn set_policy(
    State(app): State<App>,
    caller: Caller,
    principal: Principal,
    IfMatch(on): IfMatch,
    JsonBody(asked): JsonBody<SetApprovalPolicy>,
) -> Result<Response, ApiError> {
    let actor = caller.because(asked.reason)?;
    let valid_for_ms = match &asked.valid_for {
        Some(duration) => budget::millis(duration).map_err(|_| {
            ApiError::invalid("invalid_policy", "`validFor` is a duration such as \"4h\", or a whole number of seconds")
        })?,
        None => Policy::default().valid_for_ms,
    };
    let policy = Policy { actions: asked.actions, valid_for_ms };
    let content = Content::Policy { policy: policy.clone(), on: on.clone() };
    if let Some(waits) = needed(&app, &principal, content, &actor).await? {
        return Ok(waits);
    }
    set_policy_if(&app.deployment, &policy, &on, &actor).await?;
    policy_view(&app).await
}

async fn policy_view(app: &App) -> Result<Response, ApiError> {
    let mut tx = app.deployment.store.read().await?;
    let (policy, set) = policy(&mut tx).await?;
    tx.rollback().await?;
    Ok((etag(&policy_tag(&policy)), Json(ApprovalPolicyView::of(policy, set))).into_response())
}

async fn find(app: &App, id: &str) -> Result<Approval, ApiError> {
    let mut tx = app.deployment.store.read().await?;
    let found = find_approval(&mut tx, id).await?;
    tx.rollback().await?;
    found.ok_or_else(|| {
        let detail = format!("there is no request {id} for approval: see `realmctl approvals list`");
        ApiError::not_found("unknown_approval", detail)
    })
}

/// Those who may ask for an action decide about it.
fn has_the_role(principal: &Principal, action: Action) -> Result<(), ApiError> {
    let roles = roles(action);
    if roles.contains(&principal.role) {
        return Ok(());
    }
    let names: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
    let detail = format!(
        "{} may not decide about this: it has the role {}, and this takes {}",
        principal.shown(),
        principal.role.as_str(),
        names.join(" or ")
    );
    Err(ApiError::new(StatusCode::FORBIDDEN, "forbidden", detail))
}

fn roles(action: Action) -> &'static [Role] {
    let (method, path) = match action {
        Action::Move => (Method::POST, "/v1/tenants/{id}/moves"),
        Action::Campaign => (Method::POST, "/v1/campaigns"),
        Action::AcceptingReplay => (Method::POST, "/v1/removals/{id}/replay"),
        Action::Topology => (Method::PUT, "/v1/topology"),
        Action::LimitZero => (Method::PUT, "/v1/limits"),
        Action::Token => (Method::POST, "/v1/tokens"),
        Action::Policy => (Method::PUT, "/v1/approval-policy"),
    };
    TABLE.iter().find(|rule| rule.method == method && rule.path == path).map_or(&[], |rule| rule.roles)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_has_a_route_and_so_roles() {
        for action in Action::NAMED.into_iter().chain([Action::Token, Action::Policy]) {
            assert!(roles(action).contains(&Role::Admin) && !roles(action).contains(&Role::Viewer), "{action:?}");
        }
    }
}
