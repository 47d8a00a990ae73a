//! Wrong command lines end with 2, unreachable servers with 1, broken topology files with 3; and stdout stays clean.

mod common;

use common::{Ran, command, realmctl, run};
use serde_json::json;

#[test]
fn a_wrong_command_line_ends_with_2() {
    let id = "0199f3a1-7c00-7000-8000-000000000001";
    let wrong: [&[&str]; 25] = [
        &[],
        &["mvoe", "acme", "--to", "eu"],
        &["move", "acme"],
        &["move", "Acme", "--to", "eu"],
        &["move", "acme", "--to", "eu", "--dry-run", "--wait"],
        &["move", "acme", "--to", "eu", "--at", "tomorrow"],
        &["move", "acme", "--to", "eu", "--budget", "0s"],
        &["move", "acme", "--to", "eu", "--budget", "soon"],
        &["move", "acme", "--to", "eu", "--window", "02:00-04:00"],
        &["campaigns", "create", "--to", "eu"],
        &["campaigns", "create", "--to", "eu", "--tenants", "acme", "--from-realm", "us"],
        &["campaigns", "create", "--to", "eu", "--tenants", "acme", "--max-failures", "0"],
        &["campaigns", "create", "--to", "eu", "--tenants-file", "/nonexistent"],
        &["tenants", "create", "acme", "--host", "not a host", "--realm", "us"],
        &["tenants", "list", "--limit", "0"],
        &["moves", "show", "../tenants"],
        &["removals", "replay"],
        &["removals", "replay", id, "--failed"],
        &["removals", "list", "--state", "sleeping"],
        &["tenants", "list", "--server", "localhost:8642"],
        &["serve"],
        &["serve", "--store", "mysql://root:hunter2@db"],
        &["serve", "--store", "sqlite:x.db", "--listen", "0.0.0.0:0"],
        &["worker", "--store", "sqlite:x.db", "--heartbeat", "20s"],
        &["demo", "--items", "0"],
    ];
    for args in wrong {
        let Ran { stdout, stderr, .. } = realmctl(args).ends_with(2);
        assert!(stdout.is_empty(), "{args:?} wrote to stdout: {stdout}");
        assert!(!stderr.is_empty(), "{args:?} said nothing");
        assert!(!stderr.contains("hunter2"), "{args:?} told a password: {stderr}");
    }
}

#[test]
fn a_usage_line_has_what_is_required_and_nothing_that_a_variable_gives() {
    let wrong = |args: &[&str]| {
        let mut asked = command(args);
        run(asked.env("REALMCTL_SERVER", "http://127.0.0.1:9").env("REALMCTL_TOKEN", "sesame-4711")).ends_with(2).stderr
    };
    let told = wrong(&["move", "acme"]);
    assert!(told.contains("Usage: realmctl move") && told.contains("--to <REALM>"), "{told}");
    assert!(!told.contains("--server") && !told.contains("--token"), "{told}");
    let told = wrong(&["limits", "set", "overall"]);
    assert!(told.contains("limits set [OPTIONS] <SCOPE> --write-units <N>"), "{told}");
}

#[test]
fn a_user_that_the_audit_trail_can_not_name_ends_with_2_and_the_rule() {
    let list =
        |user: &str| run(command(&["tenants", "list", "--server", "http://127.0.0.1:9"]).env("REALMCTL_USER", user));
    for bad in ["jörg", "a\nb", &"x".repeat(65)] {
        let ran = list(bad).ends_with(2);
        assert!(ran.stderr.contains("REALMCTL_USER must be 1 to 64 printable ASCII characters"), "{ran:#?}");
    }
    for good in ["sam", "Ada Lovelace"] {
        list(good).ends_with(1);
    }
}

#[test]
fn a_dry_run_may_have_a_reason() {
    let campaign = ["campaigns", "create", "--to", "eu", "--tenants", "acme"];
    for args in [&["move", "acme", "--to", "eu"] as &[&str], &campaign] {
        let more = ["--dry-run", "--reason", "contract 4711", "--server", "http://127.0.0.1:9"];
        realmctl(&[args, &more].concat()).ends_with(1);
    }
}

#[test]
fn a_file_of_secrets_that_is_wrong_is_told_without_the_secrets() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("secrets");
    std::fs::write(&file, "default=0123456789abcdef\nhunter2-hunter2-hunter2\n").expect("it is written");
    let store = format!("sqlite:{}", folder.path().join("x.db").display());
    let path = file.display().to_string();
    let ran = realmctl(&["serve", "--store", &store, "--hook-secret-file", &path]).ends_with(2);
    assert!(ran.stderr.contains("line 2: must be NAME=SECRET") && !ran.stderr.contains("hunter2"), "{ran:#?}");
    let missing = realmctl(&["worker", "--store", &store, "--hook-secret-file", "/nonexistent"]).ends_with(2);
    assert!(missing.stderr.contains("--hook-secret-file /nonexistent"), "{missing:#?}");
}

