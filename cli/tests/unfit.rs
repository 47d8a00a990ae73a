//! A server that lacks something of its host: it says so, works on nothing that needs it, and goes on once that is put right.

mod common;

use std::time::{Duration, Instant};

use common::Up;
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use serde_json::json;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// It looks at its host three times a second.
const TIMING: [&str; 4] = ["--lease", "1s", "--heartbeat", "300ms"];
/// Reached over TLS, where nobody listens.
const TOPOLOGY: &str = "
regions:
  us-east-1: { dynamodb: { endpoint: \"https://127.0.0.1:9\" } }
  eu-west-1: { dynamodb: { endpoint: \"https://127.0.0.2:9\" } }
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
fn without_certificate_authorities_it_waits_until_they_are_installed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (authorities, topology) = (folder.path().join("authorities.pem"), folder.path().join("topology.yaml"));
    std::fs::write(&topology, TOPOLOGY).expect("it is written");
    let environment =
        [("SSL_CERT_FILE", authorities.to_str().expect("the path is UTF-8")), ("SSL_CERT_DIR", "/nowhere")];
    let server = Up::serve_with(&folder.path().join("realmctl.db"), &TIMING, &environment);
    assert_eq!(unfit(&server), None, "nothing is needed before there are stores");
    server.json(&["topology", "apply", topology.to_str().expect("the path is UTF-8")]);
    server.json(&["tenants", "create", "acme", "--host", "acme.example", "--realm", "us"]);
    let lacks = until(|| unfit(&server));
    assert!(lacks.contains("takes no data work") && lacks.contains("ca-certificates"), "{lacks}");

    let id = server.json(&["move", "acme", "--to", "eu"])["id"].as_str().expect("a move has an id").to_owned();
    let about = until(|| {
        let about = server.json(&["explain", &id]);
        (about["waitsFor"]["code"] == json!("no_worker")).then_some(about)
    });
    assert_eq!((&about["state"], &about["attempt"]), (&json!("preflight"), &json!(0)), "{about:#}");
    let shown = server.ask(&["moves", "show", &id]).ends_with(0).stdout;
    assert!(shown.contains("takes no data work") && shown.contains("ca-certificates"), "{shown}");
    assert_eq!(server.json(&["tenants", "show", "acme"])["status"], json!("online"));

    let certificate = rcgen::generate_simple_self_signed(["somebody".to_owned()]).expect("a certificate");
    std::fs::write(&authorities, certificate.cert.pem()).expect("it is written");
    // Now it is the store that does not answer.
    until(|| server.ask(&["moves", "show", &id]).stdout.contains("endpoint_unreachable").then_some(()));
    assert_eq!(unfit(&server), None);
    let logged = server.logged();
    let told = |what: &str| logged.iter().filter(|line| line.contains(what)).count();
    assert_eq!(told("can't do data work and leaves it to others"), 1, "{logged:#?}");
}

#[test]
fn without_free_files_it_stands_aside_until_there_are_some() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = Up::serve(&folder.path().join("realmctl.db"), &TIMING);
    assert_eq!(unfit(&server), None);
    let pid = Pid::from_raw(i32::try_from(server.pid()).expect("a process id")).expect("not zero");
    let was = getrlimit(Resource::Nofile);
    let limit = |current| {
        prlimit(Some(pid), Resource::Nofile, Rlimit { current, maximum: was.maximum }).expect("the limit is set");
    };
    let open = std::fs::read_dir(format!("/proc/{}/fd", server.pid())).expect("its files").count();
    // Enough for the catalogue and those who ask, too few for a task.
    limit(Some(u64::try_from(open).expect("few") + 12));
    let lacks = until(|| said(&server).1);
    assert!(lacks.contains("takes no data work") && lacks.contains("ulimit -n"), "{lacks}");
    limit(was.current);
    until(|| (said(&server) == (200, None)).then_some(()));
}

/// What `/readyz` says of processes that are unfit, while it is ready.
fn unfit(server: &Up) -> Option<String> {
    let (status, unfit) = said(server);
    assert_eq!(status, 200);
    unfit
}

/// The same, ready or not.
fn said(server: &Up) -> (u16, Option<String>) {
    let (status, body) = server.get("/readyz");
    (status, body.lines().find_map(|line| line.strip_prefix("unfit: ")).map(str::to_owned))
}

/// Asks until there is something.
fn until<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = ask() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "it does not come to that");
    }
}
