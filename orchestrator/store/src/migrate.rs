//! Brings the schema up to date from the files in `migrations/`, which are compiled in. One text serves both dialects.

use std::borrow::Cow;

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row, SqlSafeStr, SqlStr};

use crate::error::StoreError;
use crate::schema_versions::SchemaVersions;

/// (version, what it does, its SQL): in order, and never changed once released.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "create workflows", include_str!("../../../migrations/0001_create_workflows.sql")),
    (2, "create catalogue", include_str!("../../../migrations/0002_create_catalogue.sql")),
    (3, "count what is in use", include_str!("../../../migrations/0003_count_what_is_in_use.sql")),
    (4, "create tokens", include_str!("../../../migrations/0004_create_tokens.sql")),
    (5, "seal the audit trail", include_str!("../../../migrations/0005_seal_the_audit_trail.sql")),
    (6, "keep answers", include_str!("../../../migrations/0006_keep_answers.sql")),
    (7, "create approvals", include_str!("../../../migrations/0007_create_approvals.sql")),
    (8, "create webhooks", include_str!("../../../migrations/0008_create_webhooks.sql")),
    (9, "create sessions", include_str!("../../../migrations/0009_create_sessions.sql")),
];

/// What a migration says to Postgres besides: how tables are kept there, and what has no words in common.
const POSTGRES_ONLY: &[(i64, &str)] = &[
    (1, include_str!("../../../migrations/0001_create_workflows.postgres.sql")),
    (3, include_str!("../../../migrations/0003_count_what_is_in_use.postgres.sql")),
];

/// What a migration says to SQLite besides.
const SQLITE_ONLY: &[(i64, &str)] = &[(3, include_str!("../../../migrations/0003_count_what_is_in_use.sqlite.sql"))];

/// Everything that brings a SQLite schema up to date. What is applied already is skipped; a changed text is an error.
pub(crate) fn for_sqlite() -> Migrator {
    migrator(|version, text| with(SQLITE_ONLY, version, text))
}

/// The same for Postgres.
fn for_postgres() -> Migrator {
    let mut migrator = migrator(|version, text| with(POSTGRES_ONLY, version, text));
    migrator.set_locking(false);
    migrator
}

/// Brings the schema up to date, in one transaction: of processes that start together the others wait for it. (sqlx's own lock belongs to
/// a session, which a pooler may give to somebody else meanwhile.)
pub(crate) async fn run_on_postgres(connection: &mut PgConnection) -> Result<(), StoreError> {
    let mut tx = connection.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE").await?;
    sqlx::raw_sql(ALONE).execute(&mut *tx).await?;
    let migrator = for_postgres();
    migrator.run_direct(None, &mut *tx, false).await?;
    // sqlx names its statements, and behind a pooler the next one may be given this session.
    sqlx::raw_sql("DEALLOCATE ALL").execute(&mut *tx).await?;
    Ok(tx.commit().await?)
}

/// Checks that there is nothing to bring up to date, for a role that could not.
pub(crate) async fn is_up_to_date(connection: &mut PgConnection) -> Result<(), StoreError> {
    let rows = sqlx::raw_sql("SELECT version FROM _sqlx_migrations ORDER BY version").fetch_all(connection).await?;
    let applied = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    let versions = SchemaVersions { applied, known: known() };
    if let Some(newer) = versions.unknown().first() {
        return Err(MigrateError::VersionMissing(*newer).into());
    }
    if versions.missing().is_empty() {
        return Ok(());
    }
    Err(StoreError::Unfit(
        "the schema is older than this version, and its role may not change it: start one process of this version with the role that owns \
         the tables"
            .to_owned(),
    ))
}

/// The versions that this program knows, in order.
pub(crate) fn known() -> Vec<i64> {
    MIGRATIONS.iter().map(|(version, _, _)| *version).collect()
}

/// Without the limits on time, since migrations may wait for each other and take long.
const ALONE: &str =
    "SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0;
    DEALLOCATE ALL; SELECT pg_advisory_xact_lock(7237118416423817580)";

/// The tables that migrations have made, also those that later ones have dropped.
pub(crate) fn tables() -> impl Iterator<Item = &'static str> {
    let statements = MIGRATIONS.iter().flat_map(|(_, _, text)| text.split("CREATE TABLE ").skip(1));
    statements.filter_map(|statement| statement.split([' ', '(']).next())
}

fn with(own: &[(i64, &str)], version: i64, text: &'static str) -> SqlStr {
    match own.iter().find(|(of, _)| *of == version) {
        // Both texts are part of this program.
        Some((_, more)) => AssertSqlSafe(format!("{text}{more}")).into_sql_str(),
        None => SqlStr::from_static(text),
    }
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
