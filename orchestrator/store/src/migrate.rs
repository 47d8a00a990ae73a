//! Brings the schema up to date from the files in `migrations/`, which are compiled in. One text serves both dialects.

use std::borrow::Cow;

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

use crate::error::StoreError;
use crate::sql::sql;
use crate::tx::Tx;

/// (version, what it does, its SQL): in order, and never changed once released.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "create workflows", include_str!("../../../migrations/0001_create_workflows.sql")),
    (2, "create catalogue", include_str!("../../../migrations/0002_create_catalogue.sql")),
    (3, "pause and prioritise work", include_str!("../../../migrations/0003_pause_and_prioritise_work.sql")),
    (4, "keep steps cheap", include_str!("../../../migrations/0004_keep_steps_cheap.sql")),
    (5, "wait for stragglers", include_str!("../../../migrations/0005_wait_for_stragglers.sql")),
    (6, "limit and reserve capacity", include_str!("../../../migrations/0006_limit_and_reserve_capacity.sql")),
    (7, "create campaign members", include_str!("../../../migrations/0007_create_campaign_members.sql")),
    (8, "keep every start key", include_str!("../../../migrations/0008_keep_every_start_key.sql")),
    (9, "limit units", include_str!("../../../migrations/0009_limit_units.sql")),
];

/// What a migration says to Postgres besides: how tables are kept there.
const POSTGRES_ONLY: &[(i64, &str)] = &[(4, include_str!("../../../migrations/0004_keep_steps_cheap.postgres.sql"))];

/// Everything that brings a SQLite schema up to date. What is applied already is skipped; a changed text is an error.
pub(crate) fn for_sqlite() -> Migrator {
    migrator(|_, text| SqlStr::from_static(text))
}

/// The same for Postgres.
pub(crate) fn for_postgres() -> Migrator {
    migrator(|version, text| match POSTGRES_ONLY.iter().find(|(of, _)| *of == version) {
        // Both texts are part of this program.
        Some((_, more)) => AssertSqlSafe(format!("{text}{more}")).into_sql_str(),
        None => SqlStr::from_static(text),
    })
}

fn migrator(text_of: impl Fn(i64, &'static str) -> SqlStr) -> Migrator {
    let migrations = MIGRATIONS.iter().map(|(version, description, text)| {
        let text = text_of(*version, text);
        Migration::new(*version, Cow::Borrowed(*description), MigrationType::Simple, text, false)
    });
    Migrator::with_migrations(migrations.collect())
}

/// The versions of the schema: a store's, and those that this program knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaVersions {
    /// Applied to the store, in order.
    pub applied: Vec<i64>,
    /// Known here, in order.
    pub known: Vec<i64>,
}

impl SchemaVersions {
    /// Reads the versions applied to a store; nothing is changed.
    ///
    /// # Errors
    /// `Refused` when it is no realmctl store.
    pub async fn of(tx: &mut Tx) -> Result<Self, StoreError> {
        let rows = sql("SELECT version FROM _sqlx_migrations ORDER BY version").fetch_all(tx).await?;
        let applied = rows.iter().map(|row| row.int("version")).collect::<Result<_, _>>()?;
        Ok(Self { applied, known: MIGRATIONS.iter().map(|(version, _, _)| *version).collect() })
    }

    /// Versions that opening the store would apply.
    pub fn missing(&self) -> Vec<i64> {
        self.known.iter().copied().filter(|version| !self.applied.contains(version)).collect()
    }

    /// Versions that a newer program applied.
    pub fn unknown(&self) -> Vec<i64> {
        self.applied.iter().copied().filter(|version| !self.known.contains(version)).collect()
    }
}

impl From<MigrateError> for StoreError {
    fn from(error: MigrateError) -> Self {
        Self::Migration(Box::new(error))
    }
}
