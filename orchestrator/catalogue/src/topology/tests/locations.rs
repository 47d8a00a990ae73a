//! Which locations a shard has, what they are called, and what identifies them.

use super::super::LocationError;
use super::{BASE, EXAMPLE, parse};
use crate::location::{Address, Location};

fn names(locations: &[Location]) -> Vec<&str> {
    locations.iter().map(|location| location.name.as_str()).collect()
}

#[test]
fn locations_follow_the_shards_regions_and_expand_the_templates() {
    let topology = parse(EXAMPLE);
    let both = topology.locations("activity-service", "activity-global", "acme").expect("known");
    assert_eq!(names(&both), ["us-east-1", "eu-west-1"]);
    assert_eq!(both[0].key(), "dynamodb|127.0.0.1:8001|activity");
    assert_eq!(both[1].key(), "dynamodb|aws:eu-west-1|activity");
    let media = topology.locations("media-service", "media-eu-west-1", "acme").expect("known");
    assert_eq!(media[0].key(), "s3|aws|media-eu-west-1|acme/");
    let expected = Address::S3 { endpoint: None, bucket: "media-eu-west-1".to_owned(), prefix: "acme/".to_owned() };
    assert_eq!(media[0].address, expected);
    let editor = topology.locations("editor-service", "editor-eu-west-1", "acme").expect("known");
    assert_eq!(names(&editor), ["eu-west-1"]);
    assert_eq!(editor[0].key(), "hooks|editor.example:443/realm-moves|eu-west-1");
}

#[test]
fn hooks_of_one_url_are_a_place_in_each_region_and_one_service_s() {
    let own = "{ shard: own, dataRegions: [us-east-1], store: { hooks: { url: \"https://own.example/x/\" } } }";
    let yaml = EXAMPLE.replace("{ shard: editor-us-east-1, dataRegions: [us-east-1] }", own);
    let own = &parse(&yaml).locations("editor-service", "own", "acme").expect("known")[0];
    assert_eq!(
        (own.name.as_str(), own.key().as_str()),
        ("us-east-1/own.example:443/x", "hooks|own.example:443/x|us-east-1")
    );
    let second = EXAMPLE.replace("editor-service:", "wiki-service:").replace("shard: editor-", "shard: wiki-");
    let second = second.split("  wiki-service:").last().expect("it is there");
    let listing = super::problems(&format!("{EXAMPLE}  wiki-service:{second}"));
    assert!(listing.contains("the store behind https://editor.example/realm-moves in us-east-1 is"), "{listing}");
}

#[test]
fn hooks_are_called_as_the_topology_says_now() {
    let stored = &parse(EXAMPLE).locations("editor-service", "editor-eu-west-1", "acme").expect("known")[0];
    let renamed = EXAMPLE.replace("realm-moves\"", "realm-moves\", secret: second, longestSeconds: 60");
    let fresh = parse(&renamed).refresh("editor-service", stored);
    let Address::Hooks { secret, longest_seconds, .. } = &fresh.address else { panic!("{fresh:?}") };
    assert_eq!((secret.as_deref(), *longest_seconds), (Some("second"), Some(60)));
    assert_eq!(fresh.key(), stored.key());
    assert_eq!(&parse(&EXAMPLE.replace("editor.example", "other.example")).refresh("editor-service", stored), stored);
}

#[test]
fn unknown_names_are_typed_errors() {
    let mut topology = parse(EXAMPLE);
    let service = "issue-service".to_owned();
    let error = topology.locations("nope", "x", "acme").expect_err("unknown");
    assert_eq!(error, LocationError::UnknownService { service: "nope".to_owned() });
    let error = topology.locations(&service, "x", "acme").expect_err("unknown");
    assert_eq!(error, LocationError::UnknownShard { service: service.clone(), shard: "x".to_owned() });
    topology.regions.remove("us-east-1");
    let error = topology.locations(&service, "issues-us-east-1", "acme").expect_err("unknown");
    assert_eq!(error, LocationError::UnknownRegion { region: "us-east-1".to_owned() });
}

#[test]
fn names_add_what_differs_from_the_services_own_store() {
    let store = |bucket: &str, prefix: &str| format!("{{ s3: {{ bucket: {bucket}, prefix: \"{prefix}\" }} }}");
    let shard =
        |name: &str, store: &str| format!("      - {{ shard: {name}, dataRegions: [us-east-1], store: {store} }}\n");
    let yaml = format!(
        "{BASE}  media:\n    store: {}\n    shards:\n      - {{ shard: usual, dataRegions: [us-east-1] }}\n{}{}{}",
        store("aaa", "m/{tenant}/"),
        shard("same", &store("aaa", "m/{tenant}/")),
        shard("bucket", &store("bbb", "m/{tenant}/")),
        shard("prefix", &store("aaa", "n/{tenant}/")),
    );
    let topology = parse(&yaml);
    let name = |shard: &str| topology.locations("media", shard, "acme").expect("known")[0].name.clone();
    assert_eq!(name("usual"), "us-east-1");
    assert_eq!(name("same"), "us-east-1", "stating the usual store again changes nothing");
    assert_eq!(name("bucket"), "us-east-1/bbb");
    assert_eq!(name("prefix"), "us-east-1/aaa/n/acme/");
    let own = "{ dynamodb: { table: heavy, index: iii, indexKey: k, shardCount: 2 } }";
    let yaml =
        format!("{BASE}  issues:\n    store: {}\n    shards:\n{}", own.replace("heavy", "light"), shard("heavy", own));
    assert_eq!(parse(&yaml).locations("issues", "heavy", "acme").expect("known")[0].name, "us-east-1/heavy");
}

