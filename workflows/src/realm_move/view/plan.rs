//! What a move does, service by service.

use catalogue::location::Location;
use serde::{Deserialize, Serialize};

use crate::plan::ServicePlan;

/// What a move does in one service. A location is shown by name: its region, and its table or bucket if that is its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanView {
    /// The service.
    pub service: String,
    /// The shard it leaves.
    pub from_shard: Option<String>,
    /// The shard it goes to.
    pub to_shard: String,
    /// Gets the data.
    pub add: Vec<String>,
    /// Has it and keeps it.
    pub keep: Vec<String>,
    /// Is emptied afterwards.
    pub remove: Vec<String>,
}

impl From<&ServicePlan> for PlanView {
    fn from(plan: &ServicePlan) -> Self {
        let names = |locations: &[Location]| locations.iter().map(|at| at.name.clone()).collect();
        Self {
            service: plan.service.clone(),
            from_shard: plan.from_shard.clone(),
            to_shard: plan.to_shard.clone(),
            add: names(&plan.add),
            keep: names(&plan.keep),
            remove: names(&plan.remove),
        }
    }
}
