//! Why a version can't be deleted: a legal hold, a retention period, or a missing right. Asked only after a refusal.

use aws_sdk_s3::primitives::DateTimeFormat;
use aws_sdk_s3::types::{ObjectLockLegalHoldStatus, ObjectLockRetentionMode};

use super::Bucket;
use crate::error::WorkError;
use crate::shorten::shorten;

impl Bucket {
    /// `object_locked`, or `access_denied` when no lock is seen; both name the version and what to do.
    pub(super) async fn undeletable(&self, key: &str, id: Option<&str>) -> WorkError {
        let named = format!("version {} of {}", id.unwrap_or("null"), shorten(key));
        let locked = |why: &str| {
            let message = format!("{} can't be emptied: {named} {why}, then replay the removal", self.site);
            WorkError::permanent("object_locked", message)
        };
        if self.is_held(key, id).await {
            return locked("is under a legal hold: have it lifted by whoever placed it");
        }
        match self.retained(key, id).await {
            Some((ObjectLockRetentionMode::Governance, until)) => locked(&format!(
                "is retained in governance mode until {until}: wait, or shorten the retention with an identity that has \
                 s3:BypassGovernanceRetention"
            )),
            Some((_, until)) => locked(&format!("is retained until {until}, which can't be shortened: wait")),
            None => {
                let message = format!(
                    "{} refuses to delete {named}: the AWS identity lacks s3:DeleteObjectVersion, or an object lock that it may not \
                     see (s3:GetObjectRetention, s3:GetObjectLegalHold) holds it",
                    self.site
                );
                WorkError::permanent("access_denied", message)
            }
        }
    }

    async fn is_held(&self, key: &str, id: Option<&str>) -> bool {
        let hold = self.reads.get_object_legal_hold().bucket(&self.name).key(key).set_version_id(id.map(str::to_owned));
        // Buckets without object locks answer with an error.
        let hold = hold.send().await.ok().and_then(|answer| answer.legal_hold?.status);
        hold == Some(ObjectLockLegalHoldStatus::On)
    }

    async fn retained(&self, key: &str, id: Option<&str>) -> Option<(ObjectLockRetentionMode, String)> {
        let retention = self.reads.get_object_retention().bucket(&self.name).key(key);
        let retention = retention.set_version_id(id.map(str::to_owned)).send().await.ok()?.retention?;
        let until = retention.retain_until_date?.fmt(DateTimeFormat::DateTime).ok()?;
        Some((retention.mode?, until))
    }
}
