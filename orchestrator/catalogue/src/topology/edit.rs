//! Whether a topology may be replaced while tenants are placed and entries are in use.

use std::collections::{BTreeMap, BTreeSet};

use super::addresses::EndpointKind;
use super::endpoint::hooks_identity;
use super::model::{Service, Shard, StoreSpec, Topology};
use super::overlap::same_or_nested;
use super::problem::Problem;
use crate::location::{Address, Location};

/// What the catalogue holds on to, gathered in the transaction that applies the edit.
#[derive(Debug, Clone, Default)]
pub struct InUse {
    /// Tenants placed on each (service, shard).
    pub placements: BTreeMap<(String, String), u64>,
    /// Service, location for any tenant, and how many ledger entries there are not absent.
    pub ledger_entries: Vec<(String, Location, u64)>,
    /// Tenants in each realm.
    pub realms: BTreeMap<String, u64>,
}

/// Every reason why `new` must not replace `old`.
pub(super) fn check(old: &Topology, new: &Topology, in_use: &InUse) -> Vec<Problem> {
    let mut problems = Vec::new();
    let used = used_shards(old, in_use);
    check_regions(old, new, in_use, &mut problems);
    check_realms(old, new, in_use, &mut problems);
    for ((service, shard), why) in &used {
        check_shard(old, new, service, shard, why, &mut problems);
    }
    check_counts(old, new, &mut problems);
    problems
}

/// Why each shard of the old topology is in use, if it is.
fn used_shards(old: &Topology, in_use: &InUse) -> BTreeMap<(String, String), String> {
    let mut used = BTreeMap::new();
    for (at, count) in in_use.placements.iter().filter(|(_, count)| **count > 0) {
        used.insert(at.clone(), format!("{} placed on it", tenants(*count)));
    }
    let services: BTreeSet<&String> = in_use.ledger_entries.iter().map(|(service, _, _)| service).collect();
    for service in services {
        let ledger_entries: Vec<_> = in_use.ledger_entries.iter().filter(|(of, _, _)| of == service).collect();
        for (position, site) in old.sites(service) {
            let held = ledger_entries
                .iter()
                .filter(|(_, ledger_entry, _)| same_or_nested(ledger_entry, &site))
                .map(|(_, _, count)| count)
                .sum::<u64>();
            let shard = &old.services[service].shards[position].shard;
            if held > 0 {
                let why = || format!("{held} entries of the ledger at {} are not absent", site.name);
                used.entry((service.clone(), shard.clone())).or_insert_with(why);
            }
        }
    }
    used
}

fn tenants(count: u64) -> String {
    if count == 1 { "1 tenant is".to_owned() } else { format!("{count} tenants are") }
}

fn check_regions(old: &Topology, new: &Topology, in_use: &InUse, problems: &mut Vec<Problem>) {
    let mut seen = BTreeSet::new();
    for (service, ledger_entry, _) in &in_use.ledger_entries {
        // Where hooks are called is the service's to say.
        let kind = match ledger_entry.address {
            Address::Dynamodb { .. } => Some(EndpointKind::Dynamodb),
            Address::S3 { .. } => Some(EndpointKind::S3),
            Address::Hooks { .. } => None,
        };
        let Some(before) = old.regions.get(&ledger_entry.region).filter(|_| seen.insert((&ledger_entry.region, kind)))
        else {
            continue;
        };
        let path = format!("regions.{}", ledger_entry.region);
        let why = format!("entries of the ledger there are not absent (one of {service})");
        match new.regions.get(&ledger_entry.region) {
            None => problems.push(Problem::new(path, format!("the region can't be removed: {why}"))),
            Some(after) => {
                let Some(kind) = kind else { continue };
                let path = format!("{path}.{}", kind.as_str());
                let store = |region| kind.store(&ledger_entry.region, kind.of(region).map(|at| at.endpoint.as_str()));
                if store(before) != store(after) {
                    let to = kind.of(after).map_or("URL", |at| at.reached_at());
                    let remedy = format!(
                        "If the same store is to be reached by another name, keep its endpoint here and run `realmctl topology \
                         rename-endpoint {} {} {to}`",
                        ledger_entry.region,
                        kind.as_str()
                    );
                    problems.push(Problem::new(path, format!("the endpoint can't change: {why}. {remedy}")));
                }
            }
        }
    }
    check_addresses(old, new, in_use, problems);
}

