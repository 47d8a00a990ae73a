//! Names of what a limit may be set on: everything, a region, a table or a bucket.

use catalogue::location::{Address, Location};
use workers::place::Place;

/// The scope of everything.
pub const OVERALL: &str = "overall";

/// The scope of all work in a region.
pub fn region_scope(region: &str) -> String {
    format!("region:{region}")
}

/// The scope of all work on the location's table, or on its bucket, whoever's prefix it is.
pub fn table_scope(location: &Location) -> String {
    let key = location.key();
    match &location.address {
        Address::Dynamodb { .. } | Address::Hooks { .. } => format!("table:{key}"),
        Address::S3 { prefix, .. } => format!("table:{}", key.strip_suffix(&format!("|{prefix}")).unwrap_or(&key)),
    }
}

/// All scopes that requests to the location fall under.
pub fn scopes_of_location(location: &Location) -> [String; 3] {
    [OVERALL.to_owned(), region_scope(&location.region), table_scope(location)]
}

/// The same as the movers ask for it; only requests to tables are limited.
pub(crate) fn scopes_of(place: &Place) -> Vec<String> {
    let Place::Dynamodb { region, endpoint, table, index, index_key, shard_count } = place else { return Vec::new() };
    let address = Address::Dynamodb {
        endpoint: endpoint.clone(),
        table: table.clone(),
        index: index.clone(),
        index_key: index_key.clone(),
        shard_count: *shard_count,
    };
    scopes_of_location(&Location { name: String::new(), region: region.clone(), address, table_id: None }).into()
}
