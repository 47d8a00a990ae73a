//! Locations that coincide or nest: two services, or two regions, must never hold data in one physical place.
//! Otherwise removing a tenant's data in one would remove live data of the other.

use std::collections::{BTreeMap, BTreeSet};

use super::endpoint::s3_place;
use super::lines::Lines;
use super::model::Topology;
use super::problem::Problem;
use super::resolve::ANY_TENANT;
use crate::location::{Address, Location};

/// Whether the two are one place, or one lies within the other. `{tenant}` as a segment stands for any tenant.
pub(super) fn same_or_nested(one: &Location, other: &Location) -> bool {
    match (&one.address, &other.address) {
        (Address::S3 { prefix, .. }, Address::S3 { prefix: other_prefix, .. }) => {
            group(one) == group(other) && prefixes_meet(prefix, other_prefix)
        }
        _ => one.place() == other.place(),
    }
}

fn prefixes_meet(one: &str, other: &str) -> bool {
    let segments = |prefix: &'_ str| -> Vec<String> {
        prefix.trim_end_matches('/').split('/').filter(|segment| !segment.is_empty()).map(str::to_owned).collect()
    };
    segments(one).iter().zip(&segments(other)).all(|(a, b)| a == b || a == ANY_TENANT || b == ANY_TENANT)
}

/// What two locations must have in common before they can meet: the table, or the bucket.
fn group(location: &Location) -> String {
    match &location.address {
        Address::Dynamodb { .. } | Address::Hooks { .. } => location.place(),
        Address::S3 { endpoint, bucket, .. } => format!("s3|{}|{bucket}", s3_place(endpoint.as_deref())),
    }
}

struct Site<'t> {
    service: &'t str,
    /// Where the store is stated.
    path: String,
    location: Location,
}

/// Reports each location that meets an earlier one of another service or region, or that uses one of its own service's
/// tables or prefixes differently.
pub(super) fn check(topology: &Topology, lines: &Lines, problems: &mut Vec<Problem>) {
    let mut groups: BTreeMap<String, Vec<Site<'_>>> = BTreeMap::new();
    let mut reported = BTreeSet::new();
    for (service, stated) in &topology.services {
        for (position, location) in topology.sites(service) {
            let own = stated.shards[position].store.is_some();
            let at = if own { format!(".shards[{position}]") } else { String::new() };
            let site = Site { service, path: format!("services.{service}{at}.store"), location };
            let region = format!("regions.{}", site.location.region);
            if lines.has_unreadable_within(&site.path) || lines.has_unreadable_within(&region) {
                continue;
            }
            let earlier = groups.entry(group(&site.location)).or_default();
            if earlier.iter().any(|other| other.service == site.service && other.location == site.location) {
                continue;
            }
            let reason = earlier.iter().find_map(|other| conflict(&site, other));
            if let Some(reason) = reason
                && reported.insert((site.path.clone(), reason.clone()))
            {
                problems.push(Problem::new(site.path.clone(), reason));
            }
            earlier.push(site);
        }
    }
}

fn conflict(site: &Site<'_>, other: &Site<'_>) -> Option<String> {
    if !same_or_nested(&site.location, &other.location) {
        return None;
    }
    let (place, region, service) = (place(&site.location), &site.location.region, other.service);
    if site.service != other.service {
        let at = &other.location.region;
        return Some(format!("{place} in {region} is, contains or lies within a place of {service} in {at}"));
    }
    if *region != other.location.region {
        let at = &other.location.region;
        return Some(format!("{place} is one physical place for {at} and {region}: use {{region}} in its name"));
    }
    if site.location.place() != other.location.place() {
        return Some(format!("{place} in {region} lies within or around another shard's prefix"));
    }
    // One table, reached in two ways: a tenant's items would be found by one shard and missed by the other.
    let ways = match site.location.address {
        Address::Hooks { .. } => "secret or longestSeconds",
        _ => "index, indexKey or shardCount",
    };
    (site.location.address != other.location.address)
        .then(|| format!("{place} in {region} has another {ways} in another shard"))
}

fn place(location: &Location) -> String {
    match &location.address {
        Address::Dynamodb { table, .. } => format!("table {table}"),
        Address::S3 { bucket, prefix, .. } => format!("{bucket}/{prefix}"),
        Address::Hooks { url, .. } => format!("the store behind {url}"),
    }
}
