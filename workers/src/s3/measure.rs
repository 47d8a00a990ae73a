//! Counts the objects under the prefix and their bytes by listing them. For estimates.

use super::Bucket;
use crate::error::WorkError;

/// (objects, bytes) under the prefix.
pub(crate) async fn measure(at: &Bucket) -> Result<(u64, u64), WorkError> {
    let (mut objects, mut bytes) = (0, 0);
    let mut token: Option<String> = None;
    loop {
        let list = at.reads.list_objects_v2().bucket(&at.name).prefix(&at.prefix).set_continuation_token(token.clone());
        let page = list.send().await.map_err(|error| at.site.failed("list objects of", error))?;
        objects += page.contents().len() as u64;
        bytes += page.contents().iter().filter_map(|object| object.size()).map(i64::unsigned_abs).sum::<u64>();
        let following = page.next_continuation_token.filter(|_| page.is_truncated == Some(true));
        if following.is_none() || following == token {
            return Ok((objects, bytes));
        }
        token = following;
    }
}
