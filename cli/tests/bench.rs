//! `realmctl bench engine` and `bench catalogue` run for real, on SQLite, and leave nothing behind.

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
fn the_catalogue_is_measured_at_each_size() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = format!("sqlite:{}", folder.path().join("bench.db").display());
    let args = ["bench", "catalogue", "--store", &store, "--tenants", "60,20", "--runs", "1", "--waiting", "3"];
    let ran = realmctl(&[&args as &[&str], &["--output", "json"]].concat()).ends_with(0);
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).expect("JSON");
    let measured = &report["stores"][0];
    assert_eq!(measured["tenants"], serde_json::json!([20, 60]), "the smallest first");
    let figures = measured["figures"].as_array().expect("figures");
    for operation in ["topology apply, the same", "tenant created", "move started", "audit list --tenant"] {
        assert!(figures.iter().any(|figure| figure["operation"] == operation), "{operation}: {measured}");
    }
    for figure in figures {
        let values = figure["values"].as_array().expect("values");
        assert!(values.len() == 2 && values.iter().all(serde_json::Value::is_number), "each at both sizes: {figure}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).expect("the folder is there").count(), 0, "nothing is left behind");
}

#[test]
fn a_store_where_nothing_can_be_made_is_told() {
    let ran = realmctl(&["bench", "engine", "--store", "sqlite:/nonexistent/x.db"]).ends_with(1);
    assert!(ran.stderr.contains("it can't be measured") && ran.stderr.contains("--store"), "{ran:#?}");
    assert!(ran.stdout.is_empty(), "{ran:#?}");
}
