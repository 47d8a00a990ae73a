//! The removals that a move queued, and where they stand.

use engine::tables::workflow_table;
use serde::{Deserialize, Serialize};
use store::{StoreError, Tx};

use crate::removal::RemovalRef;

/// A removal that the move queued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RemovalView {
    /// Its id.
    pub id: String,
    /// Of which service.
    pub service: String,
    /// From where.
    pub location: String,
    /// Where it stands.
    pub state: String,
}

pub(super) async fn removal_views(tx: &mut Tx, removals: &[RemovalRef]) -> Result<Vec<RemovalView>, StoreError> {
    let mut views = Vec::with_capacity(removals.len());
    for removal in removals {
        let state =
            workflow_table::get(tx, &removal.id).await?.map_or_else(|| "unknown".to_owned(), |found| found.state);
        let RemovalRef { id, service, location } = removal.clone();
        views.push(RemovalView { id, service, location, state });
    }
    Ok(views)
}
