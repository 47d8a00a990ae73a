//! Brings the schema up to date from the files in `migrations/`, which are compiled in. One text serves both dialects.

use std::borrow::Cow;

use sqlx::SqlStr;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};

use crate::error::StoreError;

/// (version, what it does, its SQL): in order, and never changed once released.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "create workflows", include_str!("../../../migrations/0001_create_workflows.sql")),
    (2, "create catalogue", include_str!("../../../migrations/0002_create_catalogue.sql")),
    (3, "pause and prioritise work", include_str!("../../../migrations/0003_pause_and_prioritise_work.sql")),
    (7, "create campaign members", include_str!("../../../migrations/0007_create_campaign_members.sql")),
];

/// Everything that brings a schema up to date. What is applied already is skipped; a changed text is an error.
pub(crate) fn migrator() -> Migrator {
    let migrations = MIGRATIONS.iter().map(|(version, description, text)| {
        Migration::new(*version, Cow::Borrowed(*description), MigrationType::Simple, SqlStr::from_static(text), false)
    });
    Migrator::with_migrations(migrations.collect())
}

impl From<MigrateError> for StoreError {
    fn from(error: MigrateError) -> Self {
        Self::Migration(Box::new(error))
    }
}
