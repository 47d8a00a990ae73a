//! Items of the tenant under index values that none of its parts has: beyond the shard count, or not of the form `{tenant}#{n}`.
//! Nobody would copy or remove them, so they stop whatever would rely on having seen everything.

use futures::stream::{self, StreamExt, TryStreamExt};

use super::read::Read;
use super::remove::remove_found;
use super::sample::count;
use super::{Item, Part, Table, keys};
use crate::error::WorkError;
use crate::fingerprint::Fingerprint;
use crate::heartbeat::Heartbeat;
use crate::ledger_permit::Permits;
use crate::mismatch::MOST_NAMED;
use crate::progress::Tally;

/// How many index values past the last are looked at. An index can only be asked for one value at a time.
const PROBED_BEYOND: u32 = 16;

/// Of the values below the shard count, so many are looked at with a zero before them.
const PROBED_PADDED: u32 = 10;

/// Values looked at at once.
const AT_ONCE: usize = 8;

/// Makes sure that the tenant has no items under values that are looked at by nobody else.
///
/// # Errors
/// `shard_count_too_small` or `index_value_invalid`, naming the values and up to ten keys.
pub(crate) async fn check_values(
    at: &Table,
    tenant: &str,
    parts: u32,
    heartbeat: &Heartbeat<'_>,
) -> Result<(), WorkError> {
    let beyond = found_under(at, beyond(tenant, parts), heartbeat).await?;
    if let Some((value, _)) = beyond.first() {
        let message = format!(
            "{} holds items of the tenant under `{value}`, but its shardCount is {parts}: correct shardCount in the topology \
             ({})",
            at.site,
            named(&beyond)
        );
        return Err(WorkError::permanent("shard_count_too_small", message));
    }
    let malformed = found_under(at, malformed(tenant, parts), heartbeat).await?;
    if let Some((value, _)) = malformed.first() {
        let message = format!(
            "{} holds items under `{value}`, which names the tenant and is not of the form `{tenant}#n` with 0 <= n < {parts}: \
             they would be neither copied nor removed. Correct `{}` of these items ({})",
            at.site,
            at.index_key,
            named(&malformed)
        );
        return Err(WorkError::permanent("index_value_invalid", message));
    }
    Ok(())
}

/// Those of these values under which the index lists something.
pub(super) async fn occupied(
    at: &Table,
    tenant: &str,
    parts: u32,
    heartbeat: &Heartbeat<'_>,
) -> Result<Vec<Part>, WorkError> {
    let values: Vec<Part> = beyond(tenant, parts).chain(malformed(tenant, parts)).collect();
    let look = |part: Part| async move { Ok::<_, WorkError>((count(at, &part, heartbeat).await? > 0).then_some(part)) };
    let occupied: Vec<_> = stream::iter(values).map(look).buffered(AT_ONCE).try_collect().await?;
    Ok(occupied.into_iter().flatten().collect())
}

/// Deletes what of such items was `found` before, once; whoever goes on looks again.
///
/// # Errors
/// Lost leases of `permits`, `not_empty` (retryable), or what went wrong with the store.
pub(crate) async fn remove_strays(
    at: &Table,
    (tenant, parts): (&str, u32),
    found: &Fingerprint,
    permits: &Permits<'_>,
    heartbeat: &Heartbeat<'_>,
) -> Result<Tally, WorkError> {
    let mut removed = Tally::default();
    for part in occupied(at, tenant, parts, heartbeat).await? {
        removed.merge(&remove_found(at, (&part, found), permits, heartbeat).await?);
    }
    Ok(removed)
}

fn beyond(tenant: &str, parts: u32) -> impl Iterator<Item = Part> {
    let last = parts.saturating_add(PROBED_BEYOND);
    (parts..last).map(|n| Part::new(tenant, n))
}

/// What a service that writes numbers otherwise, or none, would write.
fn malformed(tenant: &str, parts: u32) -> impl Iterator<Item = Part> {
    let padded = (0..parts.min(PROBED_PADDED)).map(move |n| format!("{tenant}#0{n}"));
    [tenant.to_owned(), format!("{tenant}#")].into_iter().chain(padded).map(|value| Part::of_value(tenant, value))
}

/// The keys of items under these values, by the base table; of each value up to ten, in the order of the values.
async fn found_under(
    at: &Table,
    values: impl Iterator<Item = Part>,
    heartbeat: &Heartbeat<'_>,
) -> Result<Vec<(String, Item)>, WorkError> {
    let look = |part: Part| async move {
        let mut found = Vec::new();
        if count(at, &part, heartbeat).await? == 0 {
            return Ok(found);
        }
        let mut chunks = std::pin::pin!(at.chunks(&part, None, heartbeat));
        while let Some(chunk) = chunks.try_next().await? {
            for item in at.get(chunk.keys, Read::Owner, heartbeat).await? {
                if at.belongs(&item, &part) {
                    found.push((part.value().to_owned(), at.key_of(&item)?));
                }
            }
            if found.len() > MOST_NAMED {
                break;
            }
        }
        Ok::<_, WorkError>(found)
    };
    let found: Vec<_> = stream::iter(values.collect::<Vec<_>>()).map(look).buffered(AT_ONCE).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

fn named(found: &[(String, Item)]) -> String {
    let keys: Vec<_> = found
        .iter()
        .take(MOST_NAMED)
        .map(|(value, key)| format!("{}, under `{value}`", keys::printable(key)))
        .collect();
    let more = if found.len() > MOST_NAMED { "; and more" } else { "" };
    format!("{}{more}", keys.join("; "))
}
