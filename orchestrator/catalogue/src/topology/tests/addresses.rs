//! A store that is reached at another address stays the store that it is.

use super::super::{AddressError, EndpointKind, InUse, Topology};
use super::{EXAMPLE, assert_problems, parse, shown};

const NEW: &str = "http://tables.example:8001";

fn renamed() -> Topology {
    parse(EXAMPLE).with_address("us-east-1", EndpointKind::Dynamodb, NEW).expect("a free address")
}

/// The example with that address in the file.
fn in_file(address: &str) -> String {
    let stated = "\"http://127.0.0.1:8001\"";
    EXAMPLE.replace(stated, &format!("{stated}, address: \"{address}\""))
}

fn in_use() -> InUse {
    let entries = parse(EXAMPLE).locations("issue-service", "issues-us-east-1", "acme").expect("known");
    InUse {
        ledger_entries: entries.into_iter().map(|entry| ("issue-service".to_owned(), entry, 1)).collect(),
        ..InUse::default()
    }
}

#[test]
fn what_a_store_is_called_stays() {
    let key = |topology: &Topology| topology.locations("issue-service", "issues-us-east-1", "acme").expect("known");
    assert_eq!(key(&renamed()), key(&parse(EXAMPLE)));
    let store = EndpointKind::Dynamodb.store("us-east-1", Some("http://localhost:8001/"));
    assert_eq!(renamed().addresses(), [(store, NEW.to_owned())].into());
    assert_eq!(renamed(), parse(&in_file(NEW)), "it can be written in the file");
    let back = renamed().with_address("us-east-1", EndpointKind::Dynamodb, "http://127.0.0.1:8001/").expect("its own");
    assert_eq!(back, parse(EXAMPLE));
}

#[test]
fn a_region_of_aws_gets_its_own_endpoint_as_the_name() {
    let vpc = "https://vpce-1a2b.dynamodb.us-east-1.vpce.amazonaws.com";
    let aws = EXAMPLE.replace("dynamodb: { endpoint: \"http://127.0.0.1:8001\" }, ", "");
    let renamed = parse(&aws).with_address("us-east-1", EndpointKind::Dynamodb, vpc).expect("a free address");
    let at = renamed.regions["us-east-1"].dynamodb.as_ref().expect("stated");
    assert_eq!((at.endpoint.as_str(), at.reached_at()), ("https://dynamodb.us-east-1.amazonaws.com", vpc));
    let locations = |topology: &Topology| topology.locations("issue-service", "issues-us-east-1", "acme");
    assert_eq!(locations(&renamed), locations(&parse(&aws)), "plans that were approved hold");
    let store = |endpoint| EndpointKind::S3.store("us-east-1", endpoint);
    assert_eq!(store(None), store(Some("https://s3.us-east-1.amazonaws.com")));
    assert_ne!(store(None), EndpointKind::S3.store("eu-west-1", None), "each region is reached by itself");
}

#[test]
fn an_address_leads_to_no_other_store_of_the_topology() {
    let other = EXAMPLE.replace("eu-west-1: {}", "eu-west-1: { dynamodb: { endpoint: \"http://127.0.0.1:8002\" } }");
    let refused = |address: &str| match parse(&other).with_address("us-east-1", EndpointKind::Dynamodb, address) {
        Err(AddressError::Invalid(problems)) => shown(&problems),
        other => panic!("{other:?}"),
    };
    for address in ["http://127.0.0.1:8002", "http://localhost.:8002/"] {
        assert!(refused(address).contains("is one physical place for"), "{}", refused(address));
    }
    for not_an_address in ["tables.example", "ftp://tables.example", "https://user:pw@tables.example", ""] {
        assert!(refused(not_an_address).starts_with("regions.us-east-1.dynamodb.address: "), "{not_an_address}");
    }
    let unknown = parse(EXAMPLE).with_address("mars", EndpointKind::S3, NEW);
    assert_eq!(unknown, Err(AddressError::UnknownRegion("mars".to_owned())));
}

#[test]
fn regions_that_share_a_store_share_its_address() {
    let shared = EXAMPLE.replace("eu-west-1: {}", "eu-west-1: { s3: { endpoint: \"http://localhost:9001\" } }");
    let at =
        |topology: &Topology, region: &str| topology.regions[region].s3.as_ref().map(|at| at.reached_at().to_owned());
    let renamed = parse(&shared).with_address("us-east-1", EndpointKind::S3, "http://objects.example").expect("free");
    for region in ["us-east-1", "eu-west-1"] {
        assert_eq!(at(&renamed, region).as_deref(), Some("http://objects.example"), "{region}");
    }
    let mut apart = renamed;
    apart.regions.get_mut("us-east-1").expect("there").s3.as_mut().expect("stated").address = None;
    assert_problems(
        &shown(&apart.validate()),
        "regions.us-east-1.s3.address: eu-west-1 has the same endpoint and another address: give both the same",
    );
}

#[test]
fn the_file_does_not_change_where_a_store_in_use_is_reached() {
    let edit = |old: &Topology, new: &str, in_use: &InUse| shown(&old.check_edit(&parse(new), in_use));
    assert_eq!(edit(&parse(EXAMPLE), &in_file(NEW), &InUse::default()), "", "nobody is there");
    let why = "entries of the ledger there are not absent (one of issue-service)";
    let check = "which makes sure that it is the same store, and then write it here";
    assert_problems(
        &edit(&parse(EXAMPLE), &in_file(NEW), &in_use()),
        &format!(
            "regions.us-east-1.dynamodb.address: the address can't change with the file while there are tenants. To keep it, leave it out. To change it, \
             run `realmctl topology rename-endpoint us-east-1 dynamodb {NEW}`, {check}"
        ),
    );
    assert_problems(
        &edit(&renamed(), EXAMPLE, &in_use()),
        &format!(
            "regions.us-east-1.dynamodb.address: the address can't change with the file while there are tenants. To keep it, write `address: {NEW}`. To \
             change it, run `realmctl topology rename-endpoint us-east-1 dynamodb http://127.0.0.1:8001`, {check}"
        ),
    );
    assert_eq!(edit(&renamed(), &in_file(NEW), &in_use()), "");
    let elsewhere = EXAMPLE.replace(
        "eu-west-1: {}",
        "eu-west-1: { s3: { endpoint: \"https://s3.eu-west-1.amazonaws.com\", address: \"https://s3.example\" } }",
    );
    let found = edit(&parse(EXAMPLE), &elsewhere, &in_use());
    assert!(found.starts_with("regions.eu-west-1.s3.address: "), "a move may be on its way there: {found}");
    assert_problems(
        &edit(&parse(EXAMPLE), &EXAMPLE.replace("http://127.0.0.1:8001", NEW), &in_use()),
        &format!(
            "regions.us-east-1.dynamodb: the endpoint can't change: {why}. If the same store is to be reached by another name, keep its \
             endpoint here and run `realmctl topology rename-endpoint us-east-1 dynamodb {NEW}`"
        ),
    );
}
