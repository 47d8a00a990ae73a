//! Brings the schema up to date from the files in `migrations/`, which are compiled in. One text serves both dialects.

use std::borrow::Cow;

use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};

use crate::error::StoreError;

/// (version, what it does, its SQL): in order, and never changed once released.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "create workflows", include_str!("../../../migrations/0001_create_workflows.sql")),
    (2, "create catalogue", include_str!("../../../migrations/0002_create_catalogue.sql")),
    (3, "pause and prioritise work", include_str!("../../../migrations/0003_pause_and_prioritise_work.sql")),
    (4, "keep steps cheap", include_str!("../../../migrations/0004_keep_steps_cheap.sql")),
];

/// What a migration says to Postgres besides: how tables are kept there.
const POSTGRES_ONLY: &[(i64, &str)] =
    &[(4, include_str!("../../../migrations/0004_keep_steps_cheap.postgres.sql"))];

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

impl From<MigrateError> for StoreError {
    fn from(error: MigrateError) -> Self {
        Self::Migration(Box::new(error))
    }
}
