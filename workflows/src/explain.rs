//! What a workflow or a tenant waits for, since when, who holds it, and what a person can do about it: one structure for
//! every case. `gather` reads the facts in one snapshot; `decide` is a pure function over them.

mod claims;
mod decide;
mod facts;
mod gather;
mod tasks;
mod tenant;

#[cfg(test)]
mod tests;

use store::Tx;

use crate::deployment::Deployment;
use crate::explanation::{Explained, Explanation};
use crate::refusal::Refusal;

pub use decide::paused;
pub(crate) use decide::resume;

/// Explains the workflow, or else the tenant, of this id.
pub async fn explain(deployment: &Deployment, tx: &mut Tx, id: &str) -> Result<Explained, Refusal> {
    if let Some(found) = explain_workflow(deployment, tx, id).await? {
        return Ok(Explained::Workflow(Box::new(found)));
    }
    if let Some(found) = tenant::explain_tenant(deployment, tx, id).await? {
        return Ok(Explained::Tenant(Box::new(found)));
    }
    let message = format!(
        "there is no move, removal or tenant {id}: see `realmctl moves list`, `realmctl removals list` and `realmctl tenants list`"
    );
    Err(Refusal::not_found("unknown_id", message))
}

/// Explains the workflow, if there is one of this id.
pub async fn explain_workflow(
    deployment: &Deployment,
    tx: &mut Tx,
    id: &str,
) -> Result<Option<Explanation>, store::StoreError> {
    Ok(gather::gather(deployment, tx, id, gather::Follow::OneLevel).await?.as_ref().map(decide::explain))
}
