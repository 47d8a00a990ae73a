//! A SQLite catalogue: its file, its connections, and bringing its schema up to date.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use sqlx::pool::PoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use crate::error::StoreError;
use crate::migrate::for_sqlite;
use crate::timeouts::BUSY_TIMEOUT;

/// Readers at a time; they do not block the writer (WAL).
const READERS: u32 = 4;

/// How long a process that starts waits while another one brings the schema of the same file up to date.
const MIGRATION_PATIENCE: Duration = Duration::from_secs(600);

/// One writer, so that write transactions of this process queue here rather than spin on SQLite's lock.
#[derive(Clone)]
pub(crate) struct Sqlite {
    pub(crate) writer: SqlitePool,
    pub(crate) readers: SqlitePool,
}

impl Sqlite {
    /// Opens the file, which is created if missing, and brings its schema up to date.
    pub(crate) async fn open(path: &Path) -> Result<Self, StoreError> {
        create_private(path)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT);
        migrate(&options.clone().busy_timeout(MIGRATION_PATIENCE)).await?;
        let pool = |size: u32| {
            let pool = PoolOptions::new().max_connections(size).acquire_timeout(BUSY_TIMEOUT);
            pool.after_release(|connection, _| Box::pin(without_transaction(connection)))
        };
        let writer = pool(1).connect_with(options.clone()).await?;
        let readers = pool(READERS).connect_with(options.read_only(true)).await?;
        Ok(Self { writer, readers })
    }

    /// Opens the file to look at it.
    pub(crate) async fn open_to_look(path: &Path) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new().filename(path).read_only(true).busy_timeout(BUSY_TIMEOUT);
        let readers = PoolOptions::new().max_connections(1).acquire_timeout(BUSY_TIMEOUT).connect_with(options).await?;
        Ok(Self { writer: SqlitePool::clone(&readers), readers })
    }

    pub(crate) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// Whether a connection may be used again: not if a transaction on it could not be ended, as on a disk that was full. sqlx takes it for
/// open from then on, and would refuse every other one.
async fn without_transaction(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    if connection.is_in_transaction() {
        // One that was dropped is rolled back by the connection's own thread: what is asked after that is answered after that.
        connection.ping().await?;
    }
    Ok(!connection.is_in_transaction())
}

/// All migrations in one transaction that has the file's write lock from its start: sqlx takes no lock for SQLite, and processes
/// that start together would each apply what all of them have seen missing. A process that dies here leaves the file as it was.
async fn migrate(options: &SqliteConnectOptions) -> Result<(), StoreError> {
    let mut connection = options.connect().await?;
    let mut tx = connection.begin_with("BEGIN IMMEDIATE").await?;
    // Not `run`: the future of its `Acquire` is not `Send` enough for a task (sqlx says so itself).
    for_sqlite().run_direct(None, &mut *tx, false).await?;
    tx.commit().await?;
    Ok(connection.close().await?)
}

/// Creates the file readable by its owner only: it holds tenants' keys. SQLite gives its WAL the same mode. A file that is there is not
/// opened: closing it again would take this process's locks off it (POSIX), and the next process to close it would take itself for the
/// last, and delete the WAL under all others.
fn create_private(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::OpenOptionsExt;
    match OpenOptions::new().create_new(true).write(true).mode(0o600).open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(sqlx::Error::Io(error).into()),
        _ => Ok(()),
    }
}
