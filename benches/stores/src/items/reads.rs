//! Counts what the movers read, at the trait through which they see tables.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use async_trait::async_trait;
use workers::error::WorkError;
use workers::place::Place;
use workers::tables::{Change, Counted, Got, Item, Page, Query, TableApi, TableFacts, Tables};

use crate::job::Reads;

/// The counters.
#[derive(Debug, Default)]
pub(super) struct Counters {
    base: AtomicU64,
    index: AtomicU64,
}

impl Counters {
    pub(super) fn reads(&self) -> Reads {
        Reads { base: self.base.load(Ordering::Relaxed), index: self.index.load(Ordering::Relaxed) }
    }
}

/// Tables whose reads are counted.
pub(super) struct CountedTables {
    pub(super) tables: Arc<dyn Tables>,
    pub(super) counters: Arc<Counters>,
}

#[async_trait]
impl Tables for CountedTables {
    async fn open(&self, place: &Place) -> Result<Arc<dyn TableApi>, WorkError> {
        let table = self.tables.open(place).await?;
        Ok(Arc::new(CountedTable { table, counters: Arc::clone(&self.counters) }))
    }
}

struct CountedTable {
    table: Arc<dyn TableApi>,
    counters: Arc<Counters>,
}

#[async_trait]
impl TableApi for CountedTable {
    async fn describe(&self) -> Result<TableFacts, WorkError> {
        self.table.describe().await
    }

    async fn query(&self, query: Query<'_>) -> Result<Page, WorkError> {
        let page = self.table.query(query).await?;
        self.counters.index.fetch_add(page.entries.len() as u64, Ordering::Relaxed);
        Ok(page)
    }

    async fn count(&self, value: &str, start: Option<Item>) -> Result<Counted, WorkError> {
        let counted = self.table.count(value, start).await?;
        self.counters.index.fetch_add(counted.entries, Ordering::Relaxed);
        Ok(counted)
    }

    async fn batch_get(&self, keys: Vec<Item>, attributes: Option<&[String]>) -> Result<Got, WorkError> {
        self.counters.base.fetch_add(keys.len() as u64, Ordering::Relaxed);
        self.table.batch_get(keys, attributes).await
    }

    async fn batch_write(&self, changes: Vec<Change>, signed_at: SystemTime) -> Result<Vec<Change>, WorkError> {
        self.table.batch_write(changes, signed_at).await
    }
}
