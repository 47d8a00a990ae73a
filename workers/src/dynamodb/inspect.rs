//! Looks at a table before any work begins.

use futures::TryStreamExt;

use super::read::Read;
use super::{Part, Table};
use crate::error::WorkError;
use crate::inspection::Inspection;
use crate::pulse::Pulse;

/// How many index values past the last are looked at. A `shardCount` that was written down too small would leave the items
/// of all later values behind, and nothing else would notice.
const PROBED_BEYOND: u32 = 16;

/// Whether the tenant has items under index values that the shard count says do not exist.
///
/// # Errors
/// `shard_count_too_small`, naming the first such value.
pub(crate) async fn check_shard_count(at: &Table, tenant: &str, parts: u32) -> Result<(), WorkError> {
    for n in parts..parts.saturating_add(PROBED_BEYOND) {
        let part = Part::new(tenant, n);
        if !is_empty(at, &part).await? {
            let message = format!(
                "{} holds items of the tenant under `{}`, but its shardCount is {parts}: correct shardCount in the topology",
                at.site,
                part.value()
            );
            return Err(WorkError::permanent("shard_count_too_small", message));
        }
    }
    Ok(())
}

/// Shape, replication, and whether the tenant has anything in any of `parts` parts. The table was opened, so it exists and
/// its index is ready.
pub(crate) async fn inspect(at: &Table, tenant: &str, parts: u32) -> Result<Inspection, WorkError> {
    check_shard_count(at, tenant, parts).await?;
    let mut empty = true;
    for n in 0..parts {
        if !is_empty(at, &Part::new(tenant, n)).await? {
            empty = false;
            break;
        }
    }
    Ok(Inspection { schema: Some(at.schema.clone()), replicates_to: at.replicates_to.clone(), empty })
}

async fn is_empty(at: &Table, part: &Part) -> Result<bool, WorkError> {
    let pulse = Pulse::unheard();
    let mut chunks = std::pin::pin!(at.chunks(part, None, &pulse));
    while let Some(chunk) = chunks.try_next().await? {
        let items = at.get(chunk.keys, Read::Owner, &pulse).await?;
        if items.iter().any(|item| at.belongs(item, part)) {
            return Ok(false);
        }
    }
    Ok(true)
}
