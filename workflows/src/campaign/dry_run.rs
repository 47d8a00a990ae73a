//! What a campaign would do now: each tenant is planned as its move would be, and nothing is changed.

use std::collections::BTreeMap;

use catalogue::placements;
use catalogue::tenants::{self, Tenant, TenantStatus};
use serde::{Deserialize, Serialize};
use store::{StoreError, Tx};

use super::create::{CampaignRequest, Tenants, check_orders, check_realms};
use crate::deployment::Deployment;
use crate::planning;
use crate::refusal::Refusal;

/// What a campaign would do now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CampaignPlan {
    /// The realm that its tenants would be moved to.
    pub to: String,
    /// All tenants asked for.
    pub total: u64,
    /// Those that would be moved.
    pub moves: u64,
    /// Those of them that would be offline for a while.
    pub need_offline: u64,
    /// Waves.
    pub waves: u64,
    /// How many would be skipped, by the code of the reason.
    pub skipped_by_code: BTreeMap<String, u64>,
    /// Those that would be skipped, and why; the first thousand.
    pub skipped: Vec<SkippedView>,
}

/// A tenant that would be skipped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SkippedView {
    /// The tenant.
    pub tenant: String,
    /// Why, as a stable code.
    pub code: String,
    /// Why, in words.
    pub reason: String,
}

/// Skipped tenants told one by one.
const TOLD: usize = 1_000;
/// Tenants read at a time.
const PAGE: i64 = 500;

/// Plans a campaign. Changes nothing.
pub async fn dry_run_campaign(deployment: &Deployment, request: &CampaignRequest) -> Result<CampaignPlan, Refusal> {
    check_orders(&deployment.timing, &request.orders)?;
    let mut tx = deployment.store.read().await?;
    check_realms(&mut tx, request).await?;
    let topology = planning::topology(&mut tx).await?;
    let load = placements::load(&mut tx).await?;
    let mut plan = CampaignPlan {
        to: request.to.clone(),
        total: 0,
        moves: 0,
        need_offline: 0,
        waves: 0,
        skipped_by_code: BTreeMap::new(),
        skipped: Vec::new(),
    };
    let mut pages = Pages { after: None, left: u64::MAX };
    if let Tenants::OfRealm { limit: Some(limit), .. } = &request.tenants {
        pages.left = *limit;
    }
    loop {
        let page = pages.next(&mut tx, &request.tenants).await?;
        if page.is_empty() {
            break;
        }
        let ids: Vec<String> = page.iter().map(|(id, _)| id.clone()).collect();
        let mut placed = planning::placed_all(&mut tx, &ids, &topology.topology).await?;
        for (id, tenant) in page {
            let placements = placed.remove(&id).unwrap_or_default();
            let planned = movable(&id, tenant)
                .and_then(|tenant| planning::plan_with((&topology, &load), (&tenant, &placements), &request.to));
            plan.count(id, planned.map(|planned| planned.needs_offline()))?;
        }
    }
    tx.rollback().await?;
    plan.waves = plan.moves.div_ceil(request.orders.wave_size);
    Ok(plan)
}

impl CampaignPlan {
    fn count(&mut self, tenant: String, planned: Result<bool, Refusal>) -> Result<(), Refusal> {
        self.total += 1;
        match planned {
            Ok(offline) => {
                self.moves += 1;
                self.need_offline += u64::from(offline);
            }
            Err(Refusal::Store(error)) => return Err(error.into()),
            Err(refusal) => {
                *self.skipped_by_code.entry(refusal.code().to_owned()).or_default() += 1;
                if self.skipped.len() < TOLD {
                    let code = refusal.code().to_owned();
                    self.skipped.push(SkippedView { tenant, code, reason: refusal.to_string() });
                }
            }
        }
        Ok(())
    }
}

fn movable(id: &str, tenant: Option<Tenant>) -> Result<Tenant, Refusal> {
    let tenant = tenant.ok_or_else(|| Refusal::not_found("unknown_tenant", format!("there is no tenant {id}")))?;
    if let Some(mover) = &tenant.mover {
        return Err(Refusal::conflict("move_in_progress", format!("tenant {id} is being moved already, by {mover}")));
    }
    if tenant.status != TenantStatus::Online {
        let message = format!("tenant {id} is {} and can't be moved", tenant.status.as_str());
        return Err(Refusal::conflict("tenant_not_online", message));
    }
    Ok(tenant)
}

/// Goes through the tenants of a campaign.
struct Pages {
    after: Option<String>,
    left: u64,
}

impl Pages {
    async fn next(&mut self, tx: &mut Tx, tenants: &Tenants) -> Result<Vec<(String, Option<Tenant>)>, StoreError> {
        let limit = PAGE.min(i64::try_from(self.left).unwrap_or(PAGE));
        let page: Vec<(String, Option<Tenant>)> = match tenants {
            Tenants::OfRealm { realm, .. } => {
                let found = tenants::list(tx, Some(realm), self.after.as_deref(), limit).await?;
                found.into_iter().map(|tenant| (tenant.id.clone(), Some(tenant))).collect()
            }
            Tenants::Listed(listed) => {
                let after = self.after.clone().unwrap_or_default();
                let ids = listed.iter().filter(|id| **id > after).take(usize::try_from(limit).unwrap_or(1));
                let mut page = Vec::new();
                for id in ids {
                    page.push((id.clone(), tenants::get(tx, id).await?));
                }
                page
            }
        };
        self.left -= page.len() as u64;
        self.after = page.last().map(|(id, _)| id.clone()).or(self.after.take());
        Ok(page)
    }
}
