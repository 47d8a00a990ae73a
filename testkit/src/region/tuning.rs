//! Opens the embedded DynamoDB the way that makes it fast enough for tests. It changes no answer the emulator gives.

use dynoxide::Database;
use rusqlite::Connection;

use crate::Error;

/// The emulator's stream table has no index: every write under a stream reads all of it, so that writes slow down
/// quadratically. Made from outside, since the emulator does not hand out its connection.
const STREAM_INDEX: &str = "CREATE INDEX IF NOT EXISTS testkit_stream_records
     ON _stream_records (table_name, CAST(sequence_number AS INTEGER))";

/// A database file; an existing one keeps its data.
pub(super) fn file(path: &str) -> Result<Database, Error> {
    let database = Database::new(path).map_err(Error::doing(format!("open {path}")))?;
    index_streams(path)?;
    // SQLite hands its writes to the system without waiting for the disk: they survive the death of this process,
    // which is what the crash tests kill. A loss of power is not tested.
    database.enable_bulk_loading().map_err(Error::doing(format!("tune {path}")))?;
    Ok(database)
}

/// A database in memory. It can't be opened a second time, so the index comes with a template it is restored from.
pub(super) fn memory() -> Result<Database, Error> {
    let folder = tempfile::tempdir().map_err(Error::doing("make a folder for the template"))?;
    let path = folder.path().join("template.sqlite");
    let path = path.to_str().ok_or_else(|| Error::plain("the temporary folder's name is not UTF-8"))?;
    drop(Database::new(path).map_err(Error::doing("make the template"))?);
    index_streams(path)?;
    let database = Database::memory().map_err(Error::doing("open an in-memory DynamoDB"))?;
    database.restore_from(path).map_err(Error::doing("restore the template"))?;
    Ok(database)
}

fn index_streams(path: &str) -> Result<(), Error> {
    let connection = Connection::open(path).map_err(Error::doing(format!("open {path} beside the emulator")))?;
    connection.execute_batch(STREAM_INDEX).map_err(Error::doing("index the stream records"))
}
