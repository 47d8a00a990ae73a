//! Whether a token for some tenants may ask for this: by the tenant that the request is about.

use axum::RequestExt;
use axum::extract::{Query, RawPathParams, Request};
use axum::http::StatusCode;
use catalogue::{approvals, tenants};
use engine::tables::workflow_table;
use store::Tx;
use workflows::access::Scope;
use workflows::refusal::Refusal;

use crate::app_state::App;
use crate::path::is_id;
use crate::principal::Principal;
use crate::problem::ApiError;

/// What a request to a route is about, by which a token for some tenants is let through or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum About {
    /// The deployment as a whole: only tokens for all tenants.
    Deployment,
    /// Nothing that belongs to a tenant: every token.
    Nothing,
    /// The tenant in the path.
    Tenant,
    /// The move or removal in the path, and so its tenant.
    Workflow,
    /// The request for approval in the path, and so its tenant.
    Approval,
    /// The tenant, move or removal in the path.
    TenantOrWorkflow,
    /// A list, which such a token must filter by `tenant`.
    ListByTenant,
    /// A list, which such a token must filter by `realm`.
    ListByRealm,
    /// The tenant that the body would create: its handler asks.
    NewTenant,
}

/// Gives the request back if its bearer may make it.
pub(crate) async fn check(
    app: &App,
    principal: &Principal,
    about: About,
    mut request: Request,
) -> Result<Request, ApiError> {
    if principal.scope == Scope::All {
        return Ok(request);
    }
    match about {
        About::Nothing | About::NewTenant => {}
        About::Deployment => return Err(refused(principal, "this is about more than that")),
        About::ListByTenant => {
            let tenant = parameter(&request, "tenant");
            let tenant = tenant.ok_or_else(|| refused(principal, "ask for one tenant: add `tenant=ID`"))?;
            covers_tenant(app, principal, &tenant).await?;
        }
        About::ListByRealm => covers_list(principal, parameter(&request, "realm").as_deref())?,
        About::Tenant | About::Workflow | About::TenantOrWorkflow | About::Approval => {
            let id = path_id(&mut request).await;
            // What can't be an id is nobody's: the handler says so.
            if is_id(&id) {
                covers(app, principal, about, &id).await?;
            }
        }
    }
    Ok(request)
}

/// Whether the bearer may create this tenant in this realm.
pub(crate) fn covers_new(principal: &Principal, tenant: &str, realm: &str) -> Result<(), ApiError> {
    if principal.scope.covers(tenant, realm) { Ok(()) } else { Err(refused(principal, "the new tenant is not in it")) }
}

/// A refusal to create a tenant, without what it tells of a tenant that is not the bearer's.
pub(crate) fn without_others(principal: &Principal, refusal: Refusal) -> ApiError {
    match refusal {
        Refusal::Conflict { code, .. } if principal.scope != Scope::All => {
            ApiError::new(StatusCode::CONFLICT, code, "the id, the host or the key is in use already")
        }
        refusal => refusal.into(),
    }
}

async fn covers(app: &App, principal: &Principal, about: About, id: &str) -> Result<(), ApiError> {
    let mut tx = app.deployment.store.read().await?;
    let tenant = match about {
        About::Tenant => Some(id.to_owned()),
        // One that is about more than a tenant is nobody's who has some.
        About::Approval => approvals::find(&mut tx, id).await?.and_then(|found| found.tenant),
        _ => workflow_table::get(&mut tx, id).await?.map(|workflow| workflow.subject),
    };
    // An id that no workflow has may be a tenant's.
    let tenant = tenant.unwrap_or_else(|| id.to_owned());
    let covered = is_covered(&mut tx, principal, &tenant).await?;
    tx.rollback().await?;
    // The same whether there is such a thing or not: its existence is nobody else's business.
    if covered { Ok(()) } else { Err(refused(principal, "what is asked for is not in it, or is not there")) }
}

async fn covers_tenant(app: &App, principal: &Principal, tenant: &str) -> Result<(), ApiError> {
    if !is_id(tenant) {
        return Ok(());
    }
    covers(app, principal, About::Tenant, tenant).await
}

async fn is_covered(tx: &mut Tx, principal: &Principal, tenant: &str) -> Result<bool, ApiError> {
    if let Scope::Tenants(tenants) = &principal.scope {
        return Ok(tenants.contains(tenant));
    }
    let found = tenants::get(tx, tenant).await?;
    Ok(found.is_some_and(|found| principal.scope.covers(&found.id, &found.realm)))
}

fn covers_list(principal: &Principal, asked: Option<&str>) -> Result<(), ApiError> {
    match &principal.scope {
        Scope::All => Ok(()),
        Scope::Realm(realm) if asked == Some(realm) => Ok(()),
        Scope::Realm(realm) => Err(refused(principal, &format!("ask for that realm: add `realm={realm}`"))),
        Scope::Tenants(_) => Err(refused(principal, "ask for each of them: `GET /v1/tenants/{id}`")),
    }
}

fn refused(principal: &Principal, what: &str) -> ApiError {
    let detail = format!("{} is for {}; {what}", principal.shown(), principal.scope.in_words());
    ApiError::new(StatusCode::FORBIDDEN, "out_of_scope", detail)
}

/// A parameter of the query, if it is given once: with more, the handler refuses.
fn parameter(request: &Request, name: &str) -> Option<String> {
    let Query(given): Query<Vec<(String, String)>> = Query::try_from_uri(request.uri()).ok()?;
    let mut values = given.into_iter().filter(|(key, value)| key == name && !value.is_empty());
    values.next().filter(|_| values.next().is_none()).map(|(_, value)| value)
}

async fn path_id(request: &mut Request) -> String {
    let params = request.extract_parts::<RawPathParams>().await.ok();
    let id =
        params.as_ref().and_then(|params| params.iter().find(|(name, _)| *name == "id").map(|(_, id)| id.to_owned()));
    id.unwrap_or_default()
}
