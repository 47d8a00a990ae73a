//! Finds the keys in which two prefixes differ, for a report: slower than comparing digests, and only done when they differ.

use futures::TryStreamExt;

use super::Bucket;
use super::list::Entry;
use crate::error::WorkError;
use crate::heartbeat::Heartbeat;
use crate::mismatch::Mismatch;
use crate::shorten::shorten;

/// Up to `most` differences of `at` from `source`, reading contents; keys are relative to the prefix.
pub(crate) async fn differing_keys(
    source: &Bucket,
    at: &Bucket,
    most: usize,
    heartbeat: &Heartbeat<'_>,
) -> Result<Vec<Mismatch>, WorkError> {
    let mut found = Vec::new();
    let compared = source
        .objects(None)
        .map_ok(|Entry { key, version }| async move {
            let (here, there) = tokio::try_join!(
                source.tally_of(&key, version.size, heartbeat),
                at.tally_of(&key, version.size, heartbeat)
            )?;
            Ok(match (here, there) {
                (here, there) if here == there => None,
                (_, None) => Some(Mismatch::Missing(shorten(&key))),
                (None, _) => Some(Mismatch::Extra(shorten(&key))),
                _ => Some(Box::pin(different(source, at, &key)).await),
            })
        })
        .try_buffered(source.settings.object_concurrency);
    let mut compared = std::pin::pin!(compared);
    while found.len() < most {
        let Some(mismatch) = compared.try_next().await? else { break };
        found.extend(mismatch);
    }
    let extra = at
        .objects(None)
        .map_ok(|Entry { key, version }| async move {
            Ok(source.tally_of(&key, version.size, heartbeat).await?.is_none().then(|| Mismatch::Extra(shorten(&key))))
        })
        .try_buffered(source.settings.object_concurrency);
    let mut extra = std::pin::pin!(extra);
    while found.len() < most {
        let Some(mismatch) = extra.try_next().await? else { break };
        found.extend(mismatch);
    }
    Ok(found)
}

/// What of an object differs, as far as its heads tell; contents of one size are told apart by their digests alone. A look that fails
/// hides no difference.
async fn different(source: &Bucket, at: &Bucket, key: &str) -> Mismatch {
    let key_alone = shorten(key);
    Mismatch::Different(match tokio::try_join!(source.look(key), at.look(key)) {
        Ok((Some(here), Some(there))) => format!("{key_alone} ({})", here.what_differs(&there)),
        _ => key_alone,
    })
}
