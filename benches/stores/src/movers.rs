//! The measured side: the movers, with permits and checkpoints that cost nothing, and all parts at once.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use futures::future::try_join_all;
use serde_json::Value;
use workers::error::WorkError;
use workers::ledger_permit::{EntryFacts, EntryState, Ledger, Permits, Reading};
use workers::place::Place;
use workers::progress::{Checkpoints, Tally};
use workers::{Movers, PartCopy, Settings, Verification};

use crate::{Error, TENANT};

/// An index that is never late is not waited for.
pub(crate) fn settings() -> Settings {
    Settings { index_settle: Duration::ZERO, ..Settings::default() }
}

/// Copies and verifies all parts; what was copied.
pub(crate) async fn copy_all(
    movers: &Movers,
    from: &Place,
    to: &Place,
    verification: Verification,
    key_prefix: Option<&str>,
) -> Result<Tally, Error> {
    let parts = (0..from.parts()).map(|part| {
        let (movers, from, to) = (movers.clone(), from.clone(), to.clone());
        let prefix = key_prefix.map(str::to_owned);
        tokio::spawn(async move {
            let key_prefix = prefix.as_deref();
            copy(&movers, PartCopy { verification, key_prefix, ..PartCopy::new(&from, &to, TENANT, part) }).await
        })
    });
    let mut all = Tally::default();
    for copied in try_join_all(parts).await.map_err(|_| Error::part("a mover panicked"))? {
        all.merge(&copied.map_err(|error| Error::part(&error))?);
    }
    Ok(all)
}

async fn copy(movers: &Movers, copy: PartCopy<'_>) -> Result<Tally, WorkError> {
    let permits = Permits::new(&Allows, movers.settings().permit_fresh_for);
    let copied = movers.copy(copy, &permits, &Forgets, None).await?;
    movers.verify(copy, &copied, &Forgets).await?;
    Ok(copied)
}

/// A ledger that allows every write.
struct Allows;

#[async_trait]
impl Ledger for Allows {
    async fn read(&self) -> Result<Option<Reading>, WorkError> {
        let facts = EntryFacts { state: EntryState::Adding, placed: false };
        Ok(Some(Reading { facts, at: SystemTime::now() }))
    }
}

/// Checkpoints that nobody keeps.
struct Forgets;

#[async_trait]
impl Checkpoints for Forgets {
    async fn save(&self, _: Value, _: Tally) -> Result<(), WorkError> {
        Ok(())
    }

    async fn alive(&self) -> Result<(), WorkError> {
        Ok(())
    }
}
