//! Whether a pooler stands between this process and Postgres that gives each transaction another session (PgBouncer's "transaction
//! pooling"). Statements that keep their names would meet those of other clients there, and be run in their place.

use sqlx::postgres::PgRow;
use sqlx::{Connection, PgConnection, Row};

use crate::error::StoreError;

/// How often it is looked: a pooler may happen to give the same session twice.
const LOOKS: usize = 4;

/// Whether a connection is one session of the server for as long as it lasts. While one of two connections is inside a transaction, the
/// other one's session is another than before, if they share sessions at all.
pub(crate) async fn keeps_sessions(mut one: PgConnection, mut other: PgConnection) -> Result<bool, StoreError> {
    let mut keeps = true;
    for _ in 0..LOOKS {
        let before = session(&mut one).await?;
        let mut open = other.begin().await?;
        // Asked only if it can be answered: where there is a single session, `one` would wait for the end of this transaction.
        keeps = session(&mut open).await? != before && session(&mut one).await? == before;
        open.rollback().await?;
        if !keeps {
            break;
        }
    }
    one.close().await?;
    other.close().await?;
    Ok(keeps)
}

/// The server process that answers, asked in a way that prepares nothing.
async fn session(connection: &mut PgConnection) -> Result<i32, StoreError> {
    let row: PgRow = sqlx::raw_sql("SELECT pg_backend_pid()").fetch_one(connection).await?;
    Ok(row.try_get(0)?)
}
