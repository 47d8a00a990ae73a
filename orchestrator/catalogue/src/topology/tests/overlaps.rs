//! Locations that coincide or nest are refused; those that only look alike are not.

use super::{BASE, assert_problems, problems, with_services};

fn table(name: &str) -> String {
    format!("store: {{ dynamodb: {{ table: \"{name}\", index: iii, indexKey: k, shardCount: 2 }} }}")
}

fn s3(bucket: &str, prefix: &str) -> String {
    format!("store: {{ s3: {{ bucket: \"{bucket}\", prefix: \"{prefix}\" }} }}")
}

const US: &str = "{ shard: us, dataRegions: [us-east-1] }";
const EU: &str = "{ shard: eu, dataRegions: [eu-west-1] }";

fn service(name: &str, store: &str, shards: &[&str]) -> String {
    format!("  {name}:\n    {store}\n    shards: [ {} ]\n", shards.join(", "))
}

fn pair(first: &str, second: &str, shards: &[&str]) -> String {
    with_services(&(service("a", first, shards) + &service("b", second, shards)))
}

#[test]
fn one_table_for_two_services() {
    assert_problems(
        &pair(&table("one"), &table("one"), &[US]),
        "line 13: services.b.store: table one in us-east-1 is, contains or lies within a place of a in us-east-1",
    );
    assert_eq!(pair(&table("one"), &table("two"), &[US, EU]), "");
}

#[test]
fn one_table_name_in_two_regions_is_two_tables_unless_the_endpoint_is_one() {
    assert_eq!(with_services(&service("a", &table("one"), &[US, EU])), "");
    let same = BASE.replace("eu-west-1: {}", "eu-west-1: { dynamodb: { endpoint: \"http://LOCALHOST:8001/\" } }");
    let listing = problems(&(same.clone() + &service("a", &table("one"), &[US, EU])));
    assert_problems(
        &listing,
        "line 10: services.a.store: table one is one physical place for us-east-1 and eu-west-1: use {region} in its \
         name",
    );
    assert_eq!(problems(&(same + &service("a", &table("one-{region}"), &[US, EU]))), "");
    for other in ["http://[::1]:8001", "http://127.0.0.1.:8001", "https://localhost.:8001"] {
        let same = BASE.replace("eu-west-1: {}", &format!("eu-west-1: {{ dynamodb: {{ endpoint: \"{other}\" }} }}"));
        let listing = problems(&(same + &service("a", &table("one"), &[US, EU])));
        assert!(listing.contains("one physical place"), "{other}: {listing}");
    }
}

#[test]
fn a_bucket_on_aws_is_one_bucket_in_every_region() {
    let aws = BASE.replace(", s3: { endpoint: \"http://127.0.0.1:9001\" }", "");
    let listing = problems(&(aws.clone() + &service("a", &s3("media", "{tenant}/"), &[US, EU])));
    assert_problems(
        &listing,
        "line 10: services.a.store: media/{tenant}/ is one physical place for us-east-1 and eu-west-1: use {region} in \
         its name",
    );
    assert_eq!(problems(&(aws.clone() + &service("a", &s3("media-{region}", "{tenant}/"), &[US, EU]))), "");
    // AWS's own address spelled out is still AWS.
    let spelled =
        aws.replace("eu-west-1: {}", "eu-west-1: { s3: { endpoint: \"https://s3.eu-west-1.amazonaws.com\" } }");
    assert!(problems(&(spelled + &service("a", &s3("media", "{tenant}/"), &[US, EU]))).contains("one physical place"));
    for other in ["s3-fips.eu-west-1.amazonaws.com", "s3.dualstack.eu-west-1.amazonaws.com", "s3.amazonaws.com."] {
        let spelled =
            aws.replace("eu-west-1: {}", &format!("eu-west-1: {{ s3: {{ endpoint: \"https://{other}\" }} }}"));
        let listing = problems(&(spelled + &service("a", &s3("media", "{tenant}/"), &[US, EU])));
        assert!(listing.contains("one physical place"), "{other}: {listing}");
    }
    // With an endpoint of its own, a region's buckets are its own.
    assert_eq!(with_services(&service("a", &s3("media", "{tenant}/"), &[US, EU])), "");
}

#[test]
fn prefixes_of_two_services_must_not_nest() {
    let meets = |first: &str, second: &str| !pair(&s3("one", first), &s3("one", second), &[US]).is_empty();
    assert!(meets("{tenant}/", "{tenant}/"));
    assert!(meets("{tenant}/", "{tenant}/media/"));
    assert!(meets("media/{tenant}/", "media/{tenant}/old/"));
    assert!(meets("{tenant}/", "media/{tenant}/"), "a tenant may be called media");
    assert!(meets("a/{tenant}/", "{tenant}/a/"), "a tenant may be called a");
    assert!(!meets("a/{tenant}/", "b/{tenant}/"));
    assert!(!meets("a/{tenant}/", "ab/{tenant}/"), "segments are compared whole");
    assert!(!meets("{tenant}/a/", "{tenant}/b/"));
    assert_eq!(pair(&s3("one", "{tenant}/"), &s3("two", "{tenant}/"), &[US]), "");
    assert_problems(
        &pair(&s3("one", "{tenant}/"), &s3("one", "{tenant}/m/"), &[US]),
        "line 13: services.b.store: one/{tenant}/m/ in us-east-1 is, contains or lies within a place of a in us-east-1",
    );
}

#[test]
fn regions_in_the_prefix_keep_regions_of_one_bucket_apart() {
    let aws = BASE.replace(", s3: { endpoint: \"http://127.0.0.1:9001\" }", "");
    assert_eq!(problems(&(aws + &service("a", &s3("media", "{region}/{tenant}/"), &[US, EU]))), "");
}

#[test]
fn shards_of_one_service_may_share_a_location() {
    let shards = [US, EU, "{ shard: both, dataRegions: [us-east-1, eu-west-1] }"];
    let store = format!("replication: application\n    {}", table("one"));
    assert_eq!(with_services(&service("a", &store, &shards)), "");
}

#[test]
fn shards_of_one_service_must_agree_on_a_table_they_share() {
    let own = "{ shard: own, dataRegions: [us-east-1], store: { dynamodb: { table: one, index: jjj, indexKey: k, \
               shardCount: 2 } } }";
    assert_problems(
        &with_services(&service("a", &table("one"), &[US, own])),
        "line 11: services.a.shards[1].store: table one in us-east-1 has another index, indexKey or shardCount in \
         another shard",
    );
    let nested = "{ shard: own, dataRegions: [us-east-1], store: { s3: { bucket: one, prefix: \"{tenant}/x/\" } } }";
    assert_problems(
        &with_services(&service("a", &s3("one", "{tenant}/"), &[US, nested])),
        "line 11: services.a.shards[1].store: one/{tenant}/x/ in us-east-1 lies within or around another shard's prefix",
    );
}

#[test]
fn a_shards_own_store_counts_against_other_services() {
    let own = "{ shard: own, dataRegions: [us-east-1], store: { dynamodb: { table: one, index: iii, indexKey: k, \
               shardCount: 2 } } }";
    let listing = with_services(&(service("a", &table("one"), &[US]) + &service("b", &table("two"), &[US, own])));
    assert_problems(
        &listing,
        "line 14: services.b.shards[1].store: table one in us-east-1 is, contains or lies within a place of a in \
         us-east-1",
    );
}
