//! Conditional requests: `If-Match` and its kin, for reads, writes and the source of a copy.

use s3s::dto::{ETag, ETagCondition, Timestamp};
use s3s::{S3Result, s3_error};

use super::store::timestamp;
use super::versions::Version;

/// The conditions of one request.
#[derive(Default)]
pub(super) struct Conditions<'a> {
    pub(super) if_match: Option<&'a ETagCondition>,
    pub(super) if_none_match: Option<&'a ETagCondition>,
    pub(super) if_modified_since: Option<&'a Timestamp>,
    pub(super) if_unmodified_since: Option<&'a Timestamp>,
}

impl Conditions<'_> {
    /// For GetObject and HeadObject: what was not modified is answered with 304.
    pub(super) fn check_read(&self, found: &Version) -> S3Result<()> {
        self.check_unchanged(found)?;
        if self.changed(found) { Ok(()) } else { Err(s3_error!(NotModified)) }
    }

    /// For the source of a copy: everything that does not hold is a failed precondition.
    pub(super) fn check_source(&self, found: &Version) -> S3Result<()> {
        self.check_unchanged(found)?;
        if self.changed(found) { Ok(()) } else { Err(s3_error!(PreconditionFailed)) }
    }

    /// For a write over `found`, the object that is there, if any.
    pub(super) fn check_write(&self, found: Option<&Version>) -> S3Result<()> {
        let found = found.filter(|version| !version.marker);
        if let Some(condition) = self.if_match {
            let version = found.ok_or_else(|| s3_error!(NoSuchKey))?;
            if !matches(condition, version) {
                return Err(s3_error!(PreconditionFailed));
            }
        }
        match (self.if_none_match, found) {
            (Some(condition), Some(version)) if matches(condition, version) => Err(s3_error!(PreconditionFailed)),
            _ => Ok(()),
        }
    }

    fn check_unchanged(&self, found: &Version) -> S3Result<()> {
        let holds = match (self.if_match, self.if_unmodified_since) {
            (Some(condition), _) => matches(condition, found),
            (None, Some(since)) => *since >= whole_second(found),
            (None, None) => true,
        };
        if holds { Ok(()) } else { Err(s3_error!(PreconditionFailed)) }
    }

    fn changed(&self, found: &Version) -> bool {
        match (self.if_none_match, self.if_modified_since) {
            (Some(condition), _) => !matches(condition, found),
            (None, Some(since)) => *since < whole_second(found),
            (None, None) => true,
        }
    }
}

fn matches(condition: &ETagCondition, version: &Version) -> bool {
    condition.is_any() || condition.as_etag().map(ETag::value) == Some(version.body.etag.as_str())
}

/// HTTP dates carry seconds only.
fn whole_second(version: &Version) -> Timestamp {
    timestamp(version.modified_ms / 1000 * 1000)
}
