//! What the environment of a server has no say in.

mod common;

use std::net::TcpListener;

use common::Up;
use serde_json::json;

/// AWS itself, in regions that do not exist: no request of this test finds anybody.
const TOPOLOGY: &str = "
regions: { us-nowhere-1: {}, eu-nowhere-1: {} }
realms:
  us: { dataRegions: [us-nowhere-1] }
  eu: { dataRegions: [eu-nowhere-1] }
services:
  issues:
    store: { dynamodb: { table: issues, index: by-tenant, indexKey: tenant_shard, shardCount: 2 } }
    shards:
      - { shard: issues-us, dataRegions: [us-nowhere-1] }
      - { shard: issues-eu, dataRegions: [eu-nowhere-1] }
";

#[test]
fn variables_and_profiles_of_aws_do_not_choose_the_store() {
    let trap = TcpListener::bind("127.0.0.1:0").expect("a free port");
    trap.set_nonblocking(true).expect("set");
    let url = format!("http://{}", trap.local_addr().expect("bound"));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("it is written");
        path.to_str().expect("the path is UTF-8").to_owned()
    };
    let profile = file("aws-config", &format!("[default]\nendpoint_url = {url}\nuse_fips_endpoint = true\n"));
    let environment = [
        ("AWS_ACCESS_KEY_ID", "AKIDTEST"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_CONFIG_FILE", &profile),
        ("AWS_ENDPOINT_URL", &url),
        ("AWS_ENDPOINT_URL_DYNAMODB", &url),
        ("RUST_LOG", "warn,workers=debug"),
    ];
    let server = Up::serve_with(&folder.path().join("realmctl.db"), &[], &environment);
    server.json(&["topology", "apply", &file("topology.yaml", TOPOLOGY)]);
    server.json(&["tenants", "create", "acme", "--host", "acme.example", "--realm", "us"]);
    let plan = server.json(&["move", "acme", "--to", "eu", "--dry-run"]);
    let why = plan["noEstimate"].as_str().unwrap_or_default();
    assert!(why.contains("AWS's own endpoint") && why.contains("could not be reached"), "{plan:#}");
    assert!(trap.accept().is_err(), "no request went where the environment says");
    let (status, ready) = server.get("/readyz");
    assert_eq!(status, 200);
    let told: Vec<&str> = ready.lines().filter(|line| line.starts_with("without_effect: ")).collect();
    assert_eq!(told.len(), 2, "{ready}");
    assert!(told[0].contains("AWS_ENDPOINT_URL ") && told[1].contains("AWS_ENDPOINT_URL_DYNAMODB "), "{ready}");
    assert_eq!(server.json(&["tenants", "show", "acme"])["realm"], json!("us"));
}
