//! From a shard to the physical locations of a tenant's data.

use super::addresses::EndpointKind;
use super::endpoint::hooks_identity;
use super::model::{Region, Service, Shard, StoreSpec, Topology};
use crate::location::{Address, Location};

/// Why a shard's locations can't be named.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    /// The topology has no such service.
    #[error("the topology has no service {service}")]
    UnknownService {
        /// The name asked for.
        service: String,
    },
    /// The service has no such shard.
    #[error("service {service} has no shard {shard}")]
    UnknownShard {
        /// The service.
        service: String,
        /// The name asked for.
        shard: String,
    },
    /// A shard names a region that the topology does not have.
    #[error("the topology has no region {region}")]
    UnknownRegion {
        /// The region named.
        region: String,
    },
}

/// What stands for the tenant where no particular one is meant.
pub(super) const ANY_TENANT: &str = "{tenant}";

impl Topology {
    /// What the partition keys of `tenant` begin with in the table of that shard, if its owner states it.
    pub fn key_prefix(&self, service: &str, shard: &str, tenant: &str) -> Option<String> {
        let named = self.services.get(service)?;
        match named.shard(shard)?.store_of(named) {
            StoreSpec::Dynamodb { key_prefix, .. } => {
                key_prefix.as_ref().map(|prefix| prefix.replace("{tenant}", tenant))
            }
            _ => None,
        }
    }

    /// Where the data of `tenant` rests when it is placed on that shard: one location for each of the shard's
    /// `dataRegions`, in their order, so the first is the primary.
    ///
    /// # Errors
    /// See [`LocationError`]; none occurs for the shards of a valid topology.
    pub fn locations(&self, service: &str, shard: &str, tenant: &str) -> Result<Vec<Location>, LocationError> {
        let named =
            self.services.get(service).ok_or_else(|| LocationError::UnknownService { service: service.to_owned() })?;
        let shard = named
            .shard(shard)
            .ok_or_else(|| LocationError::UnknownShard { service: service.to_owned(), shard: shard.to_owned() })?;
        shard
            .data_regions
            .iter()
            .map(|name| {
                let region = self.regions.get(name);
                let region = region.ok_or_else(|| LocationError::UnknownRegion { region: name.clone() })?;
                Ok(location(named, shard, name, region, tenant))
            })
            .collect()
    }

    /// The stored location as the topology knows it now. What identifies it never changes here; but when a table's
    /// `shardCount` has grown since the entry was written, data may be under index values that the stored location does
    /// not know, and reading or removing by the stored count would miss it. A count is only ever raised. Hooks are called with the
    /// secret that the topology names now.
    pub fn refresh(&self, service: &str, stored: &Location) -> Location {
        let mut fresh = stored.clone();
        let key = stored.key();
        for (_, now) in self.sites(service).into_iter().filter(|(_, now)| now.key() == key) {
            match (&mut fresh.address, now.address) {
                (Address::Dynamodb { shard_count, .. }, Address::Dynamodb { shard_count: current, .. }) => {
                    *shard_count = current.max(*shard_count);
                }
                (hooks @ Address::Hooks { .. }, current @ Address::Hooks { .. }) => *hooks = current,
                _ => {}
            }
        }
        fresh
    }

    /// Every location of a service by the position of its shard, for no particular tenant. Shards in regions that the
    /// topology does not have give none.
    pub(super) fn sites(&self, service: &str) -> Vec<(usize, Location)> {
        let Some(service) = self.services.get(service) else { return Vec::new() };
        let mut sites = Vec::new();
        for (position, shard) in service.shards.iter().enumerate() {
            for name in &shard.data_regions {
                let region = self.regions.get(name);
                let site = region.map(|region| location(service, shard, name, region, ANY_TENANT));
                sites.extend(site.map(|site| (position, site)));
            }
        }
        sites
    }
}

fn location(service: &Service, shard: &Shard, name: &str, region: &Region, tenant: &str) -> Location {
    let store = shard.store_of(service);
    let address = address(store, name, region, tenant);
    Location { name: shown_name(service, store, name, &address), region: name.to_owned(), address, table_id: None }
}

fn address(store: &StoreSpec, name: &str, region: &Region, tenant: &str) -> Address {
    let expand = |template: &str| template.replace("{region}", name).replace("{tenant}", tenant);
    match store {
        StoreSpec::Dynamodb { table, index, index_key, shard_count, .. } => Address::Dynamodb {
            endpoint: EndpointKind::Dynamodb.stated(name, region),
            table: expand(table),
            index: index.clone(),
            index_key: index_key.clone(),
            shard_count: *shard_count,
        },
        StoreSpec::S3 { bucket, prefix } => Address::S3 {
            endpoint: EndpointKind::S3.stated(name, region),
            bucket: expand(bucket),
            prefix: expand(prefix),
        },
        StoreSpec::Hooks { url, secret, longest_seconds } => {
            Address::Hooks { url: url.clone(), secret: secret.clone(), longest_seconds: *longest_seconds }
        }
    }
}

/// The region's name says it all while the shard uses the service's own store; otherwise what differs is added. Two
/// locations of one service never share a name.
fn shown_name(service: &Service, store: &StoreSpec, region: &str, address: &Address) -> String {
    match (&service.store, store, address) {
        (StoreSpec::Dynamodb { table: usual, .. }, StoreSpec::Dynamodb { table, .. }, _) if usual == table => {
            region.to_owned()
        }
        (_, _, Address::Dynamodb { table, .. }) => format!("{region}/{table}"),
        (own, used, _) if own == used => region.to_owned(),
        (StoreSpec::S3 { prefix: usual, .. }, StoreSpec::S3 { prefix: used, .. }, Address::S3 { bucket, .. })
            if usual == used =>
        {
            format!("{region}/{bucket}")
        }
        (_, _, Address::S3 { bucket, prefix, .. }) => format!("{region}/{bucket}/{prefix}"),
        (StoreSpec::Hooks { url: usual, .. }, StoreSpec::Hooks { url, .. }, _) if usual == url => region.to_owned(),
        (_, _, Address::Hooks { url, .. }) => format!("{region}/{}", hooks_identity(url)),
    }
}
