//! Looks at a bucket before any work begins.

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::types::{EncodingType, ReplicationRule, ReplicationRuleStatus};

use super::Bucket;
use crate::error::WorkError;
use crate::inspection::Inspection;

/// That it exists, where it replicates to, and whether anything is under the prefix.
///
/// # Errors
/// `bucket_not_found`; `access_denied` when the replication settings may not be read; or why the store could not be asked.
pub(crate) async fn inspect(at: &Bucket) -> Result<Inspection, WorkError> {
    at.exists().await?;
    Ok(Inspection {
        schema: None,
        expires_by: None,
        replicates_to: at.replicates_to().await?,
        table_id: None,
        empty: at.is_empty().await?,
    })
}

impl Bucket {
    async fn exists(&self) -> Result<(), WorkError> {
        // Not a HEAD: the answer to one has no body, so that a request that was signed too long ago could not be told from one
        // that is not allowed.
        let list = self.reads.list_objects_v2().bucket(&self.name).prefix(&self.prefix).max_keys(1);
        let list = list.encoding_type(EncodingType::Url);
        let Err(error) = list.send().await else { return Ok(()) };
        if error.raw_response().is_some_and(|raw| raw.status().as_u16() == 301) {
            let message = format!("{} is in another region: correct the topology", self.site);
            return Err(WorkError::permanent("bucket_not_found", message).because(error));
        }
        Err(self.site.failed("look at (s3:ListBucket)", error))
    }

    /// The buckets that enabled replication rules lead to from under the prefix.
    pub(crate) async fn replicates_to(&self) -> Result<Vec<String>, WorkError> {
        let settings = match self.reads.get_bucket_replication().bucket(&self.name).send().await {
            // A store that has no such settings does not replicate by them.
            Err(error) if matches!(error.code(), Some("ReplicationConfigurationNotFoundError" | "NotImplemented")) => {
                return Ok(Vec::new());
            }
            other => other.map_err(|error| {
                self.site.failed("read the replication settings (s3:GetReplicationConfiguration) of", error)
            })?,
        };
        let rules = settings.replication_configuration.map(|settings| settings.rules).unwrap_or_default();
        let rules = rules.iter().filter(|rule| rule.status == ReplicationRuleStatus::Enabled && self.touched_by(rule));
        let mut buckets: Vec<_> = rules
            .filter_map(|rule| rule.destination())
            .map(|to| to.bucket().rsplit(':').next().unwrap_or_default().to_owned())
            .collect();
        buckets.sort_unstable();
        buckets.dedup();
        Ok(buckets)
    }

    /// Whether a rule can match a key under the prefix. Tags are not looked at: an object may get them at any time.
    fn touched_by(&self, rule: &ReplicationRule) -> bool {
        let filter = rule.filter();
        let and = filter.and_then(|filter| filter.and()).and_then(|and| and.prefix());
        #[expect(deprecated, reason = "old configurations still have the prefix here")]
        let prefix = filter.and_then(|filter| filter.prefix()).or(and).or(rule.prefix()).unwrap_or_default();
        prefix.starts_with(&self.prefix) || self.prefix.starts_with(prefix)
    }
}
