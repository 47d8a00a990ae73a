//! Reads which versions of the schema were applied to a store.

use crate::error::StoreError;
use crate::migrate::known;
use crate::schema_versions::SchemaVersions;
use crate::sql::sql;
use crate::tx::Tx;

impl SchemaVersions {
    /// Reads the versions applied to a store; nothing is changed.
    ///
    /// # Errors
    /// `Unfit` when nothing was ever applied to it.
    pub async fn of(tx: &mut Tx) -> Result<Self, StoreError> {
        let rows = sql("SELECT version FROM _sqlx_migrations ORDER BY version").fetch_all(tx).await;
        let rows = rows.map_err(|error| if error.is_missing_table() { no_catalogue() } else { error })?;
        let applied = rows.iter().map(|row| row.int("version")).collect::<Result<_, _>>()?;
        Ok(Self { applied, known: known() })
    }
}

fn no_catalogue() -> StoreError {
    let why =
        "it holds no catalogue: no process of realmctl has ever been started on it, or --store names another database";
    StoreError::Unfit(why.to_owned())
}
