//! `/v1/topology`: applying, checking and showing the topology, and having a store be reached at another address.

use axum::Json;
use axum::extract::State;
use catalogue::topologies;
use serde::Deserialize;
use utoipa::IntoParams;
use workflows::timestamps::rfc3339;
use workflows::topology_change::{Applied, apply_topology_accepting, check_topology};

use crate::actor::Caller;
use crate::api::{RenameEndpoint, TopologyApplied, TopologyView};
use crate::app_state::App;
use crate::body::{JsonBody, YamlBody};
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
    YamlBody(yaml): YamlBody,
) -> Result<Json<TopologyApplied>, ApiError> {
    let actor = caller.because(query.reason)?;
    if query.check {
        let (topology, consequences) = check_topology(&app.deployment, &yaml).await?;
        let hash = topology.version_hash();
        return Ok(Json(TopologyApplied { version: None, hash, changed: false, consequences, topology }));
    }
    Ok(Json(answer(apply_topology_accepting(&app.deployment, &yaml, query.accept, &actor).await?)))
}

/// `POST /v1/topology/rename-endpoint`
pub(crate) async fn rename_endpoint(
    State(app): State<App>,
    caller: Caller,
    JsonBody(asked): JsonBody<RenameEndpoint>,
) -> Result<Json<TopologyApplied>, ApiError> {
    let actor = caller.because(asked.reason)?;
    let applied = workflows::topology_change::rename_endpoint(
        &app.deployment,
        (&asked.region, asked.kind),
        &asked.address,
        &actor,
    )
    .await?;
    Ok(Json(answer(applied)))
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
pub(crate) async fn show(State(app): State<App>) -> Result<Json<TopologyView>, ApiError> {
    let mut tx = app.deployment.store.read().await?;
    let stored = topologies::current(&mut tx).await?;
    tx.rollback().await?;
    let stored = stored.ok_or_else(|| {
        let detail = "no topology has been applied yet: run `realmctl topology apply FILE` first";
        ApiError::not_found("no_topology", detail)
    })?;
    Ok(Json(TopologyView {
        version: stored.version,
        hash: stored.hash,
        applied_at: rfc3339(stored.applied_at),
        applied_by: stored.applied_by,
        topology: stored.topology,
    }))
}
