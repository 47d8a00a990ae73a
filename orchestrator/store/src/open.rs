//! Opening a store from its URL, and beginning transactions on it.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::pool::PoolOptions;
use sqlx::postgres::{PgConnectOptions, PgPool};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqliteSynchronous};

use crate::bell::Bell;
use crate::clock::{Clock, SystemClock};
use crate::error::StoreError;
use crate::faults::{Faults, Held};
use crate::migrate::{for_postgres, for_sqlite};
use crate::tx::{Tx, TxInner};

/// How long a SQLite writer waits for another process's transaction, and anyone for a free connection.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// SQLite readers at a time; they do not block the writer (WAL).
const SQLITE_READERS: u32 = 4;

/// Postgres connections of one process.
const POSTGRES_CONNECTIONS: u32 = 16;

/// What a session may hold up. A machine that dies or is paused inside a transaction must not keep its row locks: the
/// server ends the transaction, and nobody waits for a lock for longer than that. (No transaction of ours is open during outside
/// I/O: one that has been idle for seconds belongs to a process that stands still.) Milliseconds but for the keepalives,
/// which are seconds. Source: PostgreSQL documentation, "Client Connection Defaults" and "Connections and Authentication".
const SESSION_LIMITS: [(&str, &str); 6] = [
    ("idle_in_transaction_session_timeout", "3000"),
    ("lock_timeout", "5000"),
    ("statement_timeout", "30000"),
    ("tcp_keepalives_idle", "10"),
    ("tcp_keepalives_interval", "5"),
    ("tcp_keepalives_count", "3"),
];

/// How often the schema of a SQLite file is brought up to date again when another process did the same at the same moment:
/// its migrations take no lock of their own.
const SQLITE_MIGRATION_ATTEMPTS: u32 = 5;

/// The catalogue's database. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    pub(crate) pools: Pools,
    clock: Arc<dyn Clock>,
    pub(crate) bell: Arc<Bell>,
    faults: Option<Arc<dyn Faults>>,
}

#[derive(Clone)]
pub(crate) enum Pools {
    /// One writer, so that write transactions of this process queue here rather than spin on SQLite's lock.
    Sqlite {
        writer: SqlitePool,
        readers: SqlitePool,
    },
    Postgres(PgPool),
}

/// A parsed `--store` value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreUrl {
    /// `sqlite:PATH`
    Sqlite(PathBuf),
    /// `postgres://…`
    Postgres(String),
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
        Self::open_with_clock(url, Arc::new(SystemClock)).await
    }

    /// Opens the store on `clock` and brings its schema up to date.
    pub async fn open_with_clock(url: &StoreUrl, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let pools = match url {
            StoreUrl::Sqlite(path) => open_sqlite(path).await?,
            StoreUrl::Postgres(url) => open_postgres(url).await?,
        };
        Ok(Self { pools, clock, bell: Arc::new(Bell::new()), faults: None })
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
            StoreUrl::Sqlite(path) => {
                let options = SqliteConnectOptions::new().filename(path).read_only(true).busy_timeout(BUSY_TIMEOUT);
                let readers = PoolOptions::new().max_connections(1).acquire_timeout(BUSY_TIMEOUT).connect_with(options);
                let readers: SqlitePool = readers.await?;
                Pools::Sqlite { writer: readers.clone(), readers }
            }
            StoreUrl::Postgres(url) => {
                let options = postgres_options(url)?.options(SESSION_LIMITS);
                let options = options.options([("default_transaction_read_only", "on")]);
                let pool = PoolOptions::new().max_connections(1).acquire_timeout(BUSY_TIMEOUT).connect_with(options);
                Pools::Postgres(pool.await?)
            }
        };
        Ok(Self { pools, clock: Arc::new(SystemClock), bell: Arc::new(Bell::new()), faults: None })
    }

    /// Begins a transaction that may write.
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        let held = self.admitted().await?;
        let inner = match &self.pools {
            Pools::Sqlite { writer, .. } => TxInner::Sqlite(writer.begin_with("BEGIN IMMEDIATE").await?),
            Pools::Postgres(pool) => TxInner::Postgres(begin_to_the_end(pool, "BEGIN").await?),
        };
        Ok(Tx::new(inner, Arc::clone(&self.clock), Arc::clone(&self.bell), self.faults.clone(), held))
    }

    /// Begins a transaction that reads one consistent snapshot.
    pub async fn read(&self) -> Result<Tx, StoreError> {
        let held = self.admitted().await?;
        let inner = match &self.pools {
            Pools::Sqlite { readers, .. } => TxInner::Sqlite(readers.begin().await?),
            Pools::Postgres(pool) => {
                TxInner::Postgres(begin_to_the_end(pool, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?)
            }
        };
        Ok(Tx::new(inner, Arc::clone(&self.clock), Arc::clone(&self.bell), self.faults.clone(), held))
    }

    /// Closes all connections and waits for it.
    pub async fn close(&self) {
        match &self.pools {
            Pools::Sqlite { writer, readers } => {
                readers.close().await;
                writer.close().await;
            }
            Pools::Postgres(pool) => pool.close().await,
        }
    }
}

