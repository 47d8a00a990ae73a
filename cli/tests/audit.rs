//! The audit trail as a chain, by the command line: whole as it is, and what somebody did to it in the database is found and named.

mod common;

use common::Up;
use common::world::World;
use rusqlite::Connection;
use serde_json::{Value, json};

/// Waits until everything so far is sealed; returns the head.
fn sealed(server: &Up) -> Value {
    loop {
        let head = server.json(&["audit", "head"]);
        if head["unsealed"] == json!(0) && head["seq"].as_i64().is_some_and(|seq| seq > 0) {
            return head;
        }
    }
}

/// A world whose trail has some entries.
fn with_entries() -> World {
    let world = World::new(&[]);
    for number in 0..4 {
        let reason = format!("number {number}");
        for verb in ["pause", "resume"] {
            world.server.json(&["tenants", verb, "acme", "--reason", &reason]);
        }
    }
    world
}

fn plant(world: &World, statements: &str) {
    let database = Connection::open(world.folder.path().join("realmctl.db")).expect("the database");
    database.execute_batch(statements).expect(statements);
}

/// What `audit verify` finds, which has to be something.
fn found(world: &World, more: &[&str]) -> Vec<Value> {
    let ran = world.server.ask(&[&["audit", "verify", "--output", "json"], more].concat()).ends_with(1);
    assert!(ran.stderr.contains("audit_broken"), "{ran:#?}");
    ran.json()["findings"].as_array().expect("findings").clone()
}

#[test]
fn a_trail_is_sealed_exported_and_found_whole() {
    let world = with_entries();
    let head = sealed(&world.server);
    let ran = world.server.ask(&["audit", "verify"]).ends_with(0);
    assert!(ran.stdout.starts_with("OK: "), "{ran:#?}");
    let file = world.folder.path().join("audit.jsonl");
    let file = file.to_str().expect("the path is UTF-8");
    world.server.ask(&["audit", "export", "--file", file]).ends_with(0);
    let kept = format!("{}:{}", head["seq"], head["digest"].as_str().expect("a digest"));
    // Without a server.
    common::realmctl(&["audit", "verify", "--file", file, "--head", &kept]).ends_with(0);
    world.server.ask(&["audit", "export", "--file", file]).ends_with(2);
    let text = std::fs::read_to_string(file).expect("the export");
    assert_eq!(text.lines().count() as i64, head["seq"].as_i64().expect("a number") + 1);
    let cut = text.rsplit_once("{\"head\"").expect("a head").0;
    std::fs::write(file, cut).expect("written");
    common::realmctl(&["audit", "verify", "--file", file]).ends_with(1);
    common::realmctl(&["audit", "verify", "--file", file, "--head", "1:xyz"]).ends_with(2);
}

#[test]
fn what_was_done_to_the_trail_is_named() {
    let world = with_entries();
    let head = sealed(&world.server);
    let last = head["seq"].as_i64().expect("a number");
    let id = |seq: i64| {
        let database = Connection::open(world.folder.path().join("realmctl.db")).expect("the database");
        let found = database.query_row("SELECT id FROM audit WHERE seq = ?1", [seq], |row| row.get::<_, String>(0));
        found.expect("an entry")
    };
    plant(&world, "CREATE TABLE saved AS SELECT * FROM audit");
    let restore = "DELETE FROM audit; INSERT INTO audit SELECT * FROM saved";

    plant(&world, "UPDATE audit SET who = 'mallory' WHERE seq = 5");
    assert_eq!(found(&world, &[]), [json!({ "kind": "changed", "seq": 5, "id": id(5) })]);
    let said = world.server.ask(&["audit", "verify"]).ends_with(1).stdout;
    assert!(said.contains(&format!("entry 5 ({})", id(5))), "{said}");
    plant(&world, restore);

    plant(&world, "DELETE FROM audit WHERE seq = 4");
    assert_eq!(found(&world, &[]), [json!({ "kind": "missing", "from": 4, "to": 4 })]);
    plant(&world, restore);

    plant(&world, &format!("DELETE FROM audit WHERE seq = {last}"));
    assert_eq!(found(&world, &[]), [json!({ "kind": "missing", "from": last, "to": last })]);
    plant(&world, restore);

    let (third, fourth) = (id(3), id(4));
    plant(
        &world,
        "UPDATE audit SET seq = -1 WHERE seq = 3; UPDATE audit SET seq = 3 WHERE seq = 4; UPDATE audit SET seq = 4 WHERE seq = -1",
    );
    let swapped = found(&world, &[]);
    assert!(swapped.contains(&json!({ "kind": "changed", "seq": 3, "id": fourth })), "{swapped:?}");
    assert!(swapped.contains(&json!({ "kind": "changed", "seq": 4, "id": third })), "{swapped:?}");
    plant(&world, restore);

    // Between the fourth and the fifth, the rest moved up.
    plant(
        &world,
        "UPDATE audit SET seq = -seq WHERE seq > 4; UPDATE audit SET seq = 1 - seq WHERE seq < 0;
         INSERT INTO audit (id, at, who, action, tenant, why, before, after, seq, digest)
         SELECT 'planted', at, 'sam', action, tenant, why, before, after, 5, digest FROM audit WHERE seq = 4",
    );
    let inserted = found(&world, &[]);
    assert!(inserted.contains(&json!({ "kind": "changed", "seq": 5, "id": "planted" })), "{inserted:?}");
    plant(&world, restore);

    // Where nobody looks: before the first, after the last.
    let insert = |seq: i64| {
        format!(
            "INSERT INTO audit (id, at, who, action, tenant, why, before, after, seq, digest)
             SELECT 'planted', at, 'sam', action, tenant, why, before, after, {seq}, digest FROM audit WHERE seq = 4"
        )
    };
    plant(&world, &insert(-5));
    assert_eq!(found(&world, &[]), [json!({ "kind": "out_of_order", "seq": -5, "id": "planted" })]);
    plant(&world, restore);
    plant(&world, &insert(last + 1));
    let beyond = found(&world, &[]);
    assert!(beyond.contains(&json!({ "kind": "head", "ends": last + 1, "head": last })), "{beyond:?}");
    plant(&world, restore);
    let lower =
        format!("UPDATE audit_head SET seq = {last} - 2, digest = (SELECT digest FROM audit WHERE seq = {last} - 2)");
    let raise = format!("UPDATE audit_head SET seq = {last}, digest = (SELECT digest FROM audit WHERE seq = {last})");
    plant(&world, &lower);
    assert_eq!(found(&world, &[]), [json!({ "kind": "head", "ends": last, "head": last - 2 })]);
    plant(&world, &raise);
    plant(&world, "UPDATE audit SET after = '{oops' WHERE seq = 6");
    assert_eq!(found(&world, &[]), [json!({ "kind": "changed", "seq": 6, "id": id(6) })]);
    plant(&world, restore);

    // The end is cut off, and the head says so, too: only one that was kept elsewhere tells.
    let kept = format!("{last}:{}", head["digest"].as_str().expect("a digest"));
    plant(
        &world,
        &format!(
            "DELETE FROM audit WHERE seq = {last};
             UPDATE audit_head SET seq = seq - 1, digest = (SELECT digest FROM audit WHERE seq = {last} - 1)"
        ),
    );
    world.server.ask(&["audit", "verify"]).ends_with(0);
    assert_eq!(found(&world, &["--head", &kept]), [json!({ "kind": "rewritten", "seq": last })]);
}
