//! `/v1/topology`: applying, checking and showing the topology, and having a store be reached at another address.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use catalogue::topologies;
use serde::Deserialize;
use utoipa::IntoParams;
use workflows::approval::Content;
use workflows::timestamps::rfc3339;
use workflows::topology_change::{Applied, Edit, Rename, apply_edit, check_topology, rename, topology_tag};

use crate::actor::Caller;
use crate::api::{RenameEndpoint, TopologyApplied, TopologyView};
use crate::app_state::App;
use crate::approvals;
use crate::body::{JsonBody, YamlBody};
use crate::preconditions::{IfMatch, etag, is_known};
use crate::principal::Principal;
use crate::problem::ApiError;
use crate::query::Params;

/// The query of `PUT /v1/topology`.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Apply {
    /// Only check the file, and store nothing.
    #[serde(default)]
    check: bool,
    /// Put it in force though it does something to tenants or moves besides.
    #[serde(default)]
    accept: bool,
    /// Why; the body is the file itself.
    reason: Option<String>,
}

/// `PUT /v1/topology`
pub(crate) async fn apply(
    State(app): State<App>,
    Params(query): Params<Apply>,
    caller: Caller,
    principal: Principal,
    IfMatch(on): IfMatch,
    YamlBody(yaml): YamlBody,
) -> Result<Response, ApiError> {
    let actor = caller.because(query.reason)?;
    if query.check {
        let (topology, consequences) = check_topology(&app.deployment, &yaml).await?;
        let hash = topology.version_hash();
        let checked = TopologyApplied { version: None, hash, changed: false, consequences, topology };
        return Ok(Json(checked).into_response());
    }
    let edit = Edit { yaml, accept: query.accept, on };
    if let Some(waits) = approvals::needed(&app, &principal, Content::Topology(edit.clone()), &actor).await? {
        return Ok(waits);
    }
    Ok(Json(answer(apply_edit(&app.deployment, &edit, &actor).await?)).into_response())
}

/// `POST /v1/topology/rename-endpoint`
pub(crate) async fn rename_endpoint(
    State(app): State<App>,
    caller: Caller,
    principal: Principal,
    IfMatch(on): IfMatch,
    JsonBody(asked): JsonBody<RenameEndpoint>,
) -> Result<Response, ApiError> {
    let actor = caller.because(asked.reason)?;
    let asked = Rename { region: asked.region, kind: asked.kind, address: asked.address, on };
    if let Some(waits) = approvals::needed(&app, &principal, Content::RenameEndpoint(asked.clone()), &actor).await? {
        return Ok(waits);
    }
    Ok(Json(answer(rename(&app.deployment, &asked, &actor).await?)).into_response())
}

fn answer(Applied { stored, changed, consequences }: Applied) -> TopologyApplied {
    TopologyApplied {
        version: Some(stored.version),
        hash: stored.hash,
        changed,
        consequences,
        topology: stored.topology,
    }
}

/// `GET /v1/topology`
pub(crate) async fn show(State(app): State<App>, headers: HeaderMap) -> Result<Response, ApiError> {
    let mut tx = app.deployment.store.read().await?;
    let stored = topologies::current(&mut tx).await?;
    tx.rollback().await?;
    let stored = stored.ok_or_else(|| {
        let detail = "no topology has been applied yet: run `realmctl topology apply FILE` first";
        ApiError::not_found("no_topology", detail)
    })?;
    let tag = topology_tag(&stored);
    if is_known(&headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, etag(&tag)).into_response());
    }
    let view = TopologyView {
        version: stored.version,
        hash: stored.hash,
        applied_at: rfc3339(stored.applied_at),
        applied_by: stored.applied_by,
        topology: stored.topology,
    };
    Ok((etag(&tag), Json(view)).into_response())
}