async fn open_sqlite(path: &Path) -> Result<Pools, StoreError> {
    create_private(path)?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT);
    let pool = |size: u32| PoolOptions::new().max_connections(size).acquire_timeout(BUSY_TIMEOUT);
    let writer = pool(1).connect_with(options.clone()).await?;
    migrate_sqlite(&writer).await?;
    let readers = pool(SQLITE_READERS).connect_with(options.read_only(true)).await?;
    Ok(Pools::Sqlite { writer, readers })
}

/// Begins a transaction in a task of its own, so that a caller who gives up does not interrupt it: sqlx would return the
/// connection to the pool with the transaction open, and whoever gets it next would find itself inside that one.
async fn begin_to_the_end(
    pool: &PgPool,
    statement: &'static str,
) -> Result<sqlx::Transaction<'static, sqlx::Postgres>, sqlx::Error> {
    let pool = pool.clone();
    let begun = tokio::spawn(async move { pool.begin_with(statement).await }).await;
    // Only a runtime that is being shut down ends such a task early.
    begun.unwrap_or(Err(sqlx::Error::WorkerCrashed))
}

async fn open_postgres(url: &str) -> Result<Pools, StoreError> {
    let options = postgres_options(url)?;
    // Migrations may wait for each other and take long: a connection of their own, without the limits.
    let migrating: PgPool = PoolOptions::new().max_connections(1).connect_with(options.clone()).await?;
    for_postgres().run(&migrating).await?;
    migrating.close().await;
    let pool = PoolOptions::new()
        .max_connections(POSTGRES_CONNECTIONS)
        .acquire_timeout(BUSY_TIMEOUT)
        .connect_with(options.options(SESSION_LIMITS))
        .await?;
    Ok(Pools::Postgres(pool))
}

/// sqlx's own message can repeat the URL, and with it the password.
fn postgres_options(url: &str) -> Result<PgConnectOptions, StoreError> {
    let options = PgConnectOptions::from_str(url);
    let options = options.map_err(|_| StoreError::BadUrl("the postgres:// URL can't be parsed".into()))?;
    Ok(options.application_name("realmctl"))
}

async fn migrate_sqlite(writer: &SqlitePool) -> Result<(), StoreError> {
    let migrator = for_sqlite();
    for _ in 1..SQLITE_MIGRATION_ATTEMPTS {
        if migrator.run(writer).await.is_ok() {
            return Ok(());
        }
    }
    Ok(migrator.run(writer).await?)
}

/// Creates the file readable by its owner only: it holds tenants' keys. SQLite gives its WAL the same mode.
fn create_private(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .map(drop)
        .map_err(|error| StoreError::BadUrl(format!("can't open {}: {error}", path.display())))
}
