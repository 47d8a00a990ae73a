//! Counts a tenant's items by the index alone, which is cheap and only as exact as the index is fresh; how large they are is told
//! by a few of them. For estimates.

use futures::TryStreamExt;

use super::read::{self, Read};
use super::sample::count;
use super::size::{read_units, write_units};
use super::{Part, Table};
use crate::error::WorkError;
use crate::inspection::Size;
use crate::pulse::Pulse;
use crate::tables::Change;

/// Items of each part whose size is looked at.
const LOOKED_AT: usize = 25;

/// How many items the index lists for the tenant in `parts` parts.
pub(crate) async fn measure(at: &Table, tenant: &str, parts: u32) -> Result<u64, WorkError> {
    let counts = (0..parts).map(|n| async move { count(at, &Part::new(tenant, n), &Pulse::unheard()).await });
    Ok(futures::future::try_join_all(counts).await?.into_iter().sum())
}

/// The same, with the size of all by the average of some of each part.
pub(crate) async fn size(at: &Table, tenant: &str, parts: u32) -> Result<Size, WorkError> {
    let parts = (0..parts).map(|n| async move {
        let part = Part::new(tenant, n);
        let pulse = Pulse::unheard();
        let (items, sample) = futures::try_join!(count(at, &part, &pulse), sample(at, &part, &pulse))?;
        Ok::<_, WorkError>(sample.scaled_to(items))
    });
    Ok(futures::future::try_join_all(parts).await?.into_iter().fold(Size::default(), Size::plus))
}

/// The sizes of the first items that the part's index lists.
async fn sample(at: &Table, part: &Part, pulse: &Pulse<'_>) -> Result<Size, WorkError> {
    let mut chunks = std::pin::pin!(at.chunks(part, None, pulse));
    while let Some(chunk) = chunks.try_next().await? {
        let keys = chunk.keys.into_iter().take(LOOKED_AT).collect();
        let items = at.get(keys, Read::Whole, pulse).await?;
        if items.is_empty() {
            continue;
        }
        let tally = read::tally(&items)?;
        let reads = items.iter().map(read_units).sum();
        let changes: Vec<Change> = items.into_iter().map(Change::Put).collect();
        let writes = write_units(&changes);
        return Ok(Size { items: tally.items, objects: 0, bytes: tally.bytes, write_units: writes, read_units: reads });
    }
    Ok(Size::default())
}
