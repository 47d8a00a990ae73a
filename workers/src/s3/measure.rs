//! Counts the objects under the prefix and their bytes by listing them, and notes where they can be divided. For estimates. Before a move
//! some of them are looked at as well: what a listing does not show would cost time offline if only the copy found it.

use std::pin::pin;

use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::types::StorageClass;
use futures::{StreamExt, TryStreamExt, stream};

use super::Bucket;
use crate::bounded_retry::BoundedRetry;
use crate::error::WorkError;
use crate::heartbeat::Heartbeat;
use crate::inspection::Survey;

/// So many objects at most are looked at, spread over all: what is wrong with one of them seldom is with one alone.
const LOOKED_AT: usize = 200;
const AT_ONCE: usize = 16;

/// How much there is under the prefix, and where it can be divided.
pub(crate) async fn measure(at: &Bucket) -> Result<Survey, WorkError> {
    survey(at, &mut Spread::default()).await
}

/// The same; and that some of the objects can be read.
///
/// # Errors
/// `answer_unreadable`, `object_archived`, `access_denied`; or why the store could not be asked.
pub(crate) async fn measure_and_look(at: &Bucket) -> Result<Survey, WorkError> {
    let mut keys = Spread::default();
    let found = survey(at, &mut keys).await?;
    let looks = keys.0.into_iter().map(|key| async move { at.check_readable(&key).await });
    stream::iter(looks).buffer_unordered(AT_ONCE).try_for_each(|()| async { Ok(()) }).await?;
    Ok(found)
}

async fn survey(at: &Bucket, keys: &mut Spread) -> Result<Survey, WorkError> {
    let mut found = Survey::default();
    let mut listed = pin!(at.objects(None));
    while let Some(entry) = listed.try_next().await? {
        found.cuts.note(&entry.key, entry.version.size);
        keys.note(found.size.objects, &entry.key);
        found.size.objects += 1;
        found.size.bytes += entry.version.size;
    }
    Ok(found)
}

/// Some of the keys that were listed, spread evenly: every second, every fourth, … as there are more.
#[derive(Debug)]
struct Spread(Vec<String>, u64);

impl Default for Spread {
    fn default() -> Self {
        Self(Vec::new(), 1)
    }
}

impl Spread {
    fn note(&mut self, number: u64, key: &str) {
        let Self(keys, every) = self;
        if !number.is_multiple_of(*every) {
            return;
        }
        if keys.len() == LOOKED_AT {
            let mut n = 0;
            keys.retain(|_| {
                n += 1;
                n % 2 == 1
            });
            *every *= 2;
            if !number.is_multiple_of(*every) {
                return;
            }
        }
        keys.push(key.to_owned());
    }
}

impl Bucket {
    /// That the object's head and tags can be read, and its contents at once.
    async fn check_readable(&self, relative: &str) -> Result<(), WorkError> {
        let heartbeat = Heartbeat::unheard();
        let mut retry = BoundedRetry::new(self.settings.attempts, &heartbeat);
        loop {
            let (head, tags) = tokio::join!(self.head(relative), self.tags(relative));
            match tags.and(head) {
                Ok(Some(head)) if is_archived(&head) => return Err(self.holds_archived()),
                Ok(_) => return Ok(()),
                Err(error) => retry.wait(error).await?,
            }
        }
    }
}

/// Whether it would have to be restored before it can be read.
fn is_archived(head: &HeadObjectOutput) -> bool {
    let restored = head.restore().is_some_and(|restore| restore.contains("ongoing-request=\"false\""));
    let archived = matches!(head.storage_class(), Some(StorageClass::Glacier | StorageClass::DeepArchive));
    (archived || head.archive_status().is_some()) && !restored
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archived_is_what_has_to_be_restored() {
        let of = |class: Option<&str>, restore: Option<&str>| {
            let class = class.map(StorageClass::from);
            is_archived(
                &HeadObjectOutput::builder().set_storage_class(class).set_restore(restore.map(str::to_owned)).build(),
            )
        };
        assert!(!of(None, None) && !of(Some("STANDARD_IA"), None) && !of(Some("GLACIER_IR"), None));
        assert!(of(Some("GLACIER"), None) && of(Some("DEEP_ARCHIVE"), Some("ongoing-request=\"true\"")));
        assert!(!of(Some("GLACIER"), Some("ongoing-request=\"false\", expiry-date=\"Fri, 21 Dec 2035 00:00:00 GMT\"")));
    }

    #[test]
    fn what_is_looked_at_is_spread_over_all() {
        for count in [0, 1, 199, 200, 201, 5_000, 123_457_u64] {
            let mut spread = Spread::default();
            (0..count).for_each(|number| spread.note(number, &number.to_string()));
            let numbers: Vec<u64> = spread.0.iter().map(|key| key.parse().expect("a number")).collect();
            let all = count.min(LOOKED_AT as u64);
            assert!((all / 2..=all).contains(&(numbers.len() as u64)), "{count}: {}", numbers.len());
            let gaps: Vec<u64> = numbers.windows(2).map(|pair| pair[1] - pair[0]).collect();
            assert!(gaps.windows(2).all(|pair| pair[0] == pair[1]), "{count}: {gaps:?}");
            assert!(numbers.last().is_none_or(|last| count - last <= spread.1), "{count}: up to the end");
        }
    }
}
