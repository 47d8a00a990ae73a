//! A database for the measurement alone, with full durability: a fresh one on the Postgres server given, or a file.

use std::path::Path;
use std::str::FromStr;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row};
use store::{Store, StoreUrl, sql};
use tempfile::TempDir;
use uuid::Uuid;

use crate::Error;

/// What the file is called.
const FILE: &str = "bench.db";

/// The database, and what it takes to get rid of it.
pub struct Database {
    /// The store on it.
    pub store: Store,
    place: Place,
}

enum Place {
    File(TempDir),
    Server { server: Box<PgConnectOptions>, name: String },
}

impl Database {
    /// Creates it at the place that the URL names.
    pub async fn create(url: &str) -> Result<Self, Error> {
        match url.parse()? {
            StoreUrl::Sqlite(path) => {
                let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
                let folder = TempDir::with_prefix_in("realmctl-bench-", parent.unwrap_or(Path::new(".")))?;
                let store = Store::open(&StoreUrl::Sqlite(folder.path().join(FILE))).await?;
                Ok(Self { store, place: Place::File(folder) })
            }
            StoreUrl::Postgres(url) => {
                let server = PgConnectOptions::from_str(&url)?;
                let name = format!("realmctl_bench_{}", Uuid::now_v7().simple());
                run(&server, format!("CREATE DATABASE {name}")).await?;
                let own = server.clone().database(&name).to_url_lossy();
                let store = Store::open(&StoreUrl::Postgres(own.to_string())).await?;
                Ok(Self { store, place: Place::Server { server: Box::new(server), name } })
            }
        }
    }

    /// `sqlite` or `postgres`.
    pub fn name(&self) -> &'static str {
        match self.place {
            Place::File(_) => "sqlite",
            Place::Server { .. } => "postgres",
        }
    }

    /// A connection of its own, for what is asked about the database. `None`: a file.
    pub async fn connect(&self) -> Result<Option<PgConnection>, Error> {
        match &self.place {
            Place::File(_) => Ok(None),
            Place::Server { server, name } => {
                Ok(Some(PgConnection::connect_with(&server.clone().database(name)).await?))
            }
        }
    }

    /// What the database says about how durable a commit is.
    pub async fn durability(&self) -> Result<String, Error> {
        let Some(mut connection) = self.connect().await? else {
            return Ok("journal_mode=wal synchronous=full".to_owned());
        };
        let mut said = Vec::new();
        for name in ["fsync", "synchronous_commit", "full_page_writes"] {
            let setting = sqlx::query("SELECT current_setting($1)").bind(name).fetch_one(&mut connection).await?;
            said.push(format!("{name}={}", setting.get::<String, _>(0)));
        }
        connection.close().await?;
        Ok(said.join(" "))
    }

    /// Does what vacuum and checkpoints do in time, so that they are not measured after much has been written.
    pub async fn settle(&self) -> Result<(), Error> {
        if let Some(mut connection) = self.connect().await? {
            for statement in ["VACUUM ANALYZE", "CHECKPOINT"] {
                sqlx::query(statement).execute(&mut connection).await?;
            }
            return Ok(connection.close().await?);
        }
        if let Place::File(folder) = &self.place {
            let file = SqliteConnectOptions::new().filename(folder.path().join(FILE));
            let mut connection = file.connect().await?;
            sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut connection).await?;
            connection.close().await?;
        }
        Ok(())
    }

    /// Deletes all workflows, so that one measurement does not weigh on the next. In the order in which steps lock: the last of
    /// them may still be under way.
    pub(crate) async fn clear(&self) -> Result<(), Error> {
        if let Some(mut connection) = self.connect().await? {
            sqlx::query("TRUNCATE workflows, history CASCADE").execute(&mut connection).await?;
            connection.close().await?;
            return Ok(());
        }
        let mut tx = self.store.begin().await?;
        sql("DELETE FROM history").execute(&mut tx).await?;
        sql("DELETE FROM workflows").execute(&mut tx).await?;
        Ok(tx.commit().await?)
    }

    /// Drops the database, or deletes the file.
    pub async fn destroy(self) -> Result<(), Error> {
        self.store.close().await;
        match self.place {
            Place::File(folder) => Ok(folder.close()?),
            Place::Server { server, name } => run(&server, format!("DROP DATABASE {name} WITH (FORCE)")).await,
        }
    }
}

/// Runs a statement that takes no values; the name in it is our own.
async fn run(server: &PgConnectOptions, statement: String) -> Result<(), Error> {
    let mut connection = PgConnection::connect_with(server).await?;
    sqlx::query(AssertSqlSafe(statement)).execute(&mut connection).await?;
    Ok(connection.close().await?)
}
