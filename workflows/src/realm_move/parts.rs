//! What is stored of the parts of a service's data: how each was copied, compared and verified.

use catalogue::location::Location;
use serde::{Deserialize, Serialize};
use workers::Verification;
use workers::digest::Digest;
use workers::progress::Tally;

/// One part of a service's data at one added location.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CopiedPart {
    /// The service.
    pub service: String,
    /// Where it was copied to.
    pub to: Location,
    /// Which part.
    pub part: u32,
    /// Where a bucket's objects were divided into parts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bounds: Vec<String>,
    /// What the settled source held.
    pub tally: Tally,
}

/// What one part of a location that is left held when it was found to be in a copy that stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComparedPart {
    /// The service.
    pub service: String,
    /// Key of the location.
    pub at: String,
    /// Which part.
    pub part: u32,
    /// Where a bucket's objects were divided into parts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bounds: Vec<String>,
    /// What it held.
    pub tally: Tally,
}

/// One part of a service's data at one location.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PartReport {
    /// The service.
    pub service: String,
    /// Where, as shown.
    pub location: String,
    /// Which part.
    pub part: u32,
    /// How much of it was looked at again.
    #[schema(value_type = String, pattern = "^(full|sampled|off)$")]
    pub mode: Verification,
    /// DynamoDB items at the source.
    pub items: u64,
    /// S3 objects at the source.
    pub objects: u64,
    /// Bytes at the source.
    pub bytes: u64,
    /// The digest of what was read at the source; none for a location that nothing was copied to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub source_digest: Option<Digest>,
    /// The digest of what was read back from the location; none unless all of it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub target_digest: Option<Digest>,
    /// How many items or objects were read back.
    pub read_back: u64,
    /// How many times the location was looked at.
    pub passes: u32,
    /// How long that took, in milliseconds.
    pub took_ms: u64,
}
