//! The measured side: the movers, with permits and checkpoints that cost nothing, and all parts at once.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use futures::future::try_join_all;
use serde_json::Value;
use workers::error::WorkError;
use workers::permit::{CellFacts, CellState, Ledger, Permits, Reading};
use workers::place::Place;
use workers::progress::{Checkpoints, Tally};
use workers::{CredentialsFrom, Movers, PartCopy, Settings, Verification, tables};

use super::client::Client;
use super::reads::{CountedTables, Counters, Reads};
use super::{Error, INDEX, INDEX_KEY, SOURCE_REGION, TABLE, TARGET_REGION, TENANT};

/// What the partition keys of the fixtures begin with.
const PREFIX: &str = "/";

/// Copies and verifies; items copied, and what was read.
pub(super) async fn copy(client: &Client, verification: Verification, prefixed: bool) -> Result<(u64, Reads), Error> {
    let counters = Arc::new(Counters::default());
    let movers = movers(Arc::clone(&counters));
    let from = place(SOURCE_REGION, &client.regions.from, TABLE, client.parts);
    let to = place(TARGET_REGION, &client.regions.to, &client.target, client.parts);
    let prefix = prefixed.then(|| format!("{TENANT}{PREFIX}"));
    let parts = (0..client.parts).map(|part| {
        let (movers, from, to, prefix) = (movers.clone(), from.clone(), to.clone(), prefix.clone());
        async move {
            let copying = async move {
                let key_prefix = prefix.as_deref();
                one(&movers, PartCopy { verification, key_prefix, ..PartCopy::new(&from, &to, TENANT, part) }).await
            };
            tokio::spawn(copying).await
        }
    });
    let mut items = 0;
    for copied in try_join_all(parts).await.map_err(|_| Error::Part("a mover panicked".to_owned()))? {
        items += copied.map_err(|error| Error::part(&error))?;
    }
    Ok((items, counters.reads()))
}

async fn one(movers: &Movers, copy: PartCopy<'_>) -> Result<u64, WorkError> {
    let permits = Permits::new(&Allows, movers.settings().permit_fresh_for);
    let copied = movers.copy(copy, &permits, &Forgets, None).await?;
    movers.verify(copy, &copied, &Forgets).await?;
    Ok(copied.items)
}

/// An index that is never late is not waited for.
pub(super) fn movers(counters: Arc<Counters>) -> Movers {
    let settings = Settings { index_settle: Duration::ZERO, ..Settings::default() };
    let tables = tables::through_sdk(CredentialsFrom::Fixed(testkit::region::credentials()), &settings);
    Movers::with_tables(Arc::new(CountedTables { tables, counters }), settings)
}

pub(super) fn place(region: &str, endpoint: &str, table: &str, parts: u32) -> Place {
    Place::Dynamodb {
        region: region.to_owned(),
        endpoint: Some(endpoint.to_owned()),
        table: table.to_owned(),
        index: INDEX.to_owned(),
        index_key: INDEX_KEY.to_owned(),
        shard_count: parts,
    }
}

/// A ledger that allows every write.
pub(crate) struct Allows;

#[async_trait]
impl Ledger for Allows {
    async fn read(&self) -> Result<Option<Reading>, WorkError> {
        let facts = CellFacts { state: CellState::Adding, placed: false };
        Ok(Some(Reading { facts, at: SystemTime::now() }))
    }
}

/// Checkpoints that nobody keeps.
pub(crate) struct Forgets;

#[async_trait]
impl Checkpoints for Forgets {
    async fn save(&self, _: Value, _: Tally) -> Result<(), WorkError> {
        Ok(())
    }

    async fn alive(&self) -> Result<(), WorkError> {
        Ok(())
    }
}