fn table_at(endpoint: Option<&str>, region: &str) -> Location {
    let address = Address::Dynamodb {
        endpoint: endpoint.map(str::to_owned),
        table: "issues".to_owned(),
        index: "by-tenant".to_owned(),
        index_key: "tenant_shard".to_owned(),
        shard_count: 10,
    };
    Location { name: region.to_owned(), region: region.to_owned(), address, table_id: None }
}

#[test]
fn keys_do_not_depend_on_how_the_endpoint_is_spelled() {
    let key = |endpoint: &str| table_at(Some(endpoint), "eu-west-1").key();
    for same in ["http://db.example", "http://DB.example:80/", "http://db.EXAMPLE/"] {
        assert_eq!(key(same), "dynamodb|db.example:80|issues", "{same}");
    }
    assert_eq!(key("http://db.example/a/"), "dynamodb|db.example:80/a|issues");
    assert_eq!(key("https://db.example"), "dynamodb|db.example:443|issues");
    assert_eq!(key("http://localhost:8001"), key("http://127.0.0.1:8001"));
    assert_ne!(key("http://127.0.0.1:8001"), key("http://127.0.0.1:8002"));
    assert_eq!(key("https://dynamodb.eu-west-1.amazonaws.com"), table_at(None, "eu-west-1").key());
    assert_ne!(table_at(None, "eu-west-1").key(), table_at(None, "us-east-1").key());
}

#[test]
fn keys_are_stored_and_so_stay_what_they_were_also_where_more_names_are_known_to_be_one_place() {
    for (endpoint, identity) in [
        ("https://dynamodb-fips.us-east-1.amazonaws.com", "dynamodb-fips.us-east-1.amazonaws.com:443"),
        ("https://dynamodb.us-east-1.api.aws", "dynamodb.us-east-1.api.aws:443"),
        ("http://db.example.:8001", "db.example.:8001"),
        ("http://[::1]:8001", "[::1]:8001"),
    ] {
        assert_eq!(table_at(Some(endpoint), "us-east-1").key(), format!("dynamodb|{identity}|issues"));
    }
}

#[test]
fn keys_leave_out_how_a_table_is_indexed() {
    let one = table_at(None, "eu-west-1");
    let mut other = one.clone();
    let Address::Dynamodb { index, shard_count, .. } = &mut other.address else { unreachable!("made above") };
    *index = "second".to_owned();
    *shard_count = 99;
    assert_eq!(one.key(), other.key());
    assert_ne!(one, other);
}

#[test]
fn the_stored_form_of_a_location() {
    // Ledger entries in every catalogue hold it: a change of this text needs a migration.
    let topology = parse(EXAMPLE);
    let of = |service: &str, shard: &str| {
        let locations = topology.locations(service, shard, "acme").expect("known");
        serde_json::to_string(&locations[0]).expect("JSON")
    };
    let table = of("issue-service", "issues-us-east-1");
    assert_eq!(
        table,
        r#"{"name":"us-east-1","region":"us-east-1","address":{"dynamodb":{"endpoint":"http://127.0.0.1:8001","table":"issues","index":"by-tenant","indexKey":"tenant_shard","shardCount":10}}}"#
    );
    let bucket = of("media-service", "media-eu-west-1");
    assert_eq!(
        bucket,
        r#"{"name":"eu-west-1","region":"eu-west-1","address":{"s3":{"bucket":"media-eu-west-1","prefix":"acme/"}}}"#
    );
    let hooks = of("editor-service", "editor-eu-west-1");
    assert_eq!(
        hooks,
        r#"{"name":"eu-west-1","region":"eu-west-1","address":{"hooks":{"url":"https://editor.example/realm-moves"}}}"#
    );
    for text in [table, bucket, hooks] {
        let location: Location = serde_json::from_str(&text).expect("reads back");
        assert_eq!(serde_json::to_string(&location).expect("JSON"), text);
    }
}

#[test]
fn refresh_only_ever_raises_the_shard_count() {
    let old = parse(EXAMPLE);
    let stored = &old.locations("issue-service", "issues-eu-west-1", "acme").expect("known")[0];
    let count = |location: &Location| match location.address {
        Address::Dynamodb { shard_count, .. } => shard_count,
        Address::S3 { .. } | Address::Hooks { .. } => 0,
    };
    let grown = parse(&EXAMPLE.replace("shardCount: 10", "shardCount: 20"));
    let fresh = grown.refresh("issue-service", stored);
    assert_eq!(count(&fresh), 20);
    assert_eq!(fresh.key(), stored.key());
    assert_eq!(count(&old.refresh("issue-service", &fresh)), 20);
    assert_eq!(&grown.refresh("activity-service", stored), stored, "other services' tables do not matter");
    assert_eq!(&grown.refresh("gone", stored), stored);
}
