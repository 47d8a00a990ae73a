//! A location of the ledger as the movers address it.

use std::time::Duration;

use catalogue::location::{Address, Location};
use workers::place::Place;

/// The longest that a service may take over one tenant's data, unless the topology says otherwise.
const LONGEST: Duration = Duration::from_secs(6 * 60 * 60);

/// The mover's address of a location.
pub fn place_of(location: &Location) -> Place {
    match &location.address {
        Address::Dynamodb { endpoint, table, index, index_key, shard_count } => Place::Dynamodb {
            region: location.region.clone(),
            endpoint: endpoint.clone(),
            table: table.clone(),
            index: index.clone(),
            index_key: index_key.clone(),
            shard_count: *shard_count,
        },
        Address::S3 { endpoint, bucket, prefix } => Place::S3 {
            region: location.region.clone(),
            endpoint: endpoint.clone(),
            bucket: bucket.clone(),
            prefix: prefix.clone(),
            bounds: Vec::new(),
        },
        Address::Hooks { url, secret, longest_seconds } => Place::Hooks {
            region: location.region.clone(),
            url: url.clone(),
            secret: secret.clone(),
            longest: longest_seconds.map_or(LONGEST, Duration::from_secs),
        },
    }
}
