//! The movers, over tables whose reads are counted.

use std::sync::Arc;

use workers::place::Place;
use workers::{CredentialsFrom, Movers, Verification, tables};

use super::reads::{CountedTables, Counters};
use super::{INDEX, INDEX_KEY, TABLE};
use crate::job::{Copied, Job};
use crate::{Error, SOURCE_REGION, TARGET_REGION, TENANT, movers};

/// What the partition keys of the fixtures begin with.
const PREFIX: &str = "/";

/// Copies and verifies.
pub(super) async fn copy(job: &Job, verification: Verification, prefixed: bool) -> Result<Copied, Error> {
    let (settings, counters) = (movers::settings(), Arc::new(Counters::default()));
    let tables = tables::through_sdk(CredentialsFrom::Fixed(testkit::region::credentials()), &settings);
    let counted = CountedTables { tables, counters: Arc::clone(&counters) };
    let movers = Movers::with_tables(Arc::new(counted), Arc::default(), settings);
    let from = place(SOURCE_REGION, &job.regions.from, TABLE, job.parts);
    let to = place(TARGET_REGION, &job.regions.to, &job.target, job.parts);
    let prefix = prefixed.then(|| format!("{TENANT}{PREFIX}"));
    let copied = movers::copy_all(&movers, &from, &to, verification, prefix.as_deref()).await?;
    Ok(Copied { count: copied.items, reads: counters.reads() })
}

fn place(region: &str, endpoint: &str, table: &str, parts: u32) -> Place {
    Place::Dynamodb {
        region: region.to_owned(),
        endpoint: Some(endpoint.to_owned()),
        table: table.to_owned(),
        index: INDEX.to_owned(),
        index_key: INDEX_KEY.to_owned(),
        shard_count: parts,
    }
}
