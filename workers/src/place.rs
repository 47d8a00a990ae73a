//! The physical places that data work reads and writes, and how a tenant's data there divides into parts.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One physical location, as stored in the ledger. `endpoint` `None` means AWS's own for the region.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Place {
    /// A DynamoDB table whose items carry `{tenant}#{n}` in the indexed attribute `index_key`, 0 <= n < `shard_count`.
    Dynamodb {
        /// AWS region name, for signing and, without an endpoint, for addressing.
        region: String,
        /// Base URL, when it is not AWS's own.
        endpoint: Option<String>,
        /// Table name.
        table: String,
        /// Name of the global secondary index over `index_key`.
        index: String,
        /// The attribute that holds `{tenant}#{n}`.
        index_key: String,
        /// How many index values a tenant has.
        shard_count: u32,
    },
    /// A bucket and the tenant's prefix in it, ending in `/`.
    S3 {
        /// AWS region name.
        region: String,
        /// Base URL, when it is not AWS's own.
        endpoint: Option<String>,
        /// Bucket name.
        bucket: String,
        /// The tenant's prefix, already expanded.
        prefix: String,
        /// Where the objects are divided into parts: the last key, relative to the prefix, of each part but the last.
        #[serde(default)]
        bounds: Vec<String>,
    },
    /// A store of the service's own in the region, reached by calling the service.
    Hooks {
        /// The region.
        region: String,
        /// Where the service takes the calls.
        url: String,
        /// The name of the secret that signs them; `None` is `default`.
        secret: Option<String>,
        /// The longest that adding or removing the data may take.
        longest: Duration,
    },
}

impl Place {
    /// How many independent parts a tenant's data here has: index shards of a table, what a bucket's objects are divided into, one
    /// for hooks.
    pub fn parts(&self) -> u32 {
        match self {
            Self::Dynamodb { shard_count, .. } => *shard_count,
            Self::S3 { bounds, .. } => u32::try_from(bounds.len() + 1).unwrap_or(u32::MAX),
            Self::Hooks { .. } => 1,
        }
    }

    /// The same place, its objects divided there. A table's parts are its index shards, always.
    #[must_use]
    pub fn divided_at(mut self, at: &[String]) -> Self {
        if let Self::S3 { bounds, .. } = &mut self {
            *bounds = at.to_vec();
        }
        self
    }

    /// The region.
    pub fn region(&self) -> &str {
        match self {
            Self::Dynamodb { region, .. } | Self::S3 { region, .. } | Self::Hooks { region, .. } => region,
        }
    }
}
