//! Operator controls from the command line: pauses, retries, limits, explanations, and the check before an upgrade.

mod common;

use common::world::World;
use common::{command, realmctl, run};
use serde_json::{Value, json};

fn id(started: &Value) -> String {
    started["id"].as_str().expect("a move has an id").to_owned()
}

#[test]
fn everything_is_held_from_the_start_and_goes_on() {
    let world = World::new(&["--start-paused"]);
    let server = &world.server;
    let pauses = server.json(&["pauses"]);
    assert_eq!((&pauses["items"][0]["scope"], &pauses["held"]), (&json!("all"), &json!(0)));
    assert_eq!(pauses["items"][0]["why"], json!("started with --start-paused"));
    let id = id(&server.json(&["move", "acme", "--to", "eu"]));
    let about = server.json(&["explain", &id]);
    assert_eq!((&about["waitsFor"]["code"], &about["state"]), (&json!("paused"), &json!("scheduled")));
    assert_eq!(about["canDo"][0], json!("realmctl resume --all"));
    let table = server.ask(&["pauses"]).ends_with(0).stdout;
    assert!(table.starts_with("PAUSED") && table.contains("Held: 1 workflow"), "{table}");

    assert_eq!(server.json(&["pause", "--all", "--reason", "again"])["changed"], json!(false));
    assert_eq!(server.json(&["resume", "--all"])["changed"], json!(true));
    assert!(server.ask(&["resume", "--all"]).ends_with(0).stderr.contains("there is no pause of everything"));
    // Nobody answers at the stores: it is tried again and again, and says why.
    while !server.ask(&["moves", "show", &id]).ends_with(0).stdout.contains("endpoint_unreachable") {}
    for args in [&["pause"] as &[&str], &["resume"], &["limits", "set", "overall", "-1"], &["explain", "a/b"]] {
        server.ask(args).ends_with(2);
    }
}

#[test]
fn a_tenant_and_a_move_are_held_and_go_on() {
    let world = World::new(&[]);
    let server = &world.server;
    assert_eq!(server.json(&["tenants", "pause", "acme", "--reason", "legal hold"])["scope"], json!("tenant:acme"));
    let id = id(&server.json(&["move", "acme", "--to", "eu", "--paused"]));
    let tenant = server.json(&["explain", "acme"]);
    assert_eq!((&tenant["about"], &tenant["workflows"][0]["id"]), (&json!("tenant"), &json!(id)));
    assert_eq!(tenant["canDo"][0], json!("realmctl tenants resume acme"));
    server.json(&["tenants", "resume", "acme"]);
    assert_eq!(server.json(&["explain", &id])["canDo"][0], json!(format!("realmctl moves resume {id}")));
    let refused = server.ask(&["moves", "retry", &id]).ends_with(3);
    assert!(refused.stderr.contains("is paused, by"), "{refused:#?}");
    // One hold does not lift the other.
    server.json(&["tenants", "pause", "acme", "--reason", "wait"]);
    server.json(&["moves", "resume", &id]);
    let held = server.json(&["explain", &id]);
    assert_eq!(held["waitsFor"]["code"], json!("paused"));
    assert_eq!(held["canDo"][0], json!("realmctl tenants resume acme"));
    server.json(&["moves", "cancel", &id]);
    server.ask(&["moves", "pause", &id]).ends_with(3);
    server.ask(&["removals", "pause", &id]).ends_with(3);
    server.ask(&["explain", "nobody"]).ends_with(3);
    let shown = server.ask(&["explain", "acme"]).ends_with(0).stdout;
    assert!(shown.contains("online, in realm us"), "{shown}");
}

#[test]
fn limits_from_the_command_line() {
    let world = World::new(&[]);
    let server = &world.server;
    assert_eq!(server.json(&["limits", "list"]), json!({ "items": [] }));
    let set = server.json(&["limits", "set", "region:eu-west-1", "20", "--reason", "throttled"]);
    assert_eq!((&set["slots"], &set["used"], &set["reason"]), (&json!(20), &json!(0), &json!("throttled")));
    let table = server.ask(&["limits", "list"]).ends_with(0).stdout;
    assert!(table.starts_with("SCOPE             LIMIT  IN USE  WAITING  SET BY"), "{table}");
    let refused = server.ask(&["limits", "set", "region:mars", "1"]).ends_with(3);
    assert!(refused.stderr.contains("region:eu-west-1"), "{refused:#?}");
    assert_eq!(server.json(&["limits", "unset", "region:eu-west-1"]), json!({ "items": [] }));
    server.ask(&["limits", "unset", "region:eu-west-1"]).ends_with(3);
}

