//! What a campaign would do now: each tenant is planned as its move would be, and nothing is changed. Of tenants that differ in nothing
//! that a plan looks at, one is planned for all.

use std::collections::BTreeMap;

use catalogue::tenants::{self, Tenant, TenantStatus};
use catalogue::{placement_groups, placements};
use serde::{Deserialize, Serialize};
use store::{StoreError, Tx};

use super::create::{CampaignRequest, Tenants, check_orders, check_realms};
use crate::deployment::Deployment;
use crate::planning;
use crate::refusal::Refusal;

/// What a campaign would do now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
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
/// Shapes remembered at most.
const SHAPES: usize = 10_000;
/// Tenants read at a time.
const PAGE: i64 = 500;

/// Plans a campaign. Changes nothing.
pub async fn dry_run_campaign(deployment: &Deployment, request: &CampaignRequest) -> Result<CampaignPlan, Refusal> {
    check_orders(&deployment.timing, &request.options)?;
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
    let mut known: BTreeMap<(String, String), Outcome> = BTreeMap::new();
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
        let mut shapes = placement_groups::of_tenants(&mut tx, &ids).await?;
        for (id, tenant) in page {
            let outcome = match movable(&id, tenant) {
                Ok(tenant) => {
                    let shape = (tenant.realm.clone(), shapes.remove(&id).unwrap_or_default());
                    match known.get(&shape) {
                        Some(outcome) => outcome.clone(),
                        None => {
                            let placed = planning::placed(&mut tx, &id, &topology.topology).await?;
                            let planned = planning::plan_with((&topology, &load), (&tenant, &placed), &request.to);
                            let outcome = outcome(planned.map(|planned| planned.needs_offline()))?;
                            if known.len() < SHAPES {
                                known.insert(shape, outcome.clone());
                            }
                            outcome
                        }
                    }
                }
                Err(refusal) => outcome(Err(refusal))?,
            };
            plan.count(id, outcome);
        }
    }
    tx.rollback().await?;
    plan.waves = plan.moves.div_ceil(request.options.wave_size);
    Ok(plan)
}

/// Whether a tenant would be offline for a while, or the code and the words of why it would be skipped.
type Outcome = Result<bool, (String, String)>;

fn outcome(planned: Result<bool, Refusal>) -> Result<Outcome, Refusal> {
    match planned {
        Err(Refusal::Store(error)) => Err(error.into()),
        planned => Ok(planned.map_err(|refusal| (refusal.code().to_owned(), refusal.to_string()))),
    }
}

impl CampaignPlan {
    fn count(&mut self, tenant: String, outcome: Outcome) {
        self.total += 1;
        match outcome {
            Ok(offline) => {
                self.moves += 1;
                self.need_offline += u64::from(offline);
            }
            Err((code, reason)) => {
                *self.skipped_by_code.entry(code.clone()).or_default() += 1;
                if self.skipped.len() < TOLD {
                    self.skipped.push(SkippedView { tenant, code, reason });
                }
            }
        }
    }
}

fn movable(id: &str, tenant: Option<Tenant>) -> Result<Tenant, Refusal> {
    let tenant = tenant.ok_or_else(|| Refusal::not_found("unknown_tenant", format!("there is no tenant {id}")))?;
    if let Some(active_move) = &tenant.active_move {
        return Err(Refusal::conflict(
            "move_in_progress",
            format!("tenant {id} is being moved already, by {active_move}"),
        ));
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
