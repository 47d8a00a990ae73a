//! Counts the objects under the prefix and their bytes by listing them, and notes where they can be divided. For estimates.

use std::pin::pin;

use futures::TryStreamExt;

use super::Bucket;
use crate::error::WorkError;
use crate::inspection::Survey;

/// How much there is under the prefix, and where it can be divided.
pub(crate) async fn measure(at: &Bucket) -> Result<Survey, WorkError> {
    let mut found = Survey::default();
    let mut listed = pin!(at.objects(None));
    while let Some(entry) = listed.try_next().await? {
        found.size.objects += 1;
        found.size.bytes += entry.version.size;
        found.cuts.note(&entry.key, entry.version.size);
    }
    Ok(found)
}
