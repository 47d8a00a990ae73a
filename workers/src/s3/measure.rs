//! Counts the objects under the prefix and their bytes by listing them, and notes where they can be divided. For estimates.

use std::pin::pin;

use futures::TryStreamExt;

use super::Bucket;
use super::cuts::Cuts;
use crate::error::WorkError;

/// (objects, bytes) under the prefix, and where it can be divided.
pub(crate) async fn measure(at: &Bucket) -> Result<(u64, u64, Cuts), WorkError> {
    let (mut objects, mut bytes, mut cuts) = (0, 0, Cuts::default());
    let mut listed = pin!(at.objects(None));
    while let Some(entry) = listed.try_next().await? {
        objects += 1;
        bytes += entry.version.size;
        cuts.note(&entry.key, entry.version.size);
    }
    Ok((objects, bytes, cuts))
}
