//! Counts a tenant's items by the index alone: cheap, and only as exact as the index is fresh. For estimates.

use aws_sdk_dynamodb::types::{AttributeValue, Select};

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
        let query = at
            .reads
            .query()
            .table_name(&at.name)
            .index_name(&at.index)
            .select(Select::Count)
            .key_condition_expression("#index = :value")
            .expression_attribute_names("#index", &at.index_key)
            .expression_attribute_values(":value", AttributeValue::S(part.value().to_owned()))
            .set_exclusive_start_key(start.clone());
        let page = query.send().await.map_err(|error| at.site.failed("count the items of", error))?;
        total += u64::from(page.count.unsigned_abs());
        let last = page.last_evaluated_key.filter(|key| !key.is_empty());
        if last.is_none() || last == start {
            return Ok(total);
        }
        start = last;
    }
}
