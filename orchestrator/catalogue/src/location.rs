//! A location: one physical place where data of a tenant may rest, as the ledger's entries store it.
//!
//! It is stored whole and never worked out again from a topology that may have changed.

use serde::{Deserialize, Serialize};

use crate::topology::{dynamodb_identity, dynamodb_place, hooks_identity, s3_identity, s3_place};

/// One physical place. Two locations are the same place when their [`Location::key`]s are equal; `==` compares every
/// field.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Location {
    /// What people see: the region, plus the table, bucket or prefix where the shard has a store of its own.
    pub name: String,
    /// The region in which the data rests.
    pub region: String,
    /// How to reach it.
    pub address: Address,
    /// Which table it was found to be, if it is one whose store says that (DynamoDB's TableId): an address can lead elsewhere later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table_id: Option<String>,
}

/// How to reach a location.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Address {
    /// A DynamoDB table whose items carry `{tenant}#{n}` in the indexed attribute, `0 <= n < shard_count`.
    Dynamodb {
        /// Base URL; `None` is AWS's own for the region.
        #[serde(default, skip_serializing_if = "Option::is_none")]
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
    /// A bucket and the tenant's prefix in it.
    S3 {
        /// Base URL; `None` is AWS's own for the region.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        endpoint: Option<String>,
        /// Bucket name.
        bucket: String,
        /// The tenant's prefix, ending in `/`.
        prefix: String,
    },
    /// The service's own store in the region, reached by calling the service.
    Hooks {
        /// Where the service takes the calls.
        url: String,
        /// The name of the secret that signs them; `None` is `default`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        secret: Option<String>,
        /// The longest that adding a tenant's data may take, in seconds; `None` is six hours.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        longest_seconds: Option<u64>,
    },
}

impl Location {
    /// Whether what is written here reaches `to` by a replication link of this location's store, which names
    /// a region (DynamoDB) or a bucket (S3). A table's replicas have its name, and an object's have its key.
    pub fn replicates_into(&self, link: &str, to: &Self) -> bool {
        match (&self.address, &to.address) {
            (Address::Dynamodb { table, .. }, Address::Dynamodb { table: there, .. }) => {
                to.region == link && table == there
            }
            (Address::S3 { prefix, .. }, Address::S3 { bucket, prefix: there, .. }) => {
                bucket == link && (prefix.starts_with(there.as_str()) || there.starts_with(prefix.as_str()))
            }
            _ => false,
        }
    }

    /// The physical identity, stable over time and spelling of the endpoint: `dynamodb|aws:eu-west-1|issues`,
    /// `s3|127.0.0.1:9001|media|acme/`, `hooks|editor.example:443/realm-moves|eu-west-1`. The index and its shard count, or the
    /// secret of hooks, are how the data is reached, not where it is, and are not part of it. A bucket on AWS has no region in its key: bucket names are unique over all regions (S3 User
    /// Guide, "General purpose bucket naming rules").
    pub fn key(&self) -> String {
        match &self.address {
            Address::Dynamodb { endpoint, table, .. } => {
                format!("dynamodb|{}|{table}", dynamodb_identity(endpoint.as_deref(), &self.region))
            }
            Address::S3 { endpoint, bucket, prefix } => {
                format!("s3|{}|{bucket}|{prefix}", s3_identity(endpoint.as_deref()))
            }
            Address::Hooks { url, .. } => format!("hooks|{}|{}", hooks_identity(url), self.region),
        }
    }

    /// This location of some tenant as it is for any: `site` is its key with `{tenant}` in the place of the id.
    pub(crate) fn at_site(mut self, site: &str) -> Self {
        if let (Address::S3 { prefix, .. }, Some(of_site)) = (&mut self.address, site.splitn(4, '|').nth(3)) {
            of_site.clone_into(prefix);
        }
        self
    }

    /// Where it is, as far as names tell: the same for more spellings of an endpoint than the key, which is stored and never changes.
    pub(crate) fn place(&self) -> String {
        match &self.address {
            Address::Dynamodb { endpoint, table, .. } => {
                format!("dynamodb|{}|{table}", dynamodb_place(endpoint.as_deref(), &self.region))
            }
            Address::S3 { endpoint, bucket, prefix } => {
                format!("s3|{}|{bucket}|{prefix}", s3_place(endpoint.as_deref()))
            }
            Address::Hooks { .. } => self.key(),
        }
    }
}
