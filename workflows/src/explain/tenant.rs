//! A tenant: whether it serves, what may change that, and what is open about it.

use catalogue::tenants::{self, Tenant, TenantStatus};
use engine::tables::pause_table::PauseScope;
use engine::tables::{pause_table, status_queries};
use store::{Millis, StoreError, Tx};

use super::claims::seconds;
use super::decide;
use super::gather::{Follow, gather};
use crate::deployment::Deployment;
use crate::explanation::{Explanation, TenantExplanation, WaitsFor};
use crate::realm_move::list_moves;
use crate::removal::list_removals;
use crate::timestamps::{rfc3339, utc};

/// Workflows told of one tenant.
const TOLD: i64 = 50;

pub(super) async fn explain_tenant(
    deployment: &Deployment,
    tx: &mut Tx,
    id: &str,
) -> Result<Option<TenantExplanation>, StoreError> {
    let Some(tenant) = tenants::get(tx, id).await? else { return Ok(None) };
    let mut ids = status_queries::open_of_tenant(tx, id, TOLD).await?;
    let failed = list_removals(tx, Some(id), Some("failed"), None, TOLD).await?;
    ids.extend(failed.into_iter().map(|removal| removal.id));
    // The newest move is told of also if it has failed or rolled back: it is why somebody asks.
    let last = list_moves(tx, Some(id), None, None, 1).await?;
    ids.extend(
        last.into_iter().filter(|last| ["failed", "rolled_back"].contains(&last.state.as_str())).map(|last| last.id),
    );
    let mut workflows = Vec::with_capacity(ids.len());
    for id in &ids {
        workflows.extend(gather(deployment, tx, id, Follow::OneLevel).await?.as_ref().map(decide::explain));
    }
    let paused = pause_table::get(tx, &PauseScope::Tenant(id.to_owned())).await?.is_some();
    let now = tx.now().await?;
    Ok(Some(explain(tenant, workflows, paused, now)))
}

pub(super) fn explain(tenant: Tenant, workflows: Vec<Explanation>, paused: bool, now: Millis) -> TenantExplanation {
    let waits_for = waits_for(&tenant, &workflows, now);
    let mut can_do: Vec<String> = workflows.iter().flat_map(|workflow| workflow.can_do.clone()).collect();
    if paused {
        can_do.push(format!("realmctl tenants resume {}", tenant.id));
    }
    let mut told = std::collections::BTreeSet::new();
    can_do.retain(|command| told.insert(command.clone()));
    TenantExplanation {
        status: tenant.status.as_str().to_owned(),
        realm: tenant.realm,
        epoch: tenant.epoch,
        active_move: tenant.active_move,
        lease_until: tenant.lease_until.map(rfc3339),
        id: tenant.id,
        waits_for,
        workflows,
        can_do,
    }
}

fn waits_for(tenant: &Tenant, workflows: &[Explanation], now: Millis) -> WaitsFor {
    let active_move = tenant.active_move.as_deref().and_then(|id| workflows.iter().find(|workflow| workflow.id == id));
    match (tenant.status, active_move) {
        (TenantStatus::Moving, active_move) => {
            let what =
                active_move.map(|mover| format!(", which waits for {}", mover.waits_for.text)).unwrap_or_default();
            let by = tenant.active_move.as_deref().unwrap_or("nobody");
            match tenant.lease_until {
                Some(until) if until <= now => {
                    let ago = seconds(now - until);
                    let text = format!(
                        "any process that reaches the catalogue to bring it back online: its offline lease lapsed {ago} ago. \
                         Is a server or worker running?"
                    );
                    WaitsFor::new("lapsed", text)
                }
                Some(until) => {
                    let at = utc(until);
                    let text =
                        format!("offline for move {by}{what}; without progress it is brought back online at {at}");
                    WaitsFor::new("moving", text).until(until)
                }
                None => WaitsFor::new("moving", format!("offline for move {by}{what}")),
            }
        }
        (TenantStatus::Online, Some(mover)) => {
            let text = format!("nothing: it is online. Move {} waits for {}", mover.id, mover.waits_for.text);
            WaitsFor::new("online", text)
        }
        (TenantStatus::Online, None) => WaitsFor::new("online", "nothing: it is online"),
        (TenantStatus::Provisioning, _) => {
            let what = workflows.first().map(|first| format!("; {} waits for {}", first.id, first.waits_for.text));
            WaitsFor::new("provisioning", format!("its services to be ready{}", what.unwrap_or_default()))
        }
        (status, _) => WaitsFor::new(status.as_str(), format!("nothing: it is {}", status.as_str())),
    }
}
