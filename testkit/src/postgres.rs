//! A database of its own for one test, in the temporary Postgres that `testkit/with-postgres` runs the tests under; and a
//! [`Pair`] of servers that a test may crash.
//!
//! Databases are not dropped: the whole cluster goes when the tests end.

mod pair;
mod pooler;
mod server;

pub use pair::Pair;
pub use pooler::{Pooler, Pooling};

use sqlx::{Connection, PgConnection};

use crate::Error;

/// Set by `testkit/with-postgres`: a URL of the server, with rights to create databases.
pub const VARIABLE: &str = "REALMCTL_TEST_POSTGRES";

/// Set by `testkit/with-pgbouncer`: a URL of the same server behind a pooler.
pub const POOLER_VARIABLE: &str = "REALMCTL_TEST_POOLER";

/// An empty database nobody else uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FreshDatabase {
    /// `postgres://…/NAME`, behind a pooler if there is one.
    pub url: String,
    /// The same without a pooler.
    pub direct: String,
}

/// Creates a database.
///
/// # Errors
/// Without the variable, and when the server refuses.
pub async fn fresh_database() -> Result<FreshDatabase, Error> {
    let server = std::env::var(VARIABLE)
        .map_err(|_| Error::plain(format!("run the tests through `make test`, or set {VARIABLE}")))?;
    let name = unused_name();
    // The name is our own letters and digits, and identifiers can't be bound.
    execute(&server, &format!("CREATE DATABASE {name}")).await?;
    let pooler = std::env::var(POOLER_VARIABLE).unwrap_or_else(|_| server.clone());
    Ok(FreshDatabase { url: with_database(&pooler, &name), direct: with_database(&server, &name) })
}

/// Runs statements on the server of a URL, on a connection of its own.
///
/// # Errors
/// When the server can't be reached or refuses.
pub async fn execute(url: &str, statements: &str) -> Result<(), Error> {
    let mut connection = PgConnection::connect(url).await.map_err(Error::doing("connect to Postgres"))?;
    // Tests write them themselves.
    let run = sqlx::raw_sql(sqlx::AssertSqlSafe(statements.to_owned())).execute(&mut connection).await;
    run.map_err(Error::doing(format!("run {statements:?}")))?;
    connection.close().await.map_err(Error::doing("close the connection"))
}

impl FreshDatabase {
    /// The same database by a role of its own, made with these options (`CREATE ROLE … WITH LOGIN`), which owns the schema.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn as_role(&self, options: &str) -> Result<Role, Error> {
        let name = unused_name();
        let make = format!(
            "CREATE ROLE {name} WITH LOGIN PASSWORD 'secret-{name}' {options}; ALTER SCHEMA public OWNER TO {name}"
        );
        execute(&self.direct, &make).await?;
        let (scheme, rest) = self.direct.split_once("://").unwrap_or(("postgres", &self.direct));
        let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
        Ok(Role { url: format!("{scheme}://{name}:secret-{name}@{host}"), name })
    }
}

/// A role of its own for one test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// The database's URL with it, without a pooler.
    pub url: String,
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