/// Where stores are reached changes only with proof, also where nothing is yet: a move may be on its way there, and has looked at what is
/// reached now.
fn check_addresses(old: &Topology, new: &Topology, in_use: &InUse, problems: &mut Vec<Problem>) {
    if in_use.ledger_entries.is_empty() && in_use.placements.values().all(|count| *count == 0) {
        return;
    }
    for (name, before) in &old.regions {
        let Some(after) = new.regions.get(name) else { continue };
        for kind in EndpointKind::ALL {
            let store = |region| kind.store(name, kind.of(region).map(|at| at.endpoint.as_str()));
            if store(before) != store(after) || old.is_reached_as_in(new, name, kind) {
                continue;
            }
            let now = kind.of(before).and_then(|at| at.address.as_ref());
            let to = kind.of(after).map_or("URL", |at| at.reached_at());
            let keep = now.map_or("leave it out".to_owned(), |now| format!("write `address: {now}`"));
            let remedy = format!(
                "To keep it, {keep}. To change it, run `realmctl topology rename-endpoint {name} {} {to}`, which makes sure that it is \
                         the same store, and then write it here",
                kind.as_str()
            );
            let reason = format!("the address can't change with the file while there are tenants. {remedy}");
            problems.push(Problem::new(format!("regions.{name}.{}.address", kind.as_str()), reason));
        }
    }
}

/// Which shards a realm's own tenants use is not known here, so each used shard that fits the realm is taken as theirs.
fn check_realms(old: &Topology, new: &Topology, in_use: &InUse, problems: &mut Vec<Problem>) {
    for (name, count) in in_use.realms.iter().filter(|(_, count)| **count > 0) {
        let Some(before) = old.realms.get(name) else { continue };
        let path = format!("realms.{name}");
        let Some(after) = new.realms.get(name) else {
            problems.push(Problem::new(path, format!("the realm can't be removed: {} in it", tenants(*count))));
            continue;
        };
        let placed = in_use.placements.iter().filter(|(_, count)| **count > 0);
        for ((service, shard), _) in placed {
            let Some(shard) = old.shard(service, shard).filter(|shard| shard.fits(before)) else { continue };
            let lost: Vec<&str> =
                shard.data_regions.iter().filter(|at| !after.data_regions.contains(at)).map(String::as_str).collect();
            if !lost.is_empty() {
                let reason = format!(
                    "the realm can't lose {}: {} in it, and shard {} of {service} has tenants there",
                    lost.join(", "),
                    tenants(*count),
                    shard.shard
                );
                problems.push(Problem::new(format!("{path}.dataRegions"), reason));
            }
        }
    }
}

fn check_shard(old: &Topology, new: &Topology, service: &str, shard: &str, why: &str, problems: &mut Vec<Problem>) {
    let Some((old_service, before)) = find(old, service, shard) else { return };
    let path = format!("services.{service}");
    let Some((new_service, after)) = find(new, service, shard) else {
        let what = if new.services.contains_key(service) { "shard" } else { "service with its shard" };
        problems.push(Problem::new(path, format!("the {what} {shard} can't be removed: {why}")));
        return;
    };
    let position = new_service.shards.iter().position(|other| other.shard == shard).unwrap_or_default();
    let path = format!("{path}.shards[{position}]");
    if before.data_regions != after.data_regions {
        let regions = before.data_regions.join(", ");
        let reason = format!("the regions of shard {shard} can't change from [{regions}]: {why}");
        problems.push(Problem::new(format!("{path}.dataRegions"), reason));
    }
    if !same_place(before.store_of(old_service), after.store_of(new_service)) {
        problems.push(Problem::new(path, format!("the store of shard {shard} can't change: {why}")));
    }
}

fn find<'t>(topology: &'t Topology, service: &str, shard: &str) -> Option<(&'t Service, &'t Shard)> {
    let service = topology.services.get(service)?;
    Some((service, service.shard(shard)?))
}

fn same_place(before: &StoreSpec, after: &StoreSpec) -> bool {
    match (before, after) {
        (
            StoreSpec::Dynamodb { table, index, index_key, .. },
            StoreSpec::Dynamodb { table: new_table, index: new_index, index_key: new_key, .. },
        ) => table == new_table && index == new_index && index_key == new_key,
        (StoreSpec::Hooks { url, .. }, StoreSpec::Hooks { url: new_url, .. }) => {
            hooks_identity(url) == hooks_identity(new_url)
        }
        _ => before == after,
    }
}

/// A table's count of index shards never falls, used or not: items written under the higher values would be missed.
fn check_counts(old: &Topology, new: &Topology, problems: &mut Vec<Problem>) {
    let count = |site: &Location| match site.address {
        Address::Dynamodb { shard_count, .. } => Some(shard_count),
        Address::S3 { .. } | Address::Hooks { .. } => None,
    };
    for service in new.services.keys() {
        let mut before = BTreeMap::new();
        for (_, site) in old.sites(service) {
            let highest = before.entry(site.key()).or_insert(0);
            *highest = count(&site).unwrap_or(0).max(*highest);
        }
        let mut reported = BTreeSet::new();
        for (position, site) in new.sites(service) {
            let (Some(now), Some(highest)) = (count(&site), before.get(&site.key())) else { continue };
            let own = new.services[service].shards[position].store.is_some();
            let at = if own { format!(".shards[{position}]") } else { String::new() };
            let path = format!("services.{service}{at}.store.dynamodb.shardCount");
            if now < *highest && reported.insert(path.clone()) {
                problems.push(Problem::new(path, format!("must not fall: it was {highest}, now {now}")));
            }
        }
    }
}
