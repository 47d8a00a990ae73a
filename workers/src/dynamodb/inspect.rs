//! Looks at a table before any work begins.

use futures::TryStreamExt;

use super::read::Read;
use super::values::check_values;
use super::{Part, Table};
use crate::error::WorkError;
use crate::heartbeat::Heartbeat;
use crate::inspection::Inspection;

/// Shape, replication, and whether the tenant has anything in any of `parts` parts. The table was opened, so it exists and
/// its index is ready.
pub(crate) async fn inspect(at: &Table, tenant: &str, parts: u32) -> Result<Inspection, WorkError> {
    Box::pin(check_values(at, tenant, parts, &Heartbeat::unheard())).await?;
    let mut empty = true;
    for n in 0..parts {
        if !is_empty(at, &Part::new(tenant, n)).await? {
            empty = false;
            break;
        }
    }
    at.check_still_complete().await?;
    Ok(Inspection {
        schema: Some(at.schema.clone()),
        expires_by: at.expires_by().map(str::to_owned),
        replicates_to: at.replicates_to.clone(),
        table_id: at.id.clone(),
        empty,
    })
}

async fn is_empty(at: &Table, part: &Part) -> Result<bool, WorkError> {
    let heartbeat = Heartbeat::unheard();
    let mut chunks = std::pin::pin!(at.chunks(part, None, &heartbeat));
    while let Some(chunk) = chunks.try_next().await? {
        let items = at.get(chunk.keys, Read::Owner, &heartbeat).await?;
        if items.iter().any(|item| at.belongs(item, part)) {
            return Ok(false);
        }
    }
    Ok(true)
}