#[test]
fn a_server_that_is_not_there_ends_with_1_and_the_next_step() {
    // A port that nobody is given by chance, and at which nobody listens.
    let server = "http://127.0.0.1:9";
    for args in [
        &["tenants", "list"] as &[&str],
        &["move", "acme", "--to", "eu", "--wait"],
        &["moves", "show", "0199f3a1-7c00"],
    ] {
        let ran = realmctl(&[args, &["--server", server]].concat()).ends_with(1);
        assert!(ran.stdout.is_empty(), "{ran:#?}");
        let wanted = format!("error: can't reach the server at {server}: check that it runs (`realmctl serve`,");
        assert!(ran.stderr.starts_with(&wanted), "{ran:#?}");
    }
    let by_variable = run(command(&["tenants", "list"]).env("REALMCTL_SERVER", server)).ends_with(1);
    assert!(by_variable.stderr.contains(server), "{by_variable:#?}");
}

#[test]
fn a_store_that_can_not_be_opened_ends_with_1_and_the_next_step() {
    let ran =
        realmctl(&["serve", "--store", "sqlite:/nonexistent/realmctl.db", "--listen", "127.0.0.1:0"]).ends_with(1);
    assert!(ran.stderr.contains("check that the folder exists"), "{ran:#?}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let at = taken.local_addr().expect("it is bound").to_string();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = format!("sqlite:{}", folder.path().join("realmctl.db").display());
    let ran = realmctl(&["serve", "--store", &store, "--listen", &at]).ends_with(1);
    assert!(ran.stderr.contains(&format!("{at} is in use already")), "{ran:#?}");
}

#[test]
fn a_wrong_timing_names_the_flags() {
    let ran = realmctl(&["worker", "--store", "sqlite:x.db", "--lease", "5s"]).ends_with(2);
    assert!(ran.stderr.contains("--heartbeat 10s, --lease 5s"), "{ran:#?}");
}

const BROKEN: &str = "regions:
  us-east-1: {}
realms:
  us: { dataRegions: [us-west-9] }
services:
  issues:
    store: { dynamodb: { table: issues, index: by-tenant, indexKey: tenant_shard, shardCount: ten } }
    shrads: []
";

#[test]
fn a_broken_topology_file_is_told_whole_with_lines_and_without_a_server() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("broken.yaml");
    std::fs::write(&file, BROKEN).expect("it can be written");
    let file = file.to_str().expect("the path is UTF-8");

    let ran = realmctl(&["topology", "check", file]).ends_with(3);
    for line in ["line 4: realms.us.dataRegions", "line 7: services.issues.store", "line 8: services.issues.shrads"] {
        assert!(ran.stdout.contains(line), "{line} is missing: {ran:#?}");
    }
    assert!(ran.stderr.contains("problems"), "{ran:#?}");

    let told = ran.stdout.lines().count();
    let ran = realmctl(&["topology", "check", file, "--output", "json"]).ends_with(3);
    let said = ran.json();
    assert_eq!(said["hash"], json!(null));
    assert_eq!(said["problems"].as_array().map(Vec::len), Some(told), "{ran:#?}");
    assert!(said["problems"][0]["line"].is_u64() && said["problems"][0]["reason"].is_string(), "{ran:#?}");

    let ran = realmctl(&["topology", "check", "/nonexistent.yaml"]).ends_with(1);
    assert!(ran.stderr.contains("can't read /nonexistent.yaml"), "{ran:#?}");
}

#[test]
fn every_shell_gets_its_completions() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = realmctl(&["completions", shell]).ends_with(0);
        assert!(ran.stdout.contains("removals"), "{shell}");
    }
}

#[test]
fn the_version_is_data() {
    assert_eq!(realmctl(&["version"]).ends_with(0).stdout, format!("realmctl {}\n", env!("CARGO_PKG_VERSION")));
    let said = realmctl(&["version", "--output", "json"]).ends_with(0).json();
    assert_eq!(said, json!({ "version": env!("CARGO_PKG_VERSION") }));
}

#[test]
fn an_error_code_that_there_is_not_is_refused_and_all_others_are_listed() {
    let unknown = realmctl(&["errors", "no_such_code"]).ends_with(3);
    assert!(
        unknown.stderr.contains("there is no error code `no_such_code`; `realmctl errors` lists them"),
        "{unknown:?}"
    );
    let all = realmctl(&["errors", "--output", "json"]).ends_with(0).json();
    let codes = all["items"].as_array().expect("a list");
    assert!(codes.len() > 150, "{}", codes.len());
    assert!(
        codes.iter().all(|code| ["code", "place", "meaning", "nextStep"].iter().all(|field| code[field].is_string()))
    );
}
