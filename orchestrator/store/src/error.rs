//! What can go wrong with the database, sorted by what a caller can do about it.

/// A failed database call. `Display` leaves out the source; a logger prints the chain.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database can't be reached, is too busy, has no room, or broke off: the same call may succeed later. When it came
    /// from a commit, the outcome is unknown: read the row again.
    #[error("the database is not available{}", what_to_do(.0))]
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
    /// The server, the database or the role is not fit to keep the catalogue; the text says what to change.
    #[error("{0}")]
    Unfit(String),
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

    /// The error with its causes, for a log.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }

    /// Whether the server may just be starting.
    pub(crate) fn is_starting(&self) -> bool {
        match self {
            // cannot_connect_now: it starts, stops, or recovers. too_many_connections: those of a process that has just ended may count.
            Self::Unavailable(error) => matches!(error, sqlx::Error::Io(_)) || has_code(error, &["57P03", "53300"]),
            _ => false,
        }
    }

    /// The message of an outage says what a person can do about it.
    pub fn says_what_to_do(&self) -> bool {
        matches!(self, Self::Unavailable(error) if !what_to_do(error).is_empty())
    }

    /// The statement names a table that there is not.
    pub(crate) fn is_missing_table(&self) -> bool {
        let (Self::Unavailable(error) | Self::Refused(error)) = self else { return false };
        has_code(error, &["42P01"]) || error.to_string().contains("no such table")
    }

    /// Whether the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

/// SQLSTATEs of Postgres, or classes of them, that speak of the server, the role or what stands in between rather than of the work, and
/// what a person can do about them. The work goes on once it has changed, and no tenant's work fails for good over it. The first that
/// fits counts. Source: PostgreSQL documentation, appendix A "Error Codes".
const PASSING_SQLSTATES: [(&str, &str); 24] = [
    // Connection exceptions; a transaction that was rolled back (serialization failure, deadlock).
    ("08", ""),
    ("40", ""),
    ("53100", ": its server's disk is full: free some space; work resumes automatically"),
    ("53200", ": its server is out of memory"),
    (
        "53300",
        ": its server has no connection left for this process: raise max_connections or the limit of the role or database, or lower --store-connections",
    ),
    ("53", ""),
    // A lock that is not to be had in time; an operator's intervention, of which a statement that takes too long is one.
    ("55", ""),
    ("57", ""),
    ("25006", STANDBY),
    // A BEGIN inside a transaction that somebody has left open; one that had failed before; those that the server has ended because they
    // were idle or took too long.
    ("25001", ""),
    ("25P02", ""),
    ("25P03", ""),
    ("25P04", ""),
    // A transaction that is to write can't be begun "during recovery"; a plan that is out of date after a migration.
    ("0A000", ""),
    ("28", ": its server refuses the user or the password: correct them in --store, or on the server"),
    ("3D000", ": the server has no such database: create it, or correct its name in --store"),
    ("3F000", SCHEMA),
    (
        "42501",
        ": its role lacks a right: GRANT it what it needs on the schema and the tables, or use the role that owns them",
    ),
    ("42P01", SCHEMA),
    // Statements that keep their names, in a session that somebody else has used.
    ("26000", POOLER),
    ("42P05", POOLER),
    ("58", ": its server can't read or write its files: look at the server's log"),
    ("F0", ": its server's configuration is broken: look at the server's log"),
    ("XX", ": its server found damage or a fault of its own: look at the server's log"),
];

const STANDBY: &str = ": its server takes no writes, and so is not the primary: look where the URL leads";
const SCHEMA: &str = ": the tables are not where the role's search_path leads: has it, or the database, been changed?";
const POOLER: &str = ": since this process started, a pooler has been giving each transaction a different session: restart the process, and it adapts";

/// SQLite result codes that mean "again, later", and what a person can do about them: BUSY, LOCKED, and those that speak of the machine
/// and the file rather than of the statement: NOMEM, READONLY, IOERR, CORRUPT, FULL, CANTOPEN, PROTOCOL (locks) and NOTADB. No tenant's
/// work fails for good over them. Source: sqlite.org/rescode.html.
const RETRYABLE_SQLITE: [(i64, &str); 10] = [
    (5, ""),
    (6, ""),
    (7, ": this machine is out of memory"),
    (8, ": its file can't be written: look at the file's owner and mode, and at how its disk is mounted"),
    (10, ": its disk fails: look at the kernel's log, and at the limits of this process"),
    (11, ": its file is damaged: end all processes of realmctl and restore it from a backup"),
    (13, ": its disk is full: free some space; work resumes automatically"),
    (14, ": its file can't be opened: look whether it is still there, and who may open it"),
    (15, ": its file can't be locked: keep it on a local disk"),
    (26, ": its file is no database: end all processes of realmctl and restore it from a backup"),
];

/// The words for a cause that needs a person; empty where it passes by itself.
fn what_to_do(error: &sqlx::Error) -> &'static str {
    if matches!(error, sqlx::Error::PoolTimedOut) {
        return ": all connections of this process to it are in use";
    }
    let Some(code) = error.as_database_error().and_then(|cause| cause.code()) else { return "" };
    passing(&code).unwrap_or_default()
}

/// What a person can do about a code that speaks of the surroundings; `None` of one that speaks of the work.
fn passing(code: &str) -> Option<&'static str> {
    match sqlite_code(code) {
        Some(code) => RETRYABLE_SQLITE.iter().find(|(known, _)| *known == code).map(|(_, words)| *words),
        None => PASSING_SQLSTATES.iter().find(|(start, _)| code.starts_with(start)).map(|(_, words)| *words),
    }
}

fn has_code(error: &sqlx::Error, codes: &[&str]) -> bool {
    error.as_database_error().and_then(|cause| cause.code()).is_some_and(|code| codes.contains(&code.as_ref()))
}

/// Whether the server has no connection left.
pub(crate) fn is_too_many_connections(error: &sqlx::Error) -> bool {
    has_code(error, &["53300"])
}

/// Whether a BEGIN that failed so shows that the pool's connections are of no use: the server takes no writes, or one of them is inside
/// a transaction that has failed.
pub(crate) fn needs_new_connections(error: &sqlx::Error) -> bool {
    has_code(error, &["25001", "25006", "0A000", "25P02"])
}

/// The primary result code in an extended one; `None` of a SQLSTATE, which has five characters.
fn sqlite_code(code: &str) -> Option<i64> {
    code.parse::<i64>().ok().filter(|_| code.len() < SQLSTATE).map(|code| code & 0xff)
}

const SQLSTATE: usize = 5;

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(cause) if cause.is_unique_violation() => Self::Duplicate(error),
            sqlx::Error::Database(cause) => match cause.code().as_deref().and_then(passing) {
                Some(_) => Self::Unavailable(error),
                None => Self::Refused(error),
            },
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            // A transaction that could not be begun, or a connection on which one could not be ended.
            | sqlx::Error::BeginFailed
            | sqlx::Error::InvalidSavePointStatement => Self::Unavailable(error),
            sqlx::Error::ColumnNotFound(_) | sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. } => {
                Self::Corrupt(error.to_string())
            }
            _ => Self::Refused(error),
        }
    }
}
