//! Whether two names lead to one bucket: an alias, another port, a front. S3 does not say which bucket it is, so that it is tried: what is
//! written by the one name is looked for by the other.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::EncodingType;
use tracing::warn;

use super::Bucket;
use crate::error::WorkError;

/// Where the marker is: under no tenant's prefix, which has the tenant as a whole path segment. Never renamed: it may have to be looked for.
const MARKERS: &str = "realmctl-is-this-one-bucket";

/// What the alias of an access point ends in, which stands where a bucket's name does. Source: Amazon S3 User Guide, "Access point aliases".
const ALIAS: &str = "-s3alias";

/// Whether both are one, and what is under the one's prefix could be under the other's. The marker is taken away again.
///
/// # Errors
/// `access_denied` when the marker may not be written, or what is there not be listed; or why a store could not be asked.
pub(crate) async fn is_same(one: &Bucket, other: &Bucket, random: &str) -> Result<bool, WorkError> {
    let apart = !one.prefix.starts_with(&other.prefix) && !other.prefix.starts_with(&one.prefix);
    if apart || (one.name != other.name && !one.may_be_named_otherwise() && !other.may_be_named_otherwise()) {
        return Ok(false);
    }
    let key = format!("{MARKERS}/{random}");
    let put = one.writes.put_object().bucket(&one.name).key(&key).body(ByteStream::from_static(b"")).send().await;
    let found = if put.is_ok() { other.holds(&key).await } else { Ok(false) };
    let refused = put.as_ref().err().is_some_and(|error| error.as_service_error().is_some());
    // Also if nobody knows whether it was written.
    if !refused {
        let version = put.as_ref().ok().and_then(|written| written.version_id.clone());
        let delete = one.writes.delete_object().bucket(&one.name).key(&key).set_version_id(version);
        if let Err(error) = delete.send().await {
            let error = one.site.failed("delete the marker that was just written to", error);
            warn!(key, %error, "a marker may be left, which is empty and nobody's: delete it");
        }
    }
    put.map_err(|error| one.site.failed("write a marker (s3:PutObject) to", error))?;
    found
}

impl Bucket {
    /// Whether one bucket may have several names here: those of AWS are unique, but for aliases of access points.
    fn may_be_named_otherwise(&self) -> bool {
        self.endpoint.is_some() || self.name.ends_with(ALIAS)
    }

    async fn holds(&self, key: &str) -> Result<bool, WorkError> {
        // A listing, for which no other right is needed than movers have.
        let list = self.reads.list_objects_v2().bucket(&self.name).prefix(key).max_keys(1);
        let list = list.encoding_type(EncodingType::Url);
        let listed = list.send().await.map_err(|error| self.site.failed("list objects of", error))?;
        Ok(!listed.contents().is_empty())
    }
}
