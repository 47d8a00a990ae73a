//! What can go wrong with the database, sorted by what a caller can do about it.

/// A failed database call. `Display` leaves out the source; a logger prints the chain.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database can't be reached, is too busy, or broke off: the same call may succeed later. When it came from a
    /// commit, the outcome is unknown: read the row again.
    #[error("the database is not available")]
    Unavailable(#[source] sqlx::Error),
    /// A unique constraint refused the row.
    #[error("a row with the same unique value exists already")]
    Duplicate(#[source] sqlx::Error),
    /// A stored value is not what this version expects.
    #[error("a stored value can't be read: {0}")]
    Corrupt(String),
    /// The URL is not one we can open.
    #[error("{0}")]
    BadUrl(String),
    /// The schema could not be brought up to date.
    #[error("the database schema could not be brought up to date")]
    Migration(#[source] Box<sqlx::migrate::MigrateError>),
    /// Anything else the database refused.
    #[error("the database refused a statement")]
    Refused(#[source] sqlx::Error),
}

impl StoreError {
    /// The connection broke off.
    pub(crate) fn broken_off() -> Self {
        Self::Unavailable(sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into()))
    }

    /// Whether the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

/// SQLSTATE classes of Postgres that mean "again, later": connection exceptions, transaction rollback (serialization
/// failure, deadlock), insufficient resources, operator intervention (a statement timeout is one), lock not available, an
/// idle transaction ended by the server, and a server that is read-only because it is no longer the primary.
/// Source: PostgreSQL documentation, appendix A "Error Codes".
const RETRYABLE_SQLSTATES: [&str; 7] = ["08", "40", "53", "57", "55", "25P03", "25006"];

/// SQLite result codes that mean "again, later": BUSY and LOCKED. Source: sqlite.org/rescode.html.
const RETRYABLE_SQLITE: [i64; 2] = [5, 6];

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(cause) if cause.is_unique_violation() => Self::Duplicate(error),
            sqlx::Error::Database(cause) => {
                let code = cause.code().unwrap_or_default();
                let busy = code.parse::<i64>().is_ok_and(|code| RETRYABLE_SQLITE.contains(&(code & 0xff)));
                let sqlstate = code.len() == 5 && RETRYABLE_SQLSTATES.iter().any(|class| code.starts_with(class));
                if sqlstate || (code.len() < 5 && busy) { Self::Unavailable(error) } else { Self::Refused(error) }
            }
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => Self::Unavailable(error),
            sqlx::Error::ColumnNotFound(_) | sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. } => {
                Self::Corrupt(error.to_string())
            }
            _ => Self::Refused(error),
        }
    }
}
