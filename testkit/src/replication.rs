//! Replication by the stores themselves: tables as DynamoDB's global tables, buckets by S3's replication
//! rules.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::Client;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use crate::region::{Region, s3_client};
use crate::{Error, fixtures};

/// Makes `table` one global table of these regions: a change in one reaches the others after `delay`. What is
/// in the tables already stays as it is.
///
/// # Errors
/// An endpoint that is no URL.
pub fn replicate_table(regions: &[&Region], table: &str, delay: Duration) -> Result<(), Error> {
    for from in regions {
        for to in regions.iter().filter(|to| to.name() != from.name()) {
            from.replicate_table_to(to, table, delay)?;
        }
    }
    Ok(())
}

/// How often a replicated bucket is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Buckets that replicate to each other, for as long as this is kept. Versions are brought over with
/// contents, headers, metadata and tags; what was brought over is not brought further, and deletes of
/// versions are not, as in S3. Delete markers aren't either.
#[derive(Debug)]
pub struct ReplicatedBuckets {
    _at_work: JoinSet<()>,
}

/// Versions that were brought over, by bucket. Held while one is brought, so that nobody takes it for
/// somebody's own.
type Brought = Arc<Mutex<HashSet<(String, String)>>>;

impl ReplicatedBuckets {
    /// Has the bucket `{name}-{region}` of each of these regions replicate to all others, and says so in its
    /// settings.
    ///
    /// # Errors
    /// The service's.
    pub async fn start(regions: &[&Region], name: &str, delay: Duration) -> Result<Self, Error> {
        let bucket = |region: &Region| format!("{name}-{}", region.name());
        let brought = Brought::default();
        let mut at_work = JoinSet::new();
        for from in regions {
            let others: Vec<String> =
                regions.iter().filter(|to| to.name() != from.name()).map(|to| bucket(to)).collect();
            let others: Vec<&str> = others.iter().map(String::as_str).collect();
            fixtures::replicate_bucket_to(&s3_client(from), &bucket(from), &others).await?;
        }
        for from in regions {
            for to in regions.iter().filter(|to| to.name() != from.name()) {
                let link = BucketLink {
                    from: (s3_client(from), bucket(from)),
                    to: (s3_client(to), bucket(to)),
                    brought: Arc::clone(&brought),
                };
                at_work.spawn(link.carry(delay));
            }
        }
        Ok(Self { _at_work: at_work })
    }
}

struct BucketLink {
    from: (Client, String),
    to: (Client, String),
    brought: Brought,
}

impl BucketLink {
    async fn carry(self, delay: Duration) {
        let mut done = BTreeSet::new();
        loop {
            match self.new_versions(&done).await {
                Ok(new) => {
                    tokio::time::sleep(delay).await;
                    for (key, version) in new {
                        match self.bring(&key, &version).await {
                            Ok(()) => drop(done.insert(version)),
                            Err(error) => tracing::debug!(%error, key, "an object was not replicated"),
                        }
                    }
                }
                Err(error) => tracing::warn!(%error, "a bucket that replicates could not be listed"),
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Versions that somebody wrote here and that have not been brought over yet, oldest first.
    async fn new_versions(&self, done: &BTreeSet<String>) -> Result<Vec<(String, String)>, Error> {
        let (client, bucket) = &self.from;
        let brought = self.brought.lock().await;
        let listed = client.list_object_versions().bucket(bucket).send().await;
        let listed = listed.map_err(Error::doing("list the versions of a bucket"))?;
        let versions =
            listed.versions().iter().filter_map(|one| Some((one.key()?.to_owned(), one.version_id()?.to_owned())));
        let new = versions.filter(|(_, version)| {
            version != "null" && !done.contains(version) && !brought.contains(&(bucket.clone(), version.clone()))
        });
        Ok(new.collect::<Vec<_>>().into_iter().rev().collect())
    }

    async fn bring(&self, key: &str, version: &str) -> Result<(), Error> {
        let ((from, from_bucket), (to, to_bucket)) = (&self.from, &self.to);
        let found = from.get_object().bucket(from_bucket).key(key).version_id(version).send().await;
        let found = found.map_err(Error::doing("read an object to replicate"))?;
        let tags = from.get_object_tagging().bucket(from_bucket).key(key).version_id(version).send().await;
        let tags = tags.map_err(Error::doing("read the tags of an object to replicate"))?;
        let tags = tags.tag_set().iter().map(|tag| format!("{}={}", encoded(tag.key()), encoded(tag.value())));
        let tags = tags.collect::<Vec<_>>().join("&");
        let put = to
            .put_object()
            .bucket(to_bucket)
            .key(key)
            .set_content_type(found.content_type.clone())
            .set_cache_control(found.cache_control.clone())
            .set_content_disposition(found.content_disposition.clone())
            .set_content_encoding(found.content_encoding.clone())
            .set_content_language(found.content_language.clone())
            .set_metadata(found.metadata.clone())
            .set_tagging((!tags.is_empty()).then_some(tags));
        let expires = found.expires_string.as_deref().and_then(|text| {
            let format = aws_sdk_s3::primitives::DateTimeFormat::HttpDate;
            aws_sdk_s3::primitives::DateTime::from_str(text, format).ok()
        });
        let contents = found.body.collect().await.map_err(Error::doing("read an object to replicate"))?;
        let mut brought = self.brought.lock().await;
        let written = put.set_expires(expires).body(contents.into_bytes().into()).send().await;
        let written = written.map_err(Error::doing("write a replicated object"))?;
        let version = written.version_id().unwrap_or_default().to_owned();
        brought.insert((to_bucket.clone(), version));
        Ok(())
    }
}

/// As a query of a URL has it.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
