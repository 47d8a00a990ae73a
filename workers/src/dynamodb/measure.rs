//! Counts a tenant's items by the index alone: cheap, and only as exact as the index is fresh. For estimates.

use super::{Part, Table, count};
use crate::error::WorkError;
use crate::pulse::Pulse;

/// How many items the index lists for the tenant in `parts` parts.
pub(crate) async fn measure(at: &Table, tenant: &str, parts: u32) -> Result<u64, WorkError> {
    let counts = (0..parts).map(|n| async move { count(at, &Part::new(tenant, n), &Pulse::unheard()).await });
    Ok(futures::future::try_join_all(counts).await?.into_iter().sum())
}