#[test]
fn limits_on_units_from_the_command_line() {
    let world = World::new(&[]);
    let server = &world.server;
    let table = "table:dynamodb|127.0.0.2:9|issues";
    let set = server.json(&["limits", "set", table, "--write-units", "2500", "--reason", "live traffic"]);
    assert_eq!((set.get("slots"), &set["writeUnits"], set.get("readUnits")), (None, &json!(2_500), None));
    let set = server.json(&["limits", "set", table, "7", "--read-units", "9000"]);
    assert_eq!((&set["slots"], &set["writeUnits"], &set["readUnits"]), (&json!(7), &json!(2_500), &json!(9_000)));
    server.json(&["limits", "set", "overall", "--read-units", "10000000"]);
    let shown = server.ask(&["limits", "list"]).ends_with(0).stdout;
    let rows: Vec<Vec<&str>> = shown.lines().map(|line| line.split_whitespace().take(6).collect()).collect();
    assert_eq!(rows[1], ["overall", "-", "0", "0", "-", "10000000"], "{shown}");
    assert_eq!(rows[2][1..], ["7", "0", "0", "2500", "9000"], "{shown}");
    assert!(rows[2][0].starts_with("table:"), "{shown}");
    for wrong in [
        &["overall"] as &[&str],
        &["overall", "--write-units", "0"],
        &["overall", "--read-units", "10000001"],
        &["overall", "--write-units", "2.5"],
    ] {
        server.ask(&[&["limits", "set"], wrong].concat()).ends_with(2);
    }
    let left = server.json(&["limits", "unset", table]);
    assert_eq!(left["items"].as_array().map(Vec::len), Some(1));
}

#[test]
fn an_upgrade_is_checked_without_touching_the_store() {
    let world = World::new(&["--start-paused"]);
    let id = id(&world.server.json(&["move", "acme", "--to", "eu"]));
    let store = world.store();
    let check = || realmctl(&["upgrade-check", "--store", &store, "--output", "json"]);
    let fine = check().ends_with(0).json();
    assert_eq!((&fine["workflows"], &fine["tasks"], &fine["unreadable"]), (&json!(1), &json!(0), &json!([])));
    assert_eq!(fine["schema"]["stored"], fine["schema"]["known"]);
    assert_eq!((&fine["schema"]["wouldApply"], &fine["schema"]["newer"]), (&json!([]), &json!([])));

    write(&store, "UPDATE workflows SET state = 'teleporting', data = replace(data, 'scheduled', 'teleporting')");
    write(
        &store,
        &format!(
            "INSERT INTO tasks (id, workflow_id, kind, target, input, status, progress, created_at, updated_at) \
         VALUES ('t-1', '{id}', 'teleport', '', '{{}}', 'open', '{{}}', 0, 0)"
        ),
    );
    let ran = check().ends_with(1);
    let found = ran.json();
    let rows = found["unreadable"].as_array().expect("a list");
    let told: Vec<_> = rows.iter().map(|row| (row["what"].as_str(), row["id"].as_str())).collect();
    assert_eq!(told, [(Some("workflow"), Some(id.as_str())), (Some("task"), Some("t-1"))]);
    assert!(rows[0]["why"].as_str().is_some_and(|why| why.contains("teleporting")), "{rows:?}");
    let table = run(command(&["upgrade-check"]).env("REALMCTL_STORE", &store)).ends_with(1);
    assert!(table.stdout.contains(&id) && table.stderr.contains("can't continue 2 rows"), "{table:#?}");

    // A store that an older version left: it is looked at as it is, also when nobody else has it open.
    let World { server, folder } = world;
    server.terminate();
    check().ends_with(1);
    let old = folder.path().join("old.db");
    let old_store = format!("sqlite:{}", old.display());
    write(&store, &format!("VACUUM INTO '{}'", old.display()));
    write(&old_store, "DELETE FROM _sqlx_migrations WHERE version > 1");
    let older = realmctl(&["upgrade-check", "--store", &old_store, "--output", "json"]);
    assert_eq!(older.json()["schema"]["stored"], json!(1), "{older:#?}");
    assert!(older.stderr.contains("would be migrated from 1"), "{older:#?}");
    write(
        &old_store,
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'x', 1, '', 0)",
    );
    let newer = realmctl(&["upgrade-check", "--store", &old_store, "--output", "json"]).ends_with(1);
    assert_eq!(newer.json()["schema"]["newer"], json!([9999]));
    assert_eq!(newer.json()["schema"]["stored"], json!(9999), "and it was not migrated");

    let nothing = realmctl(&["upgrade-check", "--store", "sqlite:/nonexistent/realmctl.db"]).ends_with(1);
    assert!(nothing.stderr.contains("can't open the store"), "{nothing:#?}");
    realmctl(&["upgrade-check", "--store", "mysql://x"]).ends_with(2);
}

/// Writes to the file of a SQLite store as another version would have.
fn write(store: &str, statement: &str) {
    let file = store.strip_prefix("sqlite:").expect("a SQLite store");
    let connection = rusqlite::Connection::open(file).expect("it opens");
    connection.busy_timeout(std::time::Duration::from_secs(10)).expect("set");
    connection.execute(statement, []).expect("written");
}
