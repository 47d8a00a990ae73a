//! Whether the catalogue still names a workflow, so that it can't be forgotten.

use store::{StoreError, Tx, sql};

/// Whether a tenant may be changed by this workflow alone, or a ledger entry says that it is adding or removing.
pub async fn names_workflow(tx: &mut Tx, workflow: &str) -> Result<bool, StoreError> {
    let named = sql("SELECT 1 AS named FROM ledger WHERE workflow = $1 \
                     UNION ALL SELECT 1 AS named FROM tenants WHERE active_move = $1 LIMIT 1");
    Ok(named.bind(workflow).fetch_optional(tx).await?.is_some())
}
