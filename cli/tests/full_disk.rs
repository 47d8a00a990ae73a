//! A server on SQLite whose disk is full for a while, in the middle of a move. The operating system refuses to let its files grow.

mod common;

use std::time::{Duration, SystemTime};

use common::Up;
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use serde_json::{Value, json};
use testkit::{Ports, Region, Storage, fixtures};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// Short, but with a drain that leaves time to fill the disk while the tenant is offline.
const TIMING: [&str; 22] = [
    "--lease",
    "1s",
    "--heartbeat",
    "300ms",
    "--offline-lease",
    "20s",
    "--offline-deadline",
    "90s",
    "--context-ttl",
    "1s",
    "--drain-time",
    "8s",
    "--max-clock-skew",
    "1s",
    "--index-settle",
    "100ms",
    "--signed-request-ttl-dynamodb",
    "2s",
    "--signed-request-ttl-s3",
    "2s",
    "--signed-request-ttl-hooks",
    "2s",
];
/// Where the one service keeps its items.
const SERVICE: &str = "
realms:
  us: { dataRegions: [us-east-1] }
  eu: { dataRegions: [eu-west-1] }
services:
  issues:
    store: { dynamodb: { table: issues, index: by-tenant, indexKey: tenant_shard, shardCount: 2 } }
    shards:
      - { shard: issues-us, dataRegions: [us-east-1] }
      - { shard: issues-eu, dataRegions: [eu-west-1] }
";

#[test]
fn a_tenant_comes_back_online_once_there_is_room_again() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let regions = ["us-east-1", "eu-west-1"]
        .map(|name| Region::start(name, Storage::Memory, Ports::Any).expect("a region starts"));
    runtime.block_on(async {
        testkit::prepare(&[&regions[0], &regions[1]]).await.expect("tables are made");
        let seeded = fixtures::seed_items(&regions[0], "issues", "tenant_shard", "acme", 2, 60, 1);
        seeded.await.expect("there are items");
    });
    let folder = tempfile::tempdir().expect("a temporary folder");
    let credentials = testkit::region::credentials();
    let environment = [
        ("AWS_ACCESS_KEY_ID", credentials.access_key_id()),
        ("AWS_SECRET_ACCESS_KEY", credentials.secret_access_key()),
    ];
    let server = Up::serve_with(&folder.path().join("realmctl.db"), &TIMING, &environment);
    let file = folder.path().join("topology.yaml");
    let endpoints = regions.iter().map(|region| {
        format!("  {}: {{ dynamodb: {{ endpoint: \"{}\" }} }}\n", region.name(), region.dynamodb_endpoint())
    });
    std::fs::write(&file, format!("regions:\n{}{SERVICE}", endpoints.collect::<String>())).expect("it is written");
    server.json(&["topology", "apply", file.to_str().expect("the path is UTF-8")]);
    server.json(&["tenants", "create", "acme", "--host", "acme.example", "--realm", "us"]);
    let tenant = || server.json(&["tenants", "show", "acme"]);

    let id = server.json(&["move", "acme", "--to", "eu"])["id"].as_str().expect("a move has an id").to_owned();
    until(|| (tenant()["status"] == json!("moving")).then_some(()));
    let pid = Pid::from_raw(server.pid().cast_signed());
    let unlimited = getrlimit(Resource::Fsize);
    let limited = |current| prlimit(pid, Resource::Fsize, Rlimit { current, ..unlimited }).expect("the limit is set");
    limited(Some(1));
    until(|| Some(server.get("/readyz")).filter(|(status, words)| *status == 503 && words.contains("its disk ")));
    let refused = server.ask(&["moves", "cancel", &id]).ends_with(1);
    assert!(refused.stderr.contains("its disk ") && refused.stderr.contains("repeat the same request"), "{refused:?}");
    // Nobody can bring it back as long as nothing can be written, and nobody claims to have done so.
    let until_lapsed = until(|| lease_until(&tenant()));
    std::thread::sleep(until_lapsed.duration_since(SystemTime::now()).unwrap_or_default());
    assert_eq!(tenant()["status"], json!("moving"), "reading goes on");
    let lines = server.logged();
    assert!(lines.len() < 200, "{} lines in a few seconds: {lines:#?}", lines.len());
    assert!(lines.iter().any(|line| line.contains("its disk ")), "{lines:#?}");

    limited(unlimited.current);
    until(|| (tenant()["status"] == json!("online")).then_some(()));
    assert_eq!(server.get("/readyz").0, 200);
    let ended = until(|| Some(server.json(&["moves", "show", &id])).filter(|shown| !shown["finishedAt"].is_null()));
    let realm = if ended["state"] == json!("completed") { "eu" } else { "us" };
    assert_eq!(tenant()["realm"], json!(realm), "{ended:#}");
}

/// The log is on the disk that is full.
#[test]
fn a_log_that_can_t_be_written_keeps_nobody_from_working() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let log = folder.path().join("log");
    let server = Up::serve_logging_to(&log, &folder.path().join("realmctl.db"));
    let pid = Pid::from_raw(server.pid().cast_signed());
    let unlimited = getrlimit(Resource::Fsize);
    let limited = |current| prlimit(pid, Resource::Fsize, Rlimit { current, ..unlimited }).expect("the limit is set");
    limited(Some(1));
    let pause = ["pause", "--all", "--reason", "the disk is full"];
    for _ in 0..3 {
        let refused = server.ask(&pause).ends_with(1);
        assert!(refused.stderr.contains("its disk "), "{refused:?}");
        assert_eq!(server.get("/v1/tenants/acme").0, 404, "reading goes on");
    }
    until(|| (server.get("/readyz").0 == 503).then_some(()));
    limited(unlimited.current);
    until(|| (server.get("/readyz").0 == 200).then_some(()));
    server.ask(&pause).ends_with(0);
    // What had panicked tells so with the next line that can be written.
    let said = std::fs::read_to_string(&log).expect("the log can be read");
    assert!(!said.contains("panicked"), "{said}");
}

/// When the tenant's offline lease runs out.
fn lease_until(tenant: &Value) -> Option<SystemTime> {
    let until: jiff::Timestamp = tenant["leaseUntil"].as_str()?.parse().expect("a point in time");
    Some(until.into())
}

/// Waits until there is something.
#[track_caller]
fn until<T>(mut found: impl FnMut() -> Option<T>) -> T {
    let begun = std::time::Instant::now();
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "it never came");
    }
}
