//! Which role may use which route, and what each route is about: one table. A route that is not in it can't be reached.

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use workflows::access::Role::{self, Admin, Oncall, Provisioner, Support, Viewer};

use crate::app_state::App;
use crate::principal::Principal;
use crate::problem::ApiError;
use crate::scope::{self, About};

/// Who may use a route.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) about: About,
    pub(crate) roles: &'static [Role],
}

const EVERYBODY: &[Role] = &[Viewer, Support, Provisioner, Oncall, Admin];
/// Those who watch: not provisioning, which knows its tenants.
const WATCHERS: &[Role] = &[Viewer, Support, Oncall, Admin];
/// Those who move tenants.
const MOVERS: &[Role] = &[Support, Oncall, Admin];
const PROVISIONING: &[Role] = &[Provisioner, Admin];
/// Those who decide about removals, limits, and everything at once.
const DECIDERS: &[Role] = &[Oncall, Admin];
const ADMINS: &[Role] = &[Admin];

const fn get(path: &'static str, about: About, roles: &'static [Role]) -> Rule {
    Rule { method: Method::GET, path, about, roles }
}

const fn post(path: &'static str, about: About, roles: &'static [Role]) -> Rule {
    Rule { method: Method::POST, path, about, roles }
}

const fn put(path: &'static str, about: About, roles: &'static [Role]) -> Rule {
    Rule { method: Method::PUT, path, about, roles }
}

const fn delete(path: &'static str, about: About, roles: &'static [Role]) -> Rule {
    Rule { method: Method::DELETE, path, about, roles }
}

const OWN_SESSION: &str = "/v1/session";

/// Every route below `/v1`.
pub(crate) const TABLE: &[Rule] = &[
    get("/v1/topology", About::Nothing, EVERYBODY),
    put("/v1/topology", About::Deployment, ADMINS),
    post("/v1/topology/rename-endpoint", About::Deployment, ADMINS),
    get("/v1/tenants", About::ListByRealm, EVERYBODY),
    post("/v1/tenants", About::NewTenant, PROVISIONING),
    get("/v1/tenants/{id}", About::Tenant, EVERYBODY),
    post("/v1/tenants/{id}/moves", About::Tenant, MOVERS),
    post("/v1/tenants/{id}/pause", About::Tenant, MOVERS),
    post("/v1/tenants/{id}/resume", About::Tenant, MOVERS),
    get("/v1/moves", About::ListByTenant, EVERYBODY),
    get("/v1/moves/{id}", About::Workflow, EVERYBODY),
    get("/v1/moves/{id}/events", About::Workflow, EVERYBODY),
    post("/v1/moves/{id}/cancel", About::Workflow, MOVERS),
    post("/v1/moves/{id}/pause", About::Workflow, MOVERS),
    post("/v1/moves/{id}/resume", About::Workflow, MOVERS),
    post("/v1/moves/{id}/retry", About::Workflow, MOVERS),
    post("/v1/moves/{id}/reschedule", About::Workflow, MOVERS),
    get("/v1/campaigns", About::Deployment, WATCHERS),
    post("/v1/campaigns", About::Deployment, MOVERS),
    get("/v1/campaigns/{id}", About::Deployment, WATCHERS),
    get("/v1/campaigns/{id}/members", About::Deployment, WATCHERS),
    post("/v1/campaigns/{id}/pause", About::Deployment, MOVERS),
    post("/v1/campaigns/{id}/resume", About::Deployment, MOVERS),
    post("/v1/campaigns/{id}/cancel", About::Deployment, MOVERS),
    get("/v1/removals", About::ListByTenant, EVERYBODY),
    post("/v1/removals/replay", About::Deployment, DECIDERS),
    get("/v1/removals/{id}", About::Workflow, EVERYBODY),
    // It names all keys; errors, which everybody sees, up to ten.
    get("/v1/removals/{id}/late-writes", About::Workflow, DECIDERS),
    post("/v1/removals/{id}/replay", About::Workflow, DECIDERS),
    post("/v1/removals/{id}/pause", About::Workflow, DECIDERS),
    post("/v1/removals/{id}/resume", About::Workflow, DECIDERS),
    post("/v1/removals/{id}/retry", About::Workflow, DECIDERS),
    post("/v1/pause", About::Deployment, DECIDERS),
    post("/v1/resume", About::Deployment, DECIDERS),
    get("/v1/pauses", About::Deployment, WATCHERS),
    get("/v1/limits", About::Deployment, WATCHERS),
    put("/v1/limits", About::Deployment, DECIDERS),
    delete("/v1/limits", About::Deployment, DECIDERS),
    get("/v1/explain/{id}", About::TenantOrWorkflow, EVERYBODY),
    get("/v1/audit", About::ListByTenant, WATCHERS),
    get("/v1/audit/head", About::Deployment, WATCHERS),
    get("/v1/audit/export", About::Deployment, WATCHERS),
    get("/v1/status", About::Deployment, WATCHERS),
    get("/v1/workers", About::Deployment, WATCHERS),
    get("/v1/ids/{id}", About::Deployment, WATCHERS),
    get("/v1/approvals", About::ListByTenant, WATCHERS),
    get("/v1/approvals/{id}", About::Approval, WATCHERS),
    // Their handlers ask for the roles of the action besides.
    post("/v1/approvals/{id}/approve", About::Approval, MOVERS),
    post("/v1/approvals/{id}/decline", About::Approval, MOVERS),
    get("/v1/approval-policy", About::Nothing, WATCHERS),
    put("/v1/approval-policy", About::Deployment, ADMINS),
    get("/v1/webhooks", About::Deployment, WATCHERS),
    get("/v1/webhooks/deliveries", About::Deployment, WATCHERS),
    post("/v1/webhooks/deliveries/{id}/replay", About::Deployment, DECIDERS),
    // Who may do nothing else may still sign out.
    get(OWN_SESSION, About::Nothing, EVERYBODY),
    delete(OWN_SESSION, About::Nothing, EVERYBODY),
    get("/v1/sessions", About::Deployment, ADMINS),
    delete("/v1/sessions/{id}", About::Deployment, ADMINS),
    get("/v1/tokens", About::Deployment, ADMINS),
    post("/v1/tokens", About::Deployment, ADMINS),
    delete("/v1/tokens/{id}", About::Deployment, ADMINS),
];

