//! `realmctl bench engine` runs for real, on SQLite, and leaves nothing behind.

mod common;

use common::realmctl;

#[test]
fn the_engine_is_measured_beside_the_bare_loop() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = format!("sqlite:{}", folder.path().join("bench.db").display());
    let args = ["bench", "engine", "--store", &store, "--in-flight", "4", "--runs", "1", "--measure", "1s"];
    let ran = realmctl(&[&args as &[&str], &["--output", "json"]].concat()).ends_with(0);
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).expect("JSON");
    let rates = report["stores"][0]["rates"].as_array().expect("rates");
    let measured: Vec<_> = rates.iter().map(|rate| (rate["inFlight"].as_u64(), rate["commits"].as_str())).collect();
    let expected = [(4, "own"), (4, "shared")];
    assert_eq!(measured, expected.map(|(in_flight, commits)| (Some(in_flight), Some(commits))));
    for rate in rates {
        for side in ["engine", "bare"] {
            assert!(rate[side]["median"].as_f64().is_some_and(|median| median > 0.0), "{side}: {rate}");
        }
    }
    assert_eq!(std::fs::read_dir(folder.path()).expect("the folder is there").count(), 0, "nothing is left behind");
}

#[test]
fn a_store_where_nothing_can_be_made_is_told() {
    let ran = realmctl(&["bench", "engine", "--store", "sqlite:/nonexistent/x.db"]).ends_with(1);
    assert!(ran.stderr.contains("it can't be measured") && ran.stderr.contains("--store"), "{ran:#?}");
    assert!(ran.stdout.is_empty(), "{ran:#?}");
}
