//! The clock of the catalogue's database, as the movers take it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use store::{Millis, StoreError, Tx};
use tokio::time::Instant;
use workers::store_clocks::Read;

/// Reads the database's clock.
pub(crate) async fn read(tx: &mut Tx) -> Result<Read, StoreError> {
    let asked = Instant::now();
    let at = time_of(tx.now().await?);
    Ok(Read { asked, read: Instant::now(), at })
}

/// A time as the database has it.
pub(crate) fn time_of(at: Millis) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(at).unwrap_or_default())
}
