//! `realmctl demo` and `realmctl dev`: whole moves, end to end, by the command line alone.

mod common;

use common::{Up, realmctl};
use serde_json::json;

#[test]
fn the_demo_moves_a_tenant_and_proves_it() {
    let ran = realmctl(&["demo", "--items", "300", "--objects", "30", "--output", "json"]).ends_with(0);
    let view = ran.json();
    assert_eq!((&view["from"], &view["to"], &view["state"]), (&json!("us"), &json!("eu"), &json!("completed")));
    assert_eq!((&view["copied"]["items"], &view["copied"]["objects"]), (&json!(300), &json!(30)));
    assert_eq!(view["verified"], json!(true));
    assert!(view["offlineMs"].as_i64().is_some_and(|offline| offline > 0), "{view}");
    let removals = view["removals"].as_array().expect("a move lists its removals");
    assert_eq!(removals.len(), 3, "{view}");
    assert!(removals.iter().all(|removal| removal["state"] == json!("done")), "{view}");
    // The states as they pass, and without a terminal no bars.
    for line in ["  add_data", "  verify", "  completed", "All of it held."] {
        assert!(ran.stderr.contains(line), "{line} is missing: {ran:#?}");
    }
    assert!(!ran.stderr.contains(['\r', '\u{1b}']), "{ran:#?}");
}

#[test]
fn a_playground_takes_moves_there_and_back_and_ends_cleanly() {
    let dev = Up::dev();
    assert_eq!(dev.json(&["tenants", "show", "acme"])["realm"], json!("us"));
    for realm in ["eu", "us"] {
        let view = dev.json(&["move", "acme", "--to", realm, "--wait"]);
        assert_eq!((&view["state"], &view["to"]), (&json!("completed"), &json!(realm)));
    }
    let shown = dev.ask(&["moves", "list"]).ends_with(0).stdout;
    assert_eq!(shown.lines().count(), 3, "{shown}");
    assert_eq!(dev.json(&["tenants", "show", "acme"])["realm"], json!("us"));
    let already = dev.ask(&["move", "acme", "--to", "us"]).ends_with(3);
    assert!(already.stderr.contains("already"), "{already:#?}");
    assert_eq!(dev.terminate().code(), Some(0));
}
