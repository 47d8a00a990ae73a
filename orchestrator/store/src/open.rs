//! Opening a store from its URL, and beginning transactions on it.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use crate::clock::{Clock, SystemClock};
use crate::error::StoreError;
use crate::faults::{Faults, Held};
use crate::notifier::Notifier;
use crate::postgres::Postgres;
use crate::sql::sql;
use crate::sqlite::Sqlite;
use crate::tx::{Tx, TxInner};

/// Rows that are written to see whether anything can be.
const TRIALS: i64 = 1024;

/// Postgres connections of one process, unless it is given others.
const CONNECTIONS: u32 = 16;

/// The catalogue's database. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    pub(crate) pools: Pools,
    clock: Arc<dyn Clock>,
    pub(crate) notifier: Arc<Notifier>,
    faults: Option<Arc<dyn Faults>>,
}

#[derive(Clone)]
pub(crate) enum Pools {
    Sqlite(Sqlite),
    Postgres(Arc<Postgres>),
}

/// A parsed `--store` value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreUrl {
    /// `sqlite:PATH`
    Sqlite(PathBuf),
    /// `postgres://…`
    Postgres(String),
}

impl StoreUrl {
    /// Where it leads, without anything secret.
    pub fn place(&self) -> String {
        match self {
            Self::Sqlite(path) => format!("sqlite:{}", path.display()),
            Self::Postgres(url) => crate::postgres::place(url),
        }
    }
}

impl FromStr for StoreUrl {
    type Err = StoreError;

    fn from_str(url: &str) -> Result<Self, StoreError> {
        if let Some(path) = url.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() || path.contains(":memory:") {
                return Err(StoreError::BadUrl("sqlite: needs the path of a file, such as sqlite:realmctl.db".into()));
            }
            return Ok(Self::Sqlite(PathBuf::from(path)));
        }
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(Self::Postgres(url.to_owned()));
        }
        Err(StoreError::BadUrl("a store is sqlite:PATH or postgres://USER@HOST/DATABASE".into()))
    }
}

impl Store {
    /// Opens the store on the system clock and brings its schema up to date.
    pub async fn open(url: &StoreUrl) -> Result<Self, StoreError> {
        Self::open_with_connections(url, CONNECTIONS).await
    }

    /// Opens the store with up to this many connections, where it has some (Postgres).
    pub async fn open_with_connections(url: &StoreUrl, connections: u32) -> Result<Self, StoreError> {
        let pools = match url {
            StoreUrl::Sqlite(path) => Pools::Sqlite(Sqlite::open(path).await?),
            StoreUrl::Postgres(url) => Pools::Postgres(Arc::new(Postgres::open(url, connections).await?)),
        };
        Ok(Self { pools, clock: Arc::new(SystemClock), notifier: Arc::new(Notifier::new()), faults: None })
    }

    /// The same store on another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The same store behind `faults`.
    #[must_use]
    pub fn with_faults(mut self, faults: Arc<dyn Faults>) -> Self {
        self.faults = Some(faults);
        self
    }

    async fn admitted(&self) -> Result<Option<Held>, StoreError> {
        let Some(faults) = &self.faults else { return Ok(None) };
        faults.begin().await.map(Some).ok_or_else(StoreError::broken_off)
    }

    /// Opens the store to look at it: nothing is created, migrated or written, whatever its version.
    pub async fn open_to_look(url: &StoreUrl) -> Result<Self, StoreError> {
        let pools = match url {
            StoreUrl::Sqlite(path) => Pools::Sqlite(Sqlite::open_to_look(path).await?),
            StoreUrl::Postgres(url) => Pools::Postgres(Arc::new(Postgres::open_to_look(url).await?)),
        };
        Ok(Self { pools, clock: Arc::new(SystemClock), notifier: Arc::new(Notifier::new()), faults: None })
    }

    /// Begins a transaction that may write.
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        let held = self.admitted().await?;
        let inner = match &self.pools {
            Pools::Sqlite(sqlite) => TxInner::Sqlite(sqlite.writer.begin_with("BEGIN IMMEDIATE").await?),
            Pools::Postgres(postgres) => TxInner::Postgres(postgres.begin().await?),
        };
        Ok(Tx::new(inner, Arc::clone(&self.clock), Arc::clone(&self.notifier), self.faults.clone(), held))
    }

    /// Begins a transaction that reads one consistent snapshot.
    pub async fn read(&self) -> Result<Tx, StoreError> {
        let held = self.admitted().await?;
        let inner = match &self.pools {
            Pools::Sqlite(sqlite) => TxInner::Sqlite(sqlite.readers.begin().await?),
            Pools::Postgres(postgres) => TxInner::Postgres(postgres.read().await?),
        };
        Ok(Tx::new(inner, Arc::clone(&self.clock), Arc::clone(&self.notifier), self.faults.clone(), held))
    }

    /// Writes something, and commits it: reading goes on where the disk is full, and on a server that is not the primary any more.
    pub async fn try_to_write(&self) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let now = tx.now().await?;
        let write =
            sql("INSERT INTO write_trials (id, at) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET at = excluded.at");
        // Hardly any two processes wait for each other's row.
        write.bind(self.notifier.number() % TRIALS).bind(now).execute(&mut tx).await?;
        tx.commit().await
    }

    /// Closes all connections and waits for it.
    pub async fn close(&self) {
        match &self.pools {
            Pools::Sqlite(sqlite) => sqlite.close().await,
            Pools::Postgres(postgres) => postgres.close().await,
        }
    }
}
