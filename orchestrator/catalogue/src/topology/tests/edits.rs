//! Edits that would strand a placement or an entry are refused; everything else is free.

use super::super::{InUse, Topology};
use super::{EXAMPLE, assert_problems, parse, shown};

/// The example with one tenant of realm `us` on the American shards.
fn in_use() -> InUse {
    let topology = parse(EXAMPLE);
    let mut in_use = InUse::default();
    for (service, shard) in [("issue-service", "issues-us-east-1"), ("media-service", "media-us-east-1")] {
        in_use.placements.insert((service.to_owned(), shard.to_owned()), 1);
        let entries = topology.locations(service, shard, "acme").expect("known");
        in_use.ledger_entries.extend(entries.into_iter().map(|entry| (service.to_owned(), entry, 1)));
    }
    in_use.realms.insert("us".to_owned(), 1);
    in_use.realms.insert("eu".to_owned(), 0);
    in_use
}

fn edit(new: &str, in_use: &InUse) -> String {
    shown(&parse(EXAMPLE).check_edit(&parse(new), in_use))
}

/// The example without the lines that contain one of these.
fn without(parts: &[&str]) -> String {
    EXAMPLE
        .lines()
        .filter(|line| !parts.iter().any(|part| line.contains(part)))
        .fold(String::new(), |all, line| all + line + "\n")
}

#[test]
fn what_nobody_uses_may_change() {
    let in_use = in_use();
    assert_eq!(edit(EXAMPLE, &in_use), "");
    assert_eq!(edit(&without(&["shard: issues-eu", "shard: media-eu"]), &in_use), "");
    let new = EXAMPLE.replace("shardCount: 10", "shardCount: 20");
    assert_eq!(edit(&new, &in_use), "", "shardCount may grow");
    assert_eq!(edit(&EXAMPLE.replace("table: activity", "table: actions"), &in_use), "");
    assert_eq!(edit(&EXAMPLE.replace("issues.us-east-1.example", "i.example"), &in_use), "", "urls are free");
    assert_eq!(edit(&EXAMPLE.replace("127.0.0.1:8001", "localhost:8001/"), &in_use), "", "the same endpoint");
    assert_eq!(edit("regions: {}\nrealms: {}\n", &InUse::default()), "");
}

#[test]
fn a_used_realm_stays() {
    // A realm of the same regions under another name keeps the shards valid.
    let new = EXAMPLE.replace("  us:     {", "  states: {");
    assert_problems(&edit(&new, &in_use()), "realms.us: the realm can't be removed: 1 tenant is in it");
}

#[test]
fn a_used_realm_keeps_the_regions_of_used_shards() {
    let mut in_use = in_use();
    in_use.realms.insert("global".to_owned(), 2);
    let new = without(&["shard: activity-global"])
        .replace("global: { dataRegions: [us-east-1, eu-west-1] }", "global: { dataRegions: [eu-west-1] }");
    assert_problems(
        &edit(&new, &in_use),
        "realms.global.dataRegions: the realm can't lose us-east-1: 2 tenants are in it, and shard issues-us-east-1 of \
         issue-service has tenants there
realms.global.dataRegions: the realm can't lose us-east-1: 2 tenants are in it, and shard media-us-east-1 of \
         media-service has tenants there",
    );
    let new = without(&["shard: activity-global"])
        .replace("global: { dataRegions: [us-east-1, eu-west-1] }", "global: { dataRegions: [us-east-1] }");
    assert_eq!(edit(&new, &in_use), "", "nobody uses a European shard");
}

#[test]
fn a_used_shard_stays() {
    assert_problems(
        &edit(&without(&["shard: issues-us"]), &in_use()),
        "services.issue-service: the shard issues-us-east-1 can't be removed: 1 tenant is placed on it",
    );
    let mut new = parse(EXAMPLE);
    new.services.remove("issue-service");
    let listing = shown(&parse(EXAMPLE).check_edit(&new, &in_use()));
    assert_problems(
        &listing,
        "services.issue-service: the service with its shard issues-us-east-1 can't be removed: 1 tenant is placed on it",
    );
}

