//! A store that gets another name, as a platform engineer does it: the command, and what it says to write in the file.

mod common;

use common::Up;
use serde_json::json;
use testkit::proxy::Proxy;
use testkit::{Ports, Region, Storage};

#[tokio::test(flavor = "multi_thread")]
async fn what_the_command_says_to_write_in_the_file_is_what_the_file_needs() {
    let start = |name| Region::start(name, Storage::Memory, Ports::Any).expect("a region starts");
    let regions = [start("us-east-1"), start("eu-west-1")];
    let all: Vec<&Region> = regions.iter().collect();
    testkit::prepare(&all).await.expect("tables and buckets are made");
    let target = regions[0].dynamodb_endpoint().trim_start_matches("http://").parse().expect("an address");
    let front = Proxy::start(Some(target)).await.expect("a free port");
    let new = format!("http://127.0.0.1:{}", front.port());
    let yaml = testkit::topology(&all);
    let credentials = testkit::region::credentials();
    let environment = [
        ("AWS_ACCESS_KEY_ID", credentials.access_key_id()),
        ("AWS_SECRET_ACCESS_KEY", credentials.secret_access_key()),
    ];
    tokio::task::block_in_place(|| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("topology.yaml");
        let written = |yaml: &str| {
            std::fs::write(&file, yaml).expect("it is written");
            file.to_str().expect("the path is UTF-8").to_owned()
        };
        let server = Up::serve_with(&folder.path().join("realmctl.db"), &[], &environment);
        server.json(&["topology", "apply", &written(&yaml)]);
        server.json(&["tenants", "create", "acme", "--host", "acme.example", "--realm", "us"]);

        let ran = server.ask(&["topology", "rename-endpoint", "us-east-1", "dynamodb", &new]).ends_with(0);
        let line = ran.stderr.lines().find(|line| line.starts_with("  us-east-1: ")).expect("what to write");
        let entry = line.split_once("dynamodb: ").and_then(|(_, rest)| rest.strip_suffix(" }")).expect("an entry");
        let old = format!("{{ endpoint: \"{}\" }}", regions[0].dynamodb_endpoint());
        assert!(yaml.contains(&old), "{yaml}");
        let ran = server.ask(&["topology", "apply", &written(&yaml)]).ends_with(3);
        assert!(ran.stderr.contains(&format!("write `address: {new}`")), "{}", ran.stderr);
        assert_eq!(server.json(&["topology", "apply", &written(&yaml.replace(&old, entry))])["changed"], json!(false));
        assert!(server.ask(&["topology", "show"]).ends_with(0).stdout.contains(&new));
        server.ask(&["topology", "rename-endpoint", "us-east-1", "tables", &new]).ends_with(2);
    });
}
