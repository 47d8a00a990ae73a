//! `--output yaml`: the same as `--output json`, as YAML.

mod common;

use common::world::World;
use common::{Ran, realmctl};
use serde_json::Value;

fn yaml(ran: &Ran) -> Value {
    serde_saphyr::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error} in {ran:#?}"))
}

#[test]
fn yaml_is_json_in_another_form() {
    let world = World::new(&[]);
    let server = &world.server;
    let id = server.json(&["move", "acme", "--to", "eu", "--at", "+2h", "--reason", "no: \"yes\"\nand # more"])["id"]
        .clone();
    let id = id.as_str().expect("a move has an id");
    for args in [
        &["tenants", "show", "acme"] as &[&str],
        &["tenants", "list"],
        &["moves", "show", id],
        &["topology", "show"],
        &["audit", "list"],
        &["limits", "list"],
        &["explain", "acme"],
        &["errors"],
        &["version"],
    ] {
        let ran = server.ask(&[args, &["--output", "yaml"]].concat()).ends_with(0);
        assert!(!ran.stdout.starts_with('{'), "{ran:#?}");
        let mut told = yaml(&ran);
        let mut expected = server.json(args);
        // How long something has lasted is another figure a moment later.
        [&mut told, &mut expected].into_iter().for_each(without_ages);
        assert_eq!(told, expected, "{args:?}");
    }
}

fn without_ages(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !name.ends_with("Ms") && !name.ends_with("At"));
            fields.values_mut().for_each(without_ages);
        }
        Value::Array(items) => items.iter_mut().for_each(without_ages),
        _ => {}
    }
}

#[test]
fn notes_and_errors_stay_lines_of_json() {
    let world = World::new(&[]);
    let refused = world.server.ask(&["move", "acme", "--to", "mars", "--output", "yaml"]).ends_with(3);
    let error: Value = serde_json::from_str(refused.stderr.trim_end()).expect("one line of JSON");
    assert_eq!(error["error"]["code"], "unknown_realm");
    assert!(refused.stdout.is_empty(), "{refused:#?}");
    let wrong = realmctl(&["limits", "set", "overall", "abc", "--output", "yaml"]).ends_with(2);
    let error: Value = serde_json::from_str(wrong.stderr.trim_end()).expect("one line of JSON");
    assert_eq!(error["error"]["code"], "usage");
    let none = world.server.ask(&["removals", "list", "--output=yaml"]).ends_with(0);
    assert_eq!(none.stderr, "{\"note\":\"No removals found.\"}\n");
}

#[test]
fn what_is_json_lines_is_refused_as_yaml_unless_it_goes_to_a_file() {
    let world = World::new(&[]);
    let refused = world.server.ask(&["audit", "export", "--output", "yaml"]).ends_with(2);
    assert!(refused.stderr.contains("printed as JSON lines, never as YAML"), "{refused:#?}");
    assert!(refused.stdout.is_empty(), "{refused:#?}");
    let id = "0199f3a1-7c00-7000-8000-000000000001";
    let refused = world.server.ask(&["removals", "show", id, "--keys", "-", "--output", "yaml"]).ends_with(2);
    assert!(refused.stderr.contains("printed as JSON lines"), "{refused:#?}");
    let lines = world.server.ask(&["audit", "export", "--output", "json"]).ends_with(0);
    assert!(lines.stdout.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{lines:#?}");
}
