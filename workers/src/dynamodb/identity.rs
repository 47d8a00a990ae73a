//! Whether two names lead to one table. DynamoDB says which table it is; of a store that does not it is tried, as with buckets: what is
//! written by the one name is looked for by the other.

use aws_sdk_dynamodb::primitives::Blob;
use tracing::warn;

use super::Table;
use super::keys::printable;
use crate::bounded_retry::BoundedRetry;
use crate::error::WorkError;
use crate::heartbeat::Heartbeat;
use crate::tables::{AttributeValue, Change, Item};

/// What the marker's key says, where it is text. Never renamed: it may have to be looked for.
const MARKER: &str = "realmctl-is-this-one-table";

/// Whether both are one. A marker, which has no index key and so is nobody's, is taken away again.
///
/// # Errors
/// `access_denied` when the marker may not be written or read; or why a store could not be asked.
pub(crate) async fn is_same(one: &Table, other: &Table, random: &str) -> Result<bool, WorkError> {
    if let (Some(one), Some(other)) = (&one.id, &other.id) {
        return Ok(one == other);
    }
    if one.name != other.name || one.schema != other.schema {
        return Ok(false);
    }
    let key = marker(one, random);
    let put = one.write_marker(Change::Put(key.clone())).await;
    let found = if put.is_ok() { other.api.batch_get(vec![key.clone()], None).await } else { Ok(Default::default()) };
    // Also if nobody knows whether it was written.
    if put.as_ref().err().is_none_or(|error| error.unanswered)
        && let Err(error) = one.write_marker(Change::Delete(key.clone())).await
    {
        warn!(key = printable(&key), %error, "a marker may be left, which is nobody's: delete it");
    }
    put?;
    let found = found?;
    match found.unread.is_empty() {
        true => Ok(!found.items.is_empty()),
        false => {
            let message = format!("{} did not say whether it has the marker", other.site);
            Err(WorkError::retryable("store_error", message))
        }
    }
}

/// A key that nothing else has.
fn marker(table: &Table, random: &str) -> Item {
    let number = u128::from_str_radix(&random[..random.len().min(28)], 16).unwrap_or_default();
    let value = |kind: &str| match kind {
        "N" => AttributeValue::N(format!("-{number}")),
        "B" => AttributeValue::B(Blob::new(format!("{MARKER}/{random}"))),
        _ => AttributeValue::S(format!("{MARKER}/{random}")),
    };
    table.schema.keys.iter().map(|key| (key.name.clone(), value(&key.kind))).collect()
}

impl Table {
    async fn write_marker(&self, change: Change) -> Result<(), WorkError> {
        let heartbeat = Heartbeat::unheard();
        let mut retry = BoundedRetry::new(self.settings.attempts, &heartbeat);
        loop {
            let failed = match self.api.batch_write(vec![change.clone()], self.now()).await {
                Ok(undone) if undone.is_empty() => return Ok(()),
                Ok(_) => WorkError::retryable("throttled", format!("{} left the marker undone", self.site)),
                Err(error) => error,
            };
            retry.wait(failed).await?;
        }
    }
}