/// Lets the request through if its bearer's role and scope allow it. Stands behind the check of the token.
pub(crate) async fn authorize(State(app): State<App>, request: Request, next: Next) -> Response {
    let Some(path) = request.extensions().get::<MatchedPath>().cloned() else {
        // No route: the fallback answers.
        return next.run(request).await;
    };
    let allowed = methods(path.as_str());
    if request.method() == Method::OPTIONS && !allowed.is_empty() {
        return with_allow(StatusCode::NO_CONTENT.into_response(), &allowed);
    }
    let method = if request.method() == Method::HEAD { &Method::GET } else { request.method() };
    let Some(rule) = TABLE.iter().find(|rule| rule.path == path.as_str() && rule.method == *method) else {
        return with_allow(method_not_allowed().into_response(), &allowed);
    };
    let Some(principal) = request.extensions().get::<Principal>().cloned() else {
        return ApiError::unauthorized("unauthorized", "nobody was let in").into_response();
    };
    if !rule.roles.contains(&principal.role) {
        let roles: Vec<&str> = rule.roles.iter().map(|role| role.as_str()).collect();
        let detail = format!(
            "{} may not do this: it has the role {}, and this takes {}",
            principal.shown(),
            principal.role.as_str(),
            roles.join(" or ")
        );
        return ApiError::new(StatusCode::FORBIDDEN, "forbidden", detail).into_response();
    }
    match scope::check(&app, &principal, rule.about, request).await {
        Ok(request) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

/// The methods of a path, for `Allow`.
fn methods(path: &str) -> String {
    let mut names = Vec::new();
    for rule in TABLE.iter().filter(|rule| rule.path == path) {
        names.push(rule.method.as_str());
        if rule.method == Method::GET {
            names.push("HEAD");
        }
    }
    if !names.is_empty() {
        names.push("OPTIONS");
    }
    names.join(",")
}

fn with_allow(mut response: Response, allowed: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(allowed) {
        response.headers_mut().insert(header::ALLOW, value);
    }
    response
}

/// What a path answers to a method that it does not take.
pub(crate) fn method_not_allowed() -> ApiError {
    let detail = "this path does not take that method; the Allow header names those it takes";
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_stands_in_the_table_once_and_admins_may_use_it() {
        for (number, rule) in TABLE.iter().enumerate() {
            let again = TABLE[..number].iter().any(|other| other.path == rule.path && other.method == rule.method);
            assert!(!again, "{} {} stands twice", rule.method, rule.path);
            assert!(rule.roles.contains(&Admin), "{} {}", rule.method, rule.path);
        }
    }

    #[test]
    fn who_only_looks_changes_nothing() {
        let changes = TABLE.iter().filter(|rule| rule.method != Method::GET && rule.path != OWN_SESSION);
        assert!(changes.into_iter().all(|rule| !rule.roles.contains(&Viewer)));
    }
}
