//! The topology as types, and its JSON form. No rules here: see `validate`.
//!
//! Fields that are absent or empty are left out of the JSON, so that a field added later does not change the version
//! hash of every topology that does without it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::unit_limits::UnitLimits;

/// Everything a topology file says.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Topology {
    /// Regions by name, such as `eu-west-1`.
    pub regions: BTreeMap<String, Region>,
    /// Realms by name: named sets of regions in which a tenant's data may rest.
    pub realms: BTreeMap<String, Realm>,
    /// Services by name.
    pub services: BTreeMap<String, Service>,
    /// What all data work of the deployment together may ask of tables.
    #[serde(skip_serializing_if = "UnitLimits::is_empty")]
    pub limits: UnitLimits,
}

/// A region, and where its stores are reached if not at AWS's own addresses.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Region {
    /// DynamoDB's address; `None` is AWS's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dynamodb: Option<Endpoint>,
    /// S3's address; `None` is AWS's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3: Option<Endpoint>,
}

/// The base URL of a store: an `http` or `https` URL with a host, and without credentials, query or fragment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Endpoint {
    /// By which the ledger knows the store. It stays, whatever the store is called later.
    pub endpoint: String,
    /// Where the store is reached now, if not by that name any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

impl Endpoint {
    /// Where the store is reached now.
    pub fn reached_at(&self) -> &str {
        self.address.as_deref().unwrap_or(&self.endpoint)
    }
}

/// A named set of regions.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Realm {
    /// The regions in which data of the realm's tenants may rest.
    pub data_regions: Vec<String>,
    /// Countries (ISO 3166-1 alpha-2) whose new tenants belong here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub countries: Vec<String>,
    /// Time zones (IANA names; a trailing `*` matches the rest) whose new tenants belong here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub timezones: Vec<String>,
}

/// A service: the owner of one kind of tenant data in one kind of store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Service {
    /// Where its shards keep data unless they say otherwise.
    pub store: StoreSpec,
    /// Who copies data between the regions of one shard.
    #[serde(default, skip_serializing_if = "Replication::is_none")]
    pub replication: Replication,
    /// Whether the regions of one shard always agree. Unstated counts as `async`, the careful reading.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consistency: Option<Consistency>,
    /// Not in scope of residency yet: without a shard in a tenant's new realm the data stays where it is.
    #[serde(default, skip_serializing_if = "is_false")]
    pub optional: bool,
    /// The service's shards.
    pub shards: Vec<Shard>,
}

/// One kind of store and the names in it. `{region}` stands for the region's name, `{tenant}` for the tenant's id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum StoreSpec {
    /// A DynamoDB table with an index over `tenant#n`.
    Dynamodb {
        /// Table name; may contain `{region}`.
        table: String,
        /// Name of the global secondary index whose partition key is `index_key`.
        index: String,
        /// The attribute that holds `{tenant}#{n}`, `0 <= n < shard_count`.
        index_key: String,
        /// How many values of `n` there are. Never falls.
        shard_count: u32,
        /// What all partition keys of a tenant begin with, if the service's owner states it; contains `{tenant}` with a
        /// delimiter after it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key_prefix: Option<String>,
        /// What data work may ask of each of the tables.
        #[serde(default, skip_serializing_if = "UnitLimits::is_empty")]
        limits: UnitLimits,
    },
    /// A prefix in an S3 bucket.
    S3 {
        /// Bucket name; may contain `{region}`.
        bucket: String,
        /// Prefix ending in `/` with `{tenant}` as one whole segment; may contain `{region}`.
        prefix: String,
    },
    /// A store of the service's own, moved by calling the service.
    Hooks {
        /// Where the service takes the calls: `https`, or `http` on loopback.
        url: String,
        /// The name of the secret that signs the calls; `None` is `default`. The secret itself is never here.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        secret: Option<String>,
        /// The longest that adding one tenant's data may take, in seconds; `None` is six hours.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        longest_seconds: Option<u64>,
    },
}

impl StoreSpec {
    /// The word for the kind of store, as in the file.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Dynamodb { .. } => "dynamodb",
            Self::S3 { .. } => "s3",
            Self::Hooks { .. } => "hooks",
        }
    }
}

/// Who copies data between the regions of one shard.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Replication {
    /// Nobody: every shard has one region.
    #[default]
    None,
    /// The service itself.
    Application,
    /// The store: a DynamoDB global table, S3 replication.
    Native,
}

impl Replication {
    fn is_none(&self) -> bool {
        *self == Self::None
    }
}

/// Whether the regions of a replicated shard always agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Consistency {
    /// A write is acknowledged once every region has it.
    Sync,
    /// Regions other than the primary may lag.
    Async,
}

/// One shard of a service.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Shard {
    /// Its name, unique within the service.
    pub shard: String,
    /// All of these hold the data of the shard's tenants; the first is the primary.
    pub data_regions: Vec<String>,
    /// Where the service's own API for this shard is reached, for the tenant context.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Free-form facts passed on in the tenant context.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, serde_json::Value>,
    /// The shard's own store where it differs from the service's: same kind, other names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<StoreSpec>,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

impl Topology {
    /// The shard of that name.
    pub fn shard(&self, service: &str, shard: &str) -> Option<&Shard> {
        self.services.get(service)?.shard(shard)
    }
}

impl Service {
    /// The shard of that name.
    pub fn shard(&self, name: &str) -> Option<&Shard> {
        self.shards.iter().find(|shard| shard.shard == name)
    }

    /// Whether replicas may lag behind the primary, so that each needs comparing before it is relied on.
    pub fn replicates_async(&self) -> bool {
        self.replication != Replication::None && self.consistency != Some(Consistency::Sync)
    }
}

impl Shard {
    /// Whether a tenant of `realm` may be placed here: all regions of the shard belong to the realm.
    pub fn fits(&self, realm: &Realm) -> bool {
        self.data_regions.iter().all(|region| realm.data_regions.contains(region))
    }

    /// The store this shard uses: its own, or the service's.
    pub fn store_of<'a>(&'a self, service: &'a Service) -> &'a StoreSpec {
        self.store.as_ref().unwrap_or(&service.store)
    }
}
