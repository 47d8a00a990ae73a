//! Counts a tenant's items by the index alone: cheap, and only as exact as the index is fresh. For estimates.

use super::{Part, Table};
use crate::error::WorkError;

/// How many items the index lists for the tenant in `parts` parts.
pub(crate) async fn measure(at: &Table, tenant: &str, parts: u32) -> Result<u64, WorkError> {
    let counts = (0..parts).map(|n| async move { count(at, &Part::new(tenant, n)).await });
    Ok(futures::future::try_join_all(counts).await?.into_iter().sum())
}

async fn count(at: &Table, part: &Part) -> Result<u64, WorkError> {
    let mut total = 0;
    let mut start = None;
    loop {
        let page = at.api.count(part.value(), start.clone()).await?;
        total += page.entries;
        if page.last.is_none() || page.last == start {
            return Ok(total);
        }
        start = page.last;
    }
}
