//! A database of its own for one test, in the temporary Postgres that `testkit/with-postgres` runs the tests under; and a
//! [`Pair`] of servers that a test may crash.
//!
//! Databases are not dropped: the whole cluster goes when the tests end.

mod pair;
mod server;

pub use pair::Pair;

use sqlx::{Connection, PgConnection};

use crate::Error;

/// Set by `testkit/with-postgres`: a URL of the server, with rights to create databases.
pub const VARIABLE: &str = "REALMCTL_TEST_POSTGRES";

/// An empty database nobody else uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FreshDatabase {
    /// `postgres://…/NAME`.
    pub url: String,
}

/// Creates a database.
///
/// # Errors
/// Without the variable, and when the server refuses.
pub async fn fresh_database() -> Result<FreshDatabase, Error> {
    let server = std::env::var(VARIABLE)
        .map_err(|_| Error::plain(format!("run the tests through `make test`, or set {VARIABLE}")))?;
    let name = unused_name();
    let mut connection =
        PgConnection::connect(&server).await.map_err(Error::doing(format!("connect to the server in {VARIABLE}")))?;
    // The name is our own letters and digits, and identifiers can't be bound.
    let create = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
    sqlx::raw_sql(create)
        .execute(&mut connection)
        .await
        .map_err(Error::doing(format!("create the database {name}")))?;
    connection.close().await.map_err(Error::doing("close the connection"))?;
    Ok(FreshDatabase { url: with_database(&server, &name) })
}

/// Unused in this cluster: process, time and count together never repeat.
fn unused_name() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::{SystemTime, UNIX_EPOCH};
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let nanoseconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    format!("test_{}_{nanoseconds}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// The server's URL with another database: what stands between the authority and the query is replaced.
fn with_database(server: &str, name: &str) -> String {
    let (base, query) = server.split_once('?').map_or((server, None), |(base, query)| (base, Some(query)));
    let authority = base.find("://").map_or(0, |at| at + 3);
    let end = base[authority..].find('/').map_or(base.len(), |at| authority + at);
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    format!("{}/{name}{query}", &base[..end])
}

#[cfg(test)]
mod tests {
    use super::with_database;

    #[test]
    fn the_database_in_the_url_is_replaced() {
        assert_eq!(with_database("postgres://u@h:1/old?a=b", "new"), "postgres://u@h:1/new?a=b");
        assert_eq!(with_database("postgres://h:1", "new"), "postgres://h:1/new");
    }
}
