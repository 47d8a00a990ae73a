//! Counts a tenant's items by the index alone, which is cheap and only as exact as the index is fresh; how large they are is told
//! by a few of them. For estimates.

use futures::TryStreamExt;

use super::read::{self, Read};
use super::sample::count;
use super::size::{entry_units, read_units, write_units};
use super::{Part, Table};
use crate::error::WorkError;
use crate::heartbeat::Heartbeat;
use crate::inspection::{Depth, Size};

/// Items of each part whose size is looked at.
const LOOKED_AT: usize = 25;

/// How many items the index lists for the tenant in `parts` parts; and, if asked, the size of all by the average of some of each part.
pub(crate) async fn measure(at: &Table, tenant: &str, parts: u32, depth: Depth) -> Result<Size, WorkError> {
    let parts = (0..parts).map(|n| async move { measure_part(at, &Part::new(tenant, n), depth).await });
    Ok(futures::future::try_join_all(parts).await?.into_iter().fold(Size::default(), Size::plus))
}

async fn measure_part(at: &Table, part: &Part, depth: Depth) -> Result<Size, WorkError> {
    let heartbeat = Heartbeat::unheard();
    match depth {
        Depth::Listed => Ok(Size { items: count(at, part, &heartbeat).await?, ..Size::default() }),
        Depth::Sampled => {
            let (items, sample) = futures::try_join!(count(at, part, &heartbeat), sample(at, part, &heartbeat))?;
            Ok(sample.scaled_to(items))
        }
    }
}

/// The sizes of the first items that the part's index lists.
async fn sample(at: &Table, part: &Part, heartbeat: &Heartbeat<'_>) -> Result<Size, WorkError> {
    let mut chunks = std::pin::pin!(at.chunks(part, None, heartbeat));
    while let Some(chunk) = chunks.try_next().await? {
        let keys = chunk.keys.into_iter().take(LOOKED_AT).collect();
        let items = at.get(keys, Read::Whole, heartbeat).await?;
        if items.is_empty() {
            continue;
        }
        let tally = read::tally(&items)?;
        let reads = items.iter().map(read_units).sum();
        let entries = items.iter().map(|item| entry_units(item, at.index_holds.as_deref())).sum();
        let writes = items.iter().map(write_units).sum();
        return Ok(Size {
            items: tally.items,
            objects: 0,
            bytes: tally.bytes,
            write_units: writes,
            index_units: entries,
            read_units: reads,
        });
    }
    Ok(Size::default())
}
