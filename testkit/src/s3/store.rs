//! The SQLite database behind one embedded S3: its tables, its transactions and its counter.
//!
//! Rows are read and written by the neighbours (`buckets`, `contents`, `versions`, `uploads`); nothing here knows S3.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, Transaction, TransactionBehavior};
use s3s::{S3Error, S3Result};

/// Keys are blobs, so that they compare byte by byte, as S3 lists them.
/// `rank` falls with every new version: ascending, it lists the versions of a key newest first.
const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS counter (next INTEGER NOT NULL);
INSERT INTO counter SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM counter);
CREATE TABLE IF NOT EXISTS buckets (
    name TEXT PRIMARY KEY, created_ms INTEGER NOT NULL, versioning TEXT, replication TEXT);
CREATE TABLE IF NOT EXISTS chunks (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS extents (
    content INTEGER NOT NULL, start INTEGER NOT NULL, length INTEGER NOT NULL,
    chunk INTEGER NOT NULL, chunk_offset INTEGER NOT NULL,
    PRIMARY KEY (content, start)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS extents_of_chunk ON extents (chunk);
CREATE TABLE IF NOT EXISTS versions (
    rank INTEGER PRIMARY KEY, bucket TEXT NOT NULL, key BLOB NOT NULL, version_id TEXT NOT NULL,
    latest INTEGER NOT NULL, marker INTEGER NOT NULL, content INTEGER NOT NULL, size INTEGER NOT NULL,
    etag TEXT NOT NULL, modified_ms INTEGER NOT NULL, attributes TEXT NOT NULL, checksum TEXT NOT NULL,
    tags TEXT NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS versions_latest ON versions (bucket, key) WHERE latest = 1;
CREATE UNIQUE INDEX IF NOT EXISTS versions_by_id ON versions (bucket, key, version_id);
CREATE INDEX IF NOT EXISTS versions_in_order ON versions (bucket, key, rank);
CREATE TABLE IF NOT EXISTS uploads (
    sequence INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, bucket TEXT NOT NULL, key BLOB NOT NULL,
    initiated_ms INTEGER NOT NULL, attributes TEXT NOT NULL, plan TEXT NOT NULL, tags TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS uploads_in_order ON uploads (bucket, key, sequence);
CREATE TABLE IF NOT EXISTS parts (
    upload TEXT NOT NULL, number INTEGER NOT NULL, content INTEGER NOT NULL, size INTEGER NOT NULL,
    etag TEXT NOT NULL, checksum TEXT NOT NULL, modified_ms INTEGER NOT NULL,
    PRIMARY KEY (upload, number)) WITHOUT ROWID;
";

/// What a process that died in the middle of an upload left behind: contents nothing refers to.
const SWEEP: &str = "
DELETE FROM extents WHERE content NOT IN (SELECT content FROM versions UNION SELECT content FROM parts);
DELETE FROM chunks WHERE id NOT IN (SELECT chunk FROM extents);
";

/// One region's objects.
#[derive(Debug)]
pub struct Store {
    connection: Mutex<Connection>,
}

/// Why a query or a request failed, before it becomes an answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Sql(#[from] rusqlite::Error),
    #[error(transparent)]
    S3(#[from] S3Error),
}

/// What the query modules return.
pub(super) type Outcome<T> = Result<T, Failure>;

impl From<Failure> for S3Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::S3(error) => error,
            Failure::Sql(error) => S3Error::internal_error(error),
        }
    }
}

impl Store {
    /// A store in memory, gone when dropped.
    ///
    /// # Errors
    /// SQLite's own.
    pub fn memory() -> rusqlite::Result<Self> {
        Self::prepare(Connection::open_in_memory()?)
    }

    /// A store in a file, which keeps what is already there.
    ///
    /// # Errors
    /// SQLite's own, such as a folder that does not exist.
    pub fn file(path: &Path) -> rusqlite::Result<Self> {
        let connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // Writes reach the operating system, not the disk: they survive the death of the process.
        connection.pragma_update(None, "synchronous", "OFF")?;
        Self::prepare(connection)
    }

    fn prepare(connection: Connection) -> rusqlite::Result<Self> {
        connection.set_prepared_statement_cache_capacity(64);
        connection.execute_batch(SCHEMA)?;
        connection.execute_batch(SWEEP)?;
        Ok(Self { connection: Mutex::new(connection) })
    }

    /// Reads; everything seen in `work` belongs together, since nobody else holds the connection.
    pub(super) fn read<T>(&self, work: impl FnOnce(&Connection) -> Outcome<T>) -> S3Result<T> {
        work(&self.lock()).map_err(S3Error::from)
    }

    /// One transaction: all of `work` or nothing.
    pub(super) fn write<T>(&self, work: impl FnOnce(&Transaction<'_>) -> Outcome<T>) -> S3Result<T> {
        let mut connection = self.lock();
        let attempt = || -> Outcome<T> {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = work(&transaction)?;
            transaction.commit()?;
            Ok(value)
        };
        attempt().map_err(S3Error::from)
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        // A panic inside a transaction rolled it back; the connection itself stays good.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A number never handed out before in this store.
pub(super) fn next_number(connection: &Connection) -> Outcome<i64> {
    let next = "UPDATE counter SET next = next + 1 RETURNING next";
    Ok(connection.prepare_cached(next)?.query_row([], |row| row.get(0))?)
}

/// Now, in milliseconds since 1970.
pub(super) fn now_ms() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
}

/// A stored time as S3's.
pub(super) fn timestamp(ms: i64) -> s3s::dto::Timestamp {
    (UNIX_EPOCH + Duration::from_millis(ms.unsigned_abs())).into()
}
