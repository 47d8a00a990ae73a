//! Claiming what has been due longest, from the workflows or from the tasks: a lease, and a new fence.

use store::{Millis, StoreError, Tx, sql};

/// The statements of one table.
pub(crate) struct Claimable {
    /// Selects `id` and `fence` of the row that has been due longest at `$1`.
    pub(crate) due: &'static str,
    /// Gives row `$1` to the owner `$2` until `$3` under the fence `$4`, at the time `$5`.
    pub(crate) take: &'static str,
}

/// Claims a row and returns its id; rows that somebody else is claiming just now are passed over. `None`: nothing is due.
pub(crate) async fn claim(
    tx: &mut Tx,
    table: &Claimable,
    owner: &str,
    lease: Millis,
) -> Result<Option<String>, StoreError> {
    let now = tx.now().await?;
    let due = sql(table.due).for_update_skip_locked().bind(now).fetch_optional(tx).await?;
    let Some(due) = due else { return Ok(None) };
    let id = due.text("id")?;
    sql(table.take).bind(&id).bind(owner).bind(now + lease).bind(due.int("fence")? + 1).bind(now).execute(tx).await?;
    Ok(Some(id))
}
