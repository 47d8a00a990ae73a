//! Brings the schema up to date from the files in `migrations/`, which are compiled in. One text serves both dialects.

use std::borrow::Cow;

use sqlx::migrate::{Migrate, Migration, MigrationType, Migrator};

use crate::error::StoreError;

/// (version, what it does, its SQL): in order, and never changed once released.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "create workflows", include_str!("../../../migrations/0001_create_workflows.sql")),
    (2, "create catalogue", include_str!("../../../migrations/0002_create_catalogue.sql")),
];

pub(crate) async fn run<'a, A>(database: A) -> Result<(), StoreError>
where
    A: sqlx::Acquire<'a>,
    <A::Connection as std::ops::Deref>::Target: Migrate,
{
    let migrations = MIGRATIONS.iter().map(|(version, description, text)| {
        Migration::new(
            *version,
            Cow::Borrowed(*description),
            MigrationType::Simple,
            sqlx::SqlStr::from_static(text),
            false,
        )
    });
    Migrator::with_migrations(migrations.collect())
        .run(database)
        .await
        .map_err(|error| StoreError::Migration(Box::new(error)))
}