#[test]
fn a_used_shard_keeps_its_regions_and_store() {
    let new =
        EXAMPLE.replace("issues-us-east-1, dataRegions: [us-east-1]", "issues-us-east-1, dataRegions: [eu-west-1]");
    assert_problems(
        &edit(&new, &in_use()),
        "services.issue-service.shards[0].dataRegions: the regions of shard issues-us-east-1 can't change from \
         [us-east-1]: 1 tenant is placed on it",
    );
    let stores = [
        ("table: issues", "table: tickets"),
        ("table: issues, index: by-tenant", "table: issues, index: by-other"),
        ("table: issues, index: by-tenant, indexKey: tenant_shard", "table: issues, index: by-tenant, indexKey: other"),
    ];
    for (from, to) in stores {
        assert_problems(
            &edit(&EXAMPLE.replace(from, to), &in_use()),
            "services.issue-service.shards[0]: the store of shard issues-us-east-1 can't change: 1 tenant is placed on it",
        );
    }
    let own = EXAMPLE.replace(
        "media-us-east-1, dataRegions: [us-east-1]",
        "media-us-east-1, dataRegions: [us-east-1], store: { s3: { bucket: other, prefix: \"{tenant}/\" } }",
    );
    assert_problems(
        &edit(&own, &in_use()),
        "services.media-service.shards[0]: the store of shard media-us-east-1 can't change: 1 tenant is placed on it",
    );
}

#[test]
fn the_order_of_a_used_shards_regions_is_its_primary_and_stays() {
    let mut in_use = InUse::default();
    in_use.placements.insert(("activity-service".to_owned(), "activity-global".to_owned()), 3);
    let new = EXAMPLE.replace(
        "activity-global,    dataRegions: [us-east-1, eu-west-1]",
        "activity-global,    dataRegions: [eu-west-1, us-east-1]",
    );
    assert_problems(
        &edit(&new, &in_use),
        "services.activity-service.shards[0].dataRegions: the regions of shard activity-global can't change from \
         [us-east-1, eu-west-1]: 3 tenants are placed on it",
    );
}

#[test]
fn a_shard_with_a_cell_stays_even_without_tenants() {
    let mut in_use = in_use();
    in_use.placements.clear();
    in_use.realms.clear();
    assert_problems(
        &edit(&without(&["shard: issues-us"]), &in_use),
        "services.issue-service: the shard issues-us-east-1 can't be removed: 1 entries of the ledger at us-east-1 are \
         not absent",
    );
    assert_problems(
        &edit(&EXAMPLE.replace("media-{region}", "pictures-{region}"), &in_use),
        "services.media-service.shards[0]: the store of shard media-us-east-1 can't change: 1 entries of the ledger at \
         us-east-1 are not absent",
    );
    in_use.ledger_entries.clear();
    assert_eq!(edit(&without(&["shard: issues-us"]), &in_use), "");
}

#[test]
fn shard_counts_never_fall_used_or_not() {
    assert_problems(
        &edit(&EXAMPLE.replace("shardCount: 10", "shardCount: 9"), &InUse::default()),
        "services.issue-service.store.dynamodb.shardCount: must not fall: it was 10, now 9",
    );
    let other_table = EXAMPLE.replace("table: issues", "table: tickets").replace("shardCount: 10", "shardCount: 9");
    assert_eq!(edit(&other_table, &InUse::default()), "", "another table has a count of its own");
}

#[test]
fn a_region_with_cells_keeps_its_endpoints() {
    let in_use = in_use();
    assert_problems(
        &edit(&EXAMPLE.replace("127.0.0.1:8001", "127.0.0.1:8009"), &in_use),
        "regions.us-east-1.dynamodb: the endpoint can't change: entries of the ledger there are not absent (one of \
         issue-service). If the same store is to be reached by another name, keep its endpoint here and run \
         `realmctl topology rename-endpoint us-east-1 dynamodb http://127.0.0.1:8009`",
    );
    assert_problems(
        &edit(&EXAMPLE.replace(", s3: { endpoint: \"http://127.0.0.1:9001\" }", ""), &in_use),
        "regions.us-east-1.s3: the endpoint can't change: entries of the ledger there are not absent (one of \
         media-service). If the same store is to be reached by another name, keep its endpoint here and run \
         `realmctl topology rename-endpoint us-east-1 s3 URL`",
    );
    let europe = EXAMPLE.replace("eu-west-1: {}", "eu-west-1: { s3: { endpoint: \"http://127.0.0.1:9002\" } }");
    assert_eq!(edit(&europe, &in_use), "", "no entries there");
    let mut new: Topology = parse(EXAMPLE);
    new.regions.remove("us-east-1");
    let listing = shown(&parse(EXAMPLE).check_edit(&new, &in_use));
    assert!(listing.contains("regions.us-east-1: the region can't be removed"), "{listing}");
}
